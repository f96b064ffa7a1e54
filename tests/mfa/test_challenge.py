"""The second step of signing in, through the pages."""

import pytest
from django.conf import settings
from django.test import Client as Browser

from audit.models import AuditEvent
from mfa import flows
from mfa.models import RecoveryCode
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support import passkeys

HOME = "/security/"


def give_password(browser: Browser, who: Person, next_url: str = "") -> object:
    values = {"login": who.email, "password": who.password}
    if next_url:
        values["next"] = next_url
    return browser.post("/accounts/login/", values)


def events(name: str) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(event=name).order_by("at", "id"))


def only_session(who: Person) -> LoginSession:
    return LoginSession.unscoped.get(user=who.user, ended_at=None)


def test_a_password_alone_leads_to_the_challenge(client: Browser, employee: Person) -> None:
    answer = give_password(client, employee)

    assert answer.status_code == 302
    assert answer["Location"] == "/mfa/challenge/"
    assert not LoginSession.unscoped.filter(user=employee.user).exists()
    assert client.get(HOME).status_code == 302


def test_a_code_completes_the_login_at_aal2(client: Browser, employee: Person) -> None:
    give_password(client, employee, next_url="/sessions/?a=b")

    answer = client.post("/mfa/challenge/", {"method": "totp", "code": employee.totp_code()})

    assert (answer.status_code, answer["Location"]) == (302, "/sessions/?a=b")
    session = only_session(employee)
    assert (session.acr, session.amr) == ("aal2", ["mfa", "otp", "pwd"])
    assert client.get("/sessions/").status_code == 200
    assert [event.facts["method"] for event in events("mfa.challenge.passed")] == ["totp"]


def test_apps_show_codes_in_two_groups(client: Browser, employee: Person) -> None:
    code = employee.totp_code()
    give_password(client, employee)

    answer = client.post("/mfa/challenge/", {"code": f"{code[:3]} {code[3:]}"})

    assert answer.status_code == 302
    assert only_session(employee).acr == "aal2"


def test_the_challenge_says_who_and_how(client: Browser, employee: Person) -> None:
    give_password(client, employee)

    page = client.get("/mfa/challenge/").content.decode()

    assert employee.email in page
    assert 'name="code"' in page
    assert "passkey-challenge" not in page
    assert "method=recovery" not in page


def test_a_wrong_code_is_refused_counted_and_written_down(
    client: Browser, employee: Person, django_assert_num_queries: object
) -> None:
    from accounts.models import GuessBudget

    give_password(client, employee)
    wrong = f"{(int(employee.totp_code()) + 1) % 1_000_000:06d}"

    answer = client.post("/mfa/challenge/", {"code": wrong})

    assert answer.status_code == 200
    assert "not right" in answer.content.decode()
    assert not LoginSession.unscoped.filter(user=employee.user).exists()
    assert GuessBudget.objects.get().total == 1
    assert len(events("mfa.challenge.failed")) == 1
    assert len(events("accounts.login.failed")) == 1


@pytest.mark.parametrize(
    "code", ["", "12345", "1234567", "12_456", "\uff11\uff12\uff13\uff14\uff15\uff16", "abcdef"]
)
def test_what_is_no_code_costs_nothing(client: Browser, employee: Person, code: str) -> None:
    from accounts.models import GuessBudget

    give_password(client, employee)

    answer = client.post("/mfa/challenge/", {"code": code})

    assert answer.status_code == 200
    assert not GuessBudget.objects.filter(total__gt=0).exists()
    assert not events("mfa.challenge.failed")


def test_a_recovery_code_stands_in_and_says_how_many_are_left(
    client: Browser, employee: Person, now: object
) -> None:
    codes = flows.make_recovery_codes(user=employee.user, now=now)
    give_password(client, employee)

    answer = client.post(
        "/mfa/challenge/", {"method": "recovery", "code": codes[3].upper()}, follow=True
    )

    assert "9 are left" in answer.content.decode()
    assert only_session(employee).amr == ["mfa", "pwd", "recovery"]
    assert RecoveryCode.objects.filter(used_at__isnull=False).count() == 1
    assert [event.facts["codes_left"] for event in events("mfa.recovery_code.used")] == [9]


def test_a_recovery_code_works_once(client: Browser, employee: Person, now: object) -> None:
    codes = flows.make_recovery_codes(user=employee.user, now=now)
    give_password(client, employee)
    client.post("/mfa/challenge/", {"method": "recovery", "code": codes[0]})
    second = Browser()
    give_password(second, employee)

    answer = second.post("/mfa/challenge/", {"method": "recovery", "code": codes[0]})

    assert answer.status_code == 200
    assert LoginSession.unscoped.filter(user=employee.user).count() == 1


def test_a_passkey_is_a_second_factor_too(client: Browser, newcomer: Person) -> None:
    key = passkeys.authenticator()
    passkeys.register(newcomer, key)
    give_password(client, newcomer)
    page = client.get("/mfa/challenge/").content.decode()
    options = passkeys.options(client, passkeys.CHALLENGE)

    answer = passkeys.finish(client, passkeys.CHALLENGE, key.get(options))

    assert "passkey-challenge" in page
    assert [known["id"] for known in options["allowCredentials"]] == key.credential_ids
    assert answer.json() == {"redirect": HOME}
    session = only_session(newcomer)
    assert (session.acr, session.amr) == ("phr", ["mfa", "pop", "pwd", "swk", "user"])


def test_a_passkey_alone_signs_in_and_resists_phishing(client: Browser, newcomer: Person) -> None:
    key = passkeys.authenticator()
    passkeys.register(newcomer, key)
    options = passkeys.options(client, passkeys.LOGIN)

    answer = passkeys.post(
        client, f"{passkeys.LOGIN[1]}?next=/sessions/", {"credential": key.get(options)}
    )

    assert options["allowCredentials"] == []
    assert options["userVerification"] == "required"
    assert answer.json() == {"redirect": "/sessions/"}
    session = only_session(newcomer)
    assert (session.acr, session.amr) == ("phr", ["mfa", "pop", "swk", "user"])
    assert client.get("/sessions/").status_code == 200


def test_a_passkey_does_not_lead_to_a_foreign_site(client: Browser, newcomer: Person) -> None:
    key = passkeys.authenticator()
    passkeys.register(newcomer, key)
    options = passkeys.options(client, passkeys.LOGIN)

    answer = passkeys.post(
        client, f"{passkeys.LOGIN[1]}?next=https://evil.example/", {"credential": key.get(options)}
    )

    assert answer.json() == {"redirect": HOME}


def test_an_unknown_passkey_is_named_so_that_the_browser_forgets_it(
    client: Browser, newcomer: Person
) -> None:
    key = passkeys.authenticator()
    passkeys.register(newcomer, key).delete()

    answer = passkeys.sign_in(client, key)

    assert answer.status_code == 400
    assert answer.json()["error"] == "unknown_credential"


@pytest.mark.parametrize("closed", ["user", "organisation"])
def test_a_passkey_of_a_closed_account_signs_nobody_in(
    client: Browser, newcomer: Person, closed: str
) -> None:
    key = passkeys.authenticator()
    passkeys.register(newcomer, key)
    row = newcomer.user if closed == "user" else newcomer.user.organisation
    row.is_active = False
    row.save()

    answer = passkeys.sign_in(client, key)

    assert answer.status_code == 400
    assert not LoginSession.unscoped.filter(user=newcomer.user).exists()


def test_the_factor_of_an_account_closed_meanwhile_completes_nothing(
    client: Browser, employee: Person
) -> None:
    give_password(client, employee)
    employee.user.is_active = False
    employee.user.save()

    answer = client.post("/mfa/challenge/", {"code": employee.totp_code()})

    assert answer["Location"] == "/accounts/login/"
    assert not LoginSession.unscoped.filter(user=employee.user).exists()


def test_a_login_begun_before_a_credential_changed_begins_again(
    client: Browser, employee: Person, now: object
) -> None:
    from accounts.flows import rotate_security_stamp

    give_password(client, employee)
    rotate_security_stamp(user=employee.user, now=now)

    answer = client.post("/mfa/challenge/", {"code": employee.totp_code()})

    assert answer["Location"] == "/accounts/login/"
    assert not LoginSession.unscoped.filter(user=employee.user).exists()


def test_a_passkey_opens_an_account_that_somebody_else_has_locked(
    client: Browser, newcomer: Person, now: object
) -> None:
    from accounts import budget

    key = passkeys.authenticator()
    passkeys.register(newcomer, key)
    for _ in range(budget.WINDOW_FAILURES):
        budget.spend(newcomer.email, now=now)

    assert passkeys.sign_in(client, key).status_code == 200


def test_a_seed_that_cannot_be_unsealed_answers_try_again(
    client: Browser, employee: Person
) -> None:
    from django.db import connection

    give_password(client, employee)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE mfa_totpfactor SET seed = 'broken'")

    answer = client.post("/mfa/challenge/", {"code": employee.totp_code()})

    assert answer.status_code == 503
    assert not LoginSession.unscoped.filter(user=employee.user).exists()


def test_signing_in_by_test_helper_matches_the_real_thing(
    client: Browser, employee: Person
) -> None:
    session = cast.sign_in(client, employee)

    assert client.get("/sessions/").status_code == 200
    assert session.acr == "aal2"
    assert settings.SESSION_COOKIE_NAME in client.cookies
