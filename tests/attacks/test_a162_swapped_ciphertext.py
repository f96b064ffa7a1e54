"""A162: whoever may write to the database moves, changes or cuts what is sealed in it."""

import pytest
from django.db import connection

from core.ids import new_id
from idp import keys
from idp.models import RefreshFamily, SigningKey
from mfa.models import TotpFactor
from protection.envelope import HEAD_SIZE_BYTES
from sessions.models import LoginSession
from tests.support import oauth

pytestmark = pytest.mark.django_db


def sealed(table: str, column: str) -> list[tuple[object, bytes]]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id, {column} FROM {table} ORDER BY id")
        return [(pk, bytes(value)) for pk, value in cursor.fetchall()]


def write(table: str, column: str, pk: object, value: bytes) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET {column} = %s WHERE id = %s", [value, pk])


def flip(value: bytes) -> bytes:
    return value[:-1] + bytes([value[-1] ^ 1])


def unknown_key(value: bytes) -> bytes:
    return value[:2] + new_id().bytes + value[HEAD_SIZE_BYTES:]


DAMAGE = {
    "flipped": flip,
    "cut": lambda value: value[:-1],
    "emptied": lambda value: b"",
    "unknown key": unknown_key,
    "plain": lambda value: b"s" * 20,
}


def try_code(browser, who, code):
    browser.post("/accounts/login/", {"login": who.email, "password": who.password})
    return browser.post("/mfa/challenge/", {"code": code})


def test_an_attackers_own_seed_in_the_victims_row_lets_nobody_in(client, employee, approver):
    """The attacker has an account, and puts their own sealed seed where the victim's stood."""
    rows = {row.user_id: row.pk for row in TotpFactor.objects.all()}
    values = dict(sealed("mfa_totpfactor", "seed"))
    write("mfa_totpfactor", "seed", rows[employee.user.pk], values[rows[approver.user.pk]])

    answer = try_code(client, employee, approver.totp_code())

    assert answer.status_code == 503
    assert not LoginSession.unscoped.filter(user=employee.user).exists()


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_seed_accepts_no_code(client, employee, how):
    ((pk, value),) = sealed("mfa_totpfactor", "seed")
    write("mfa_totpfactor", "seed", pk, DAMAGE[how](value))

    answer = try_code(client, employee, employee.totp_code())

    assert answer.status_code == 503
    assert not LoginSession.unscoped.exists()


@pytest.mark.parametrize("how", [*DAMAGE, "swapped", "another column"])
def test_a_damaged_signing_key_signs_nothing(acme_web, session, employee, how):
    keys.signing_key("ES256")
    code = oauth.issue_code(acme_web, session)
    rows = sealed("idp_signingkey", "private")
    active = SigningKey.objects.get(alg="ES256", state="active").pk
    if how == "swapped":
        damaged = next(value for pk, value in rows if pk != active)
    elif how == "another column":
        ((_, damaged),) = sealed("mfa_totpfactor", "seed")
    else:
        damaged = DAMAGE[how](dict(rows)[active])
    write("idp_signingkey", "private", active, damaged)
    keys.forget()

    reply = oauth.redeem(acme_web, code)

    assert (reply.status, reply.error) == (503, "temporarily_unavailable")
    assert not RefreshFamily.unscoped.exists()


@pytest.mark.parametrize("how", [*DAMAGE, "another family"])
def test_a_damaged_successor_is_not_handed_out(acme_web, session, how):
    first, second = (
        oauth.redeem(acme_web, oauth.issue_code(acme_web, session)).json["refresh_token"]
        for _ in range(2)
    )
    for token in (first, second):
        oauth.refresh(acme_web, token)
    for pk, value in sealed("idp_refreshfamily", "successor_sealed"):
        others = dict(sealed("idp_refreshfamily", "successor_sealed"))
        others.pop(pk)
        damaged = next(iter(others.values())) if how == "another family" else DAMAGE[how](value)
        write("idp_refreshfamily", "successor_sealed", pk, damaged)
        if how == "another family":
            break

    replies = [oauth.refresh(acme_web, token) for token in (first, second)]

    refused = [reply for reply in replies if reply.status == 503]
    assert len(refused) == (1 if how == "another family" else 2)
    assert {family.generation for family in RefreshFamily.unscoped.all()} == {1}
