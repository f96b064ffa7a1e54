"""A107: add a factor of one's own to a session that was taken over, or fixate its seed."""

import base64
import re
from datetime import datetime, timedelta

import pytest
from django.test import Client as Browser
from django_otp.oath import hotp

from core import clock
from core.errors import Refusal
from mfa import flows, totp
from mfa.models import PasskeyFactor, TotpFactor
from tests import cast
from tests.cast import Person
from tests.support import passkeys


def seed_on(page: str) -> bytes:
    key = re.search(r'id="totp-key">([A-Z2-7 ]+)<', page)
    assert key is not None
    return base64.b32decode(key.group(1).replace(" ", ""))


def code_for(seed: bytes) -> str:
    return f"{hotp(seed, totp.step_at(clock.now())):06d}"


def test_a_stolen_session_enrols_nothing_without_a_fresh_proof(
    client: Browser, newcomer: Person
) -> None:
    cast.sign_in(client, newcomer, acr="aal1")
    seed = seed_on(client.get("/mfa/totp/").content.decode())
    options = passkeys.options(client, passkeys.ADD)
    clock.shift(timedelta(minutes=11))

    client.post("/mfa/totp/", {"code": code_for(seed)})
    passkeys.finish(client, passkeys.ADD, passkeys.authenticator().create(options))

    assert not TotpFactor.objects.exists()
    assert not PasskeyFactor.objects.exists()


def test_the_seed_is_made_here_whatever_is_sent(client: Browser, newcomer: Person) -> None:
    known = b"12345678901234567890"
    cast.sign_in(client, newcomer, acr="aal1")
    sent = {"seed": known.hex(), "key": totp.key_for_people(known), "secret": "x"}

    page = client.get("/mfa/totp/", sent)
    client.post("/mfa/totp/", {**sent, "code": code_for(known)})

    assert seed_on(page.content.decode()) != known
    assert not TotpFactor.objects.exists()


def test_a_pending_seed_belongs_to_one_session_and_one_user(
    client: Browser, newcomer: Person, approver: Person
) -> None:
    TotpFactor.objects.filter(user=approver.user).delete()
    attacker = Browser()
    cast.sign_in(attacker, newcomer, acr="aal1")
    cast.sign_in(client, approver, acr="aal1")
    attackers = seed_on(attacker.get("/mfa/totp/").content.decode())
    client.get("/mfa/totp/")

    client.post("/mfa/totp/", {"code": code_for(attackers)})

    assert not TotpFactor.objects.filter(user=approver.user).exists()


def test_a_pending_seed_carried_to_another_users_session_does_not_unseal(
    client: Browser, newcomer: Person, outsider: Person
) -> None:
    TotpFactor.objects.all().delete()
    attacker = Browser()
    cast.sign_in(attacker, outsider, acr="aal1")
    known = seed_on(attacker.get("/mfa/totp/").content.decode())
    pending = attacker.session["pending_totp"]
    cast.sign_in(client, newcomer, acr="aal1")
    session = client.session
    session["pending_totp"] = pending
    session.save()

    assert seed_on(client.get("/mfa/totp/").content.decode()) != known


def test_a_second_app_does_not_replace_the_first(
    client: Browser, employee: Person, now: datetime
) -> None:
    cast.sign_in(client, employee)
    seed = totp.new_seed()

    assert client.get("/mfa/totp/")["Location"] == "/mfa/totp/remove/"
    client.post("/mfa/totp/", {"code": "000000"})
    with pytest.raises(Refusal, match="conflict"):
        flows.add_totp(user=employee.user, seed=seed, code=code_for(seed), now=now)

    assert bytes(TotpFactor.objects.get().seed) == employee.totp_seed
