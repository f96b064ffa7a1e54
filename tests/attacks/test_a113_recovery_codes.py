"""A113: guess recovery codes, use one twice, use an old one, read them later."""

from hashlib import sha256

import pytest
from django.core import mail
from django.test import Client as Browser

from audit.models import AuditEvent
from core import clock
from mfa import flows, recovery_codes
from mfa.models import RecoveryCode
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support.entrances import give_code, give_password
from tests.support.racing import race


@pytest.mark.django_db(transaction=True)
def test_of_many_uses_at_once_one_counts(employee: Person, now: object) -> None:
    code = flows.make_recovery_codes(user=employee.user, now=now)[0]

    def use(_: int) -> bool:
        proof = flows.prove_code(user=employee.user, method="recovery", code=code, now=clock.now())
        return proof is not None

    assert race(use, runners=12).count(True) == 1
    assert RecoveryCode.objects.filter(used_at=None).count() == 9
    assert AuditEvent.objects.filter(event="mfa.recovery_code.used").count() == 1


def test_guesses_draw_on_the_budget_of_the_account(employee: Person, now: object) -> None:
    from accounts import budget

    flows.make_recovery_codes(user=employee.user, now=now)
    guessed = 0
    for address in range(1, 5):
        browser = Browser(REMOTE_ADDR=f"198.51.100.{address}")
        give_password(browser, employee)
        for _ in range(9):
            answer = give_code(browser, recovery_codes.new_codes()[0], method="recovery")
            guessed += answer.status_code == 200

    assert AuditEvent.objects.filter(event="mfa.challenge.failed").count() == (
        budget.WINDOW_FAILURES
    )
    assert guessed <= budget.WINDOW_FAILURES


def test_codes_of_another_user_are_worth_nothing(
    client: Browser, employee: Person, outsider: Person, now: object
) -> None:
    theirs = flows.make_recovery_codes(user=outsider.user, now=now)
    flows.make_recovery_codes(user=employee.user, now=now)
    give_password(client, employee)

    assert give_code(client, theirs[0], method="recovery").status_code == 200
    assert not LoginSession.unscoped.filter(user=employee.user).exists()
    assert RecoveryCode.objects.filter(used_at=None).count() == 20


def test_a_new_sheet_ends_the_one_before(employee: Person, now: object) -> None:
    old = flows.make_recovery_codes(user=employee.user, now=now)
    new = flows.make_recovery_codes(user=employee.user, now=now)

    def is_good(code: str) -> bool:
        proof = flows.prove_code(user=employee.user, method="recovery", code=code, now=clock.now())
        return proof is not None

    assert [is_good(code) for code in old] == [False] * len(old)
    assert is_good(new[0])


def test_what_is_kept_of_them_opens_nothing(employee: Person, now: object) -> None:
    """Neither the codes nor what anybody could compute from a guess stand in a table or a mail."""
    codes = {
        recovery_codes.normalised(code)
        for code in flows.make_recovery_codes(user=employee.user, now=now)
    }
    kept = [bytes(row.digest) for row in RecoveryCode.objects.all()]

    assert len(kept) == len(codes)
    for code in codes:
        assert code.encode() not in kept
        assert sha256(code.encode()).digest() not in kept
        assert not any(code in message.body.replace("-", "") for message in mail.outbox)


def test_no_page_shows_them_again(client: Browser, employee: Person) -> None:
    cast.sign_in(client, employee)
    shown = client.post("/mfa/recovery-codes/").context["codes"]

    pages = ["/mfa/recovery-codes/", "/security/", "/mfa/passkeys/", "/security/activity/"]
    for path in pages:
        page = client.get(path).content.decode()
        assert not any(code in page for code in shown)
    facts = str(list(AuditEvent.objects.values_list("facts", flat=True)))
    assert not any(recovery_codes.normalised(code) in facts.replace("-", "") for code in shown)
