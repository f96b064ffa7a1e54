"""Step-up and the list of one's own sessions."""

from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.test import Client as Browser

from audit.models import AuditEvent
from core import clock
from core.ids import digest
from mfa import flows
from sessions.models import EndReason, LoginSession
from tests import cast
from tests.cast import Person
from tests.sessions.test_locks import device_of, put_on
from tests.support import passkeys

NEXT = "/sessions/?from=test"


def url(**query: object) -> str:
    return "/step-up/?" + urlencode({"next": NEXT, **query})


def typed(who: Person, **more: str) -> dict[str, str]:
    return {"password": who.password, **more}


class TestStepUp:
    def test_it_goes_on_when_the_session_is_good_enough(
        self, client: Browser, employee: Person
    ) -> None:
        cast.sign_in(client, employee)

        assert client.get(url(acr="aal2", max_age=600))["Location"] == NEXT

    def test_it_asks_for_password_and_code_when_it_is_too_old(
        self, client: Browser, employee: Person
    ) -> None:
        cast.sign_in(client, employee)
        clock.shift(timedelta(minutes=11))

        page = client.get(url(acr="aal2", max_age=600)).content.decode()

        assert 'name="password"' in page
        assert 'name="code"' in page
        assert employee.email in page

    def test_password_and_code_renew_it(self, client: Browser, employee: Person) -> None:
        session = cast.sign_in(client, employee)
        cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
        clock.shift(timedelta(minutes=11))

        answer = client.post(
            url(acr="aal2", max_age=600), typed(employee, code=employee.totp_code())
        )

        assert answer["Location"] == NEXT
        session.refresh_from_db()
        assert clock.now() - session.auth_time < timedelta(seconds=30)
        assert session.acr == "aal2"
        renewed = client.cookies[settings.SESSION_COOKIE_NAME].value
        assert renewed != cookie
        assert bytes(session.session_key_digest) == digest(renewed)
        assert client.get("/sessions/").status_code == 200
        event = AuditEvent.objects.get(event="sessions.assurance.raised")
        assert event.session_id == session.id

    def test_a_password_alone_renews_no_session_of_two_factors(  # A112
        self, client: Browser, employee: Person
    ) -> None:
        session = cast.sign_in(client, employee)
        clock.shift(timedelta(minutes=11))

        answer = client.post(url(acr="aal1", max_age=600), typed(employee))

        assert answer.status_code == 200
        session.refresh_from_db()
        assert clock.now() - session.auth_time > timedelta(minutes=10)

    def test_a_session_of_one_factor_becomes_one_of_two(
        self, client: Browser, employee: Person
    ) -> None:
        session = cast.sign_in(client, employee, acr="aal1")

        client.post(url(acr="aal2"), typed(employee, code=employee.totp_code()))

        session.refresh_from_db()
        assert (session.acr, session.amr) == ("aal2", ["mfa", "otp", "pwd"])

    def test_a_recovery_code_does_as_well(self, client: Browser, employee: Person) -> None:
        codes = flows.make_recovery_codes(user=employee.user, now=clock.now())
        employee.user.refresh_from_db()
        session = cast.sign_in(client, employee, acr="aal1")
        page = client.get(url(acr="aal2")).content.decode()
        path = url(acr="aal2", method="recovery")

        answer = client.post(path, typed(employee, code=codes[0]))

        assert "method=recovery" in page
        assert answer["Location"] == NEXT
        session.refresh_from_db()
        assert session.amr == ["mfa", "pwd", "recovery"]

    def test_a_passkey_is_enough_by_itself(self, client: Browser, newcomer: Person) -> None:
        key = passkeys.authenticator()
        passkeys.register(newcomer, key)
        session = cast.sign_in(client, newcomer, acr="aal1")
        page = client.get(url(acr="aal2")).content.decode()
        options = passkeys.options(client, passkeys.STEP_UP)

        answer = passkeys.post(
            client,
            f"{passkeys.STEP_UP[1]}?{urlencode({'next': NEXT})}",
            {"credential": key.get(options)},
        )

        assert "passkey-step-up" in page
        assert 'name="password"' not in page
        assert answer.json() == {"redirect": NEXT}
        session.refresh_from_db()
        assert session.acr == "phr"
        assert client.get("/sessions/").status_code == 200

    def test_another_persons_passkey_is_refused(
        self, client: Browser, newcomer: Person, outsider: Person
    ) -> None:
        foreign = passkeys.authenticator()
        passkeys.register(outsider, foreign)
        session = cast.sign_in(client, newcomer, acr="aal1")
        options = passkeys.options(client, passkeys.STEP_UP)

        answer = passkeys.finish(client, passkeys.STEP_UP, foreign.get(options))

        assert answer.status_code == 400
        session.refresh_from_db()
        assert session.acr == "aal1"

    def test_a_password_is_all_that_one_without_factors_can_prove(
        self, client: Browser, newcomer: Person
    ) -> None:
        session = cast.sign_in(client, newcomer, acr="aal1")
        clock.shift(timedelta(minutes=11))

        answer = client.post(url(acr="aal1", max_age=600), typed(newcomer))

        assert answer["Location"] == NEXT
        session.refresh_from_db()
        assert session.acr == "aal1"
        assert clock.now() - session.auth_time < timedelta(seconds=30)

    def test_who_has_no_factor_is_led_to_one_and_back(
        self, client: Browser, newcomer: Person
    ) -> None:
        cast.sign_in(client, newcomer, acr="aal1")
        path = url(acr="aal2")

        page = client.get(path).content.decode()

        assert 'id="enrol-passkey"' in page
        assert f"/mfa/totp/?{urlencode({'next': path})}" in page

    def test_whoever_took_the_last_factor_away_falls_to_what_they_prove(
        self, client: Browser, employee: Person
    ) -> None:
        session = cast.sign_in(client, employee)
        client.post("/mfa/totp/remove/")
        clock.shift(timedelta(minutes=11))

        answer = client.post(url(acr="aal1", max_age=600), typed(employee))

        assert answer["Location"] == NEXT
        session.refresh_from_db()
        assert (session.acr, session.amr) == ("aal1", ["pwd"])

    @pytest.mark.parametrize("wrong", ["password", "code"])
    def test_what_was_wrong_is_not_told(
        self, client: Browser, employee: Person, wrong: str
    ) -> None:
        session = cast.sign_in(client, employee)
        clock.shift(timedelta(minutes=11))
        code = employee.totp_code()
        values = typed(employee, code=code)
        values[wrong] = (
            "a wrong one" if wrong == "password" else f"{(int(code) + 1) % 1_000_000:06d}"
        )

        answer = client.post(url(acr="aal2", max_age=600), values)

        assert "The password or the code is not right" in answer.content.decode()
        assert AuditEvent.objects.filter(event="accounts.login.failed").count() == 1
        session.refresh_from_db()
        assert clock.now() - session.auth_time > timedelta(minutes=10)

    def test_guesses_draw_on_the_budget_of_signing_in(
        self, client: Browser, newcomer: Person
    ) -> None:
        from accounts import budget

        cast.sign_in(client, newcomer, acr="aal1")
        clock.shift(timedelta(minutes=11))
        for _ in range(budget.WINDOW_FAILURES):
            budget.spend(newcomer.email, now=clock.now())

        answer = client.post(url(acr="aal1", max_age=600), typed(newcomer))

        assert answer.status_code == 429

    @pytest.mark.parametrize(
        "target", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", ""]
    )
    def test_it_leads_nowhere_else(self, client: Browser, employee: Person, target: str) -> None:
        cast.sign_in(client, employee)

        answer = client.get("/step-up/", {"next": target, "acr": "aal2"})

        assert answer["Location"] == "/security/"

    @pytest.mark.parametrize("max_age", ["0", "-1", "x", "\uff11\uff12", "9" * 40])
    def test_an_age_that_is_none_asks_again(
        self, client: Browser, employee: Person, max_age: str
    ) -> None:
        cast.sign_in(client, employee)
        clock.shift(timedelta(seconds=2))

        answer = client.get(url(acr="aal2", max_age=max_age))

        assert answer.status_code == (302 if max_age.startswith("9") else 200)

    def test_a_stranger_goes_to_sign_in(self, client: Browser, db: None) -> None:
        assert client.get(url()).status_code == 302
        assert passkeys.post(client, passkeys.STEP_UP[0], {}).status_code == 302


class TestMySessions:
    def test_it_lists_ones_own_live_sessions_this_one_first(
        self, client: Browser, employee: Person, outsider: Person
    ) -> None:
        ended = cast.sign_in(Browser(), employee)
        LoginSession.unscoped.filter(id=ended.id).update(ended_at=clock.now())
        other = cast.sign_in(Browser(), employee)
        cast.sign_in(Browser(), outsider)
        mine = cast.sign_in(client, employee)

        answer = client.get("/sessions/")

        assert [session.id for session, _ in answer.context["sessions"]] == [mine.id, other.id]
        assert answer.content.decode().count("This device") == 1

    def test_one_can_be_ended(self, client: Browser, employee: Person) -> None:
        there = Browser()
        other = cast.sign_in(there, employee)
        cast.sign_in(client, employee)

        answer = client.post(f"/sessions/{other.id}/end/")

        assert answer["Location"] == "/sessions/"
        other.refresh_from_db()
        assert other.end_reason == EndReason.ENDED_BY_USER
        assert there.get("/sessions/").status_code == 302

    def test_ending_this_one_is_signing_out(self, client: Browser, employee: Person) -> None:
        mine = cast.sign_in(client, employee)

        answer = client.post(f"/sessions/{mine.id}/end/")

        assert answer["Location"] == "/accounts/logout/"
        mine.refresh_from_db()
        assert mine.ended_at is None
        client.post(answer["Location"])
        mine.refresh_from_db()
        assert mine.end_reason == EndReason.SIGNED_OUT
        assert client.get("/sessions/").status_code == 302

    def test_all_others_can_be_ended(self, client: Browser, employee: Person) -> None:
        others = [cast.sign_in(Browser(), employee) for _ in range(2)]
        mine = cast.sign_in(client, employee)

        client.post("/sessions/end-others/")

        for session in [*others, mine]:
            session.refresh_from_db()
        assert [session.ended_at is None for session in others] == [False, False]
        assert mine.ended_at is None

    def test_somebody_elses_does_not_exist(
        self, client: Browser, employee: Person, approver: Person, outsider: Person
    ) -> None:
        theirs = [cast.sign_in(Browser(), who) for who in (approver, outsider)]
        cast.sign_in(client, employee)

        answers = [client.post(f"/sessions/{session.id}/end/").status_code for session in theirs]

        assert answers == [404, 404]
        assert LoginSession.unscoped.filter(ended_at=None).count() == 3

    def test_ending_asks_for_a_fresh_session_and_comes_back_to_the_list(
        self, client: Browser, employee: Person
    ) -> None:
        other = cast.sign_in(Browser(), employee)
        cast.sign_in(client, employee)
        clock.shift(timedelta(minutes=11))
        path = f"/sessions/{other.id}/end/"

        first = client.post(path)
        back = client.post(first["Location"], typed(employee, code=employee.totp_code()))

        assert first["Location"].startswith("/step-up/")
        assert back["Location"] == path
        assert client.get(path)["Location"] == "/sessions/"
        other.refresh_from_db()
        assert other.ended_at is None
        assert client.post(path)["Location"] == "/sessions/"
        other.refresh_from_db()
        assert other.ended_at is not None


def test_the_list_tells_device_place_and_what_was_unusual(client, employee):
    session = cast.sign_in(client, employee)
    put_on(device_of(employee.user, name="Alices laptop"), session)
    LoginSession.unscoped.filter(id=session.id).update(address="8.8.8.8", risk_level=3)
    LoginSession.unscoped.filter(id=session.id).update(auth_time=clock.now())

    page = client.get("/sessions/").content.decode()

    assert "On Alices laptop" in page
    assert "8.8.8.8 (US)" in page
    assert "Unusual" in page
    assert "Not bound" in page
