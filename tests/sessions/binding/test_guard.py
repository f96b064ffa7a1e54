"""A bound session answers to its browser alone."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client as Browser

from audit.models import AuditEvent
from sessions.binding.flows import ON_ITS_WAY
from sessions.models import BoundKey, EndReason, LoginSession
from tests import cast
from tests.cast import Person
from tests.support import bound
from tests.support.bound import Dbsc, WebCrypto
from tests.support.entrances import give_code, give_password

PAGE, PRIVILEGED = "/sessions/", "/mfa/passkeys/add/"
PAGES = {"Accept": "text/html"}


def is_asked_for_its_key(answer: Any) -> bool:
    return answer.status_code == 401 and answer["WWW-Authenticate"] == "Bound-Cookie"


class TestWithoutTheCookie:
    def test_a_page_asks_for_the_key_and_says_nothing_else(
        self, client: Browser, firefox: WebCrypto, employee: Person, later: Any
    ) -> None:
        later(minutes=1)
        bound.drop(client)

        answer = client.get(f"{PAGE}?a=1", headers=PAGES)

        assert is_asked_for_its_key(answer)
        assert b'data-binding="ask" data-kind="webcrypto" data-read="yes"' in answer.content
        assert b'href="/sessions/?a=1"' in answer.content
        assert b"JavaScript" in answer.content
        assert employee.email.encode() not in answer.content
        assert "no-store" in answer["Cache-Control"]

    @pytest.mark.parametrize(
        "headers",
        [{}, {"Accept": "*/*"}, {"Accept": "application/json"}, PAGES | {"Sec-Fetch-Mode": "cors"}],
        ids=["nothing said", "anything", "json", "a script's request"],
    )
    def test_what_is_no_page_is_refused(
        self, client: Browser, firefox: WebCrypto, later: Any, headers: dict[str, str]
    ) -> None:
        later(minutes=1)
        bound.drop(client)

        answer = client.get(PAGE, headers=headers)

        assert is_asked_for_its_key(answer)
        assert answer["Content-Type"] == "application/json"
        assert b"proof_required" in answer.content

    def test_what_is_sent_is_not_taken(
        self, client: Browser, firefox: WebCrypto, later: Any
    ) -> None:
        later(minutes=1)
        bound.drop(client)

        answer = client.post("/sessions/end-others/", headers=PAGES)

        assert is_asked_for_its_key(answer)
        assert b"data-read" not in answer.content

    @pytest.mark.parametrize(
        "path", ["/accounts/login/", "/oauth/authorize?prompt=none", "/no/such/page", "/admin/"]
    )
    def test_no_page_is_anybodys(
        self, client: Browser, firefox: WebCrypto, later: Any, path: str
    ) -> None:
        later(minutes=1)
        bound.drop(client)

        assert is_asked_for_its_key(client.get(path, headers=PAGES))

    def test_signing_out_is_not_for_who_cannot_prove_the_key(
        self, client: Browser, firefox: WebCrypto, session: LoginSession, later: Any
    ) -> None:
        later(minutes=1)
        bound.drop(client)

        client.post("/accounts/logout/")

        assert LoginSession.unscoped.get(id=session.id).ended_at is None

    def test_the_browser_that_has_the_key_goes_on(
        self, client: Browser, firefox: WebCrypto, later: Any
    ) -> None:
        later(minutes=11)
        bound.drop(client)

        assert firefox.prove().status_code == 200

        assert client.get(PAGE).status_code == 200

    def test_everyday_absence_is_not_written_down(
        self, client: Browser, firefox: WebCrypto, later: Any
    ) -> None:
        later(minutes=11)
        bound.drop(client)

        client.get(PAGE)

        assert not AuditEvent.objects.filter(event="sessions.binding.refused").exists()


class TestACopiedJar:
    def test_it_opens_nothing_without_the_bound_cookie(
        self, client: Browser, chromium: Dbsc
    ) -> None:
        client.get(PAGE)
        thief = bound.copied(client)
        bound.drop(thief)

        # In the moments after binding a browser may not have its first cookie yet.
        assert thief.get(PAGE).status_code == 200

    def test_not_even_soon_after_binding(self, client: Browser, chromium: Dbsc, later: Any) -> None:
        client.get(PAGE)
        later(seconds=ON_ITS_WAY.total_seconds() + 1)
        thief = bound.copied(client)
        bound.drop(thief)

        assert is_asked_for_its_key(thief.get(PAGE))
        assert client.get(PAGE).status_code == 200

    def test_with_the_bound_cookie_it_works_for_ten_minutes_at_most(
        self, client: Browser, chromium: Dbsc, later: Any
    ) -> None:
        client.get(PAGE)
        thief = bound.copied(client)
        assert thief.get(PAGE).status_code == 200

        later(minutes=10)

        answer = thief.get(PAGE, headers=PAGES)
        assert answer.status_code == 307, "a browser with the key would refresh now"
        bound.drop(thief)
        assert is_asked_for_its_key(thief.get(PAGE, headers=PAGES))
        assert chromium.refresh().status_code == 200
        assert client.get(PAGE).status_code == 200

    def test_the_next_proof_ends_it_sooner(
        self, client: Browser, chromium: Dbsc, later: Any
    ) -> None:
        client.get(PAGE)
        thief = bound.copied(client)
        later(minutes=1)

        chromium.refresh()
        client.get(PAGE)
        assert thief.get(PAGE).status_code == 200, "it may have been on its way"
        later(seconds=ON_ITS_WAY.total_seconds())

        assert thief.get(PAGE).status_code == 307
        event = AuditEvent.objects.get(event="sessions.binding.refused")
        assert event.facts == {"kind": "dbsc", "step": "request", "reason": "wrong_cookie"}

    def test_the_trail_has_one_line_a_minute_of_it(
        self, client: Browser, chromium: Dbsc, later: Any
    ) -> None:
        thief = bound.copied(client)
        later(minutes=11)

        stolen = bound.cookie(thief)

        for wait in (0, 0, 0, 61):
            later(seconds=wait)
            thief.cookies[settings.BOUND_COOKIE_NAME] = stolen
            thief.get(PAGE)

        assert AuditEvent.objects.filter(event="sessions.binding.refused").count() == 2

    @pytest.mark.parametrize(
        "elsewhere",
        [{"REMOTE_ADDR": "203.0.113.9"}, {"HTTP_USER_AGENT": "curl/8"}],
        ids=["address", "browser"],
    )
    def test_no_page_opens_elsewhere_though_the_whole_jar_was_copied(
        self, client: Browser, chromium: Dbsc, elsewhere: dict[str, str], later: Any
    ) -> None:
        assert client.get(PAGE).status_code == 200
        thief = bound.copied(client)

        answer = thief.get(PAGE, **elsewhere)

        assert answer.status_code == 307
        bound.drop(thief)
        later(seconds=ON_ITS_WAY.total_seconds() + 1)
        assert is_asked_for_its_key(thief.get(PAGE, **elsewhere))
        assert AuditEvent.objects.filter(event="sessions.binding.refused").count() == 1

    def test_whose_network_changes_shows_the_key_and_goes_on(
        self, client: Browser, chromium: Dbsc
    ) -> None:
        client.get(PAGE)
        client.defaults["REMOTE_ADDR"] = "198.51.100.7"

        assert chromium.get(PAGE).status_code == 200
        assert client.get(PAGE).status_code == 200

    def test_no_privileged_page_opens_elsewhere(
        self, client: Browser, chromium: Dbsc, later: Any
    ) -> None:
        assert client.get(PRIVILEGED).status_code == 200
        thief = bound.copied(client)

        answer = thief.get(PRIVILEGED, REMOTE_ADDR="203.0.113.9")

        assert answer.status_code == 307
        bound.drop(thief)
        assert thief.get(PRIVILEGED, REMOTE_ADDR="203.0.113.9").status_code == 307
        later(seconds=ON_ITS_WAY.total_seconds() + 1)
        assert is_asked_for_its_key(thief.get(PRIVILEGED, REMOTE_ADDR="203.0.113.9"))

    def test_nor_in_another_browser(self, client: Browser, chromium: Dbsc) -> None:
        assert client.get(PRIVILEGED).status_code == 200
        thief = bound.copied(client)

        answer = thief.get(PRIVILEGED, HTTP_USER_AGENT="curl/8")

        assert answer.status_code == 307

    def test_nor_anywhere_two_minutes_after_the_proof(
        self, client: Browser, chromium: Dbsc, later: Any
    ) -> None:
        client.get(PAGE)
        thief = bound.copied(client)
        later(minutes=2, seconds=1)

        assert thief.get(PAGE).status_code == 200
        assert thief.get(PRIVILEGED).status_code == 307


class TestPrivilegedPages:
    def test_dbsc_refreshes_and_goes_on(self, client: Browser, chromium: Dbsc, later: Any) -> None:
        later(minutes=3)

        assert chromium.get(PRIVILEGED).status_code == 200

    def test_what_is_posted_is_sent_again_with_its_body(
        self, client: Browser, chromium: Dbsc, session: LoginSession, later: Any
    ) -> None:
        later(minutes=3)

        answer = chromium.request("post", "/sessions/end-others/")

        assert answer.status_code == 302
        assert answer["Location"] == PAGE

    def test_a_page_proves_the_key_of_the_script(
        self, client: Browser, firefox: WebCrypto, later: Any
    ) -> None:
        later(minutes=3)

        asked = client.get(PRIVILEGED, headers=PAGES)
        firefox.prove()

        assert is_asked_for_its_key(asked)
        assert b'data-binding="ask"' in asked.content
        assert b'data-binding="keep"' not in asked.content
        assert client.get(PRIVILEGED, headers=PAGES).status_code == 200

    def test_other_requests_are_refused(
        self, client: Browser, firefox: WebCrypto, later: Any
    ) -> None:
        later(minutes=3)

        assert is_asked_for_its_key(client.post("/mfa/passkeys/add/options/"))

    def test_where_the_cookie_comes_from_is_where_it_was_first_shown(
        self, client: Browser, chromium: Dbsc
    ) -> None:
        """Browsers refresh over connections of their own, from another address perhaps."""
        chromium.refresh()

        assert client.get(PRIVILEGED, REMOTE_ADDR="203.0.113.9").status_code == 200
        assert client.get(PRIVILEGED, REMOTE_ADDR="203.0.113.9").status_code == 200

    def test_the_administration_is_one(self, client: Browser, approver: Person, later: Any) -> None:
        cast.sign_in(client, approver)
        browser = Dbsc(client)
        browser.register(client.get(PAGE))
        assert client.get("/admin/").status_code == 200
        later(minutes=3)

        assert client.get("/admin/").status_code == 307
        bound.drop(client)
        assert browser.get("/admin/").status_code == 200

    def test_an_unbound_session_is_not_asked(
        self, client: Browser, session: LoginSession, later: Any
    ) -> None:
        later(minutes=3)

        assert client.get(PRIVILEGED).status_code == 200


class TestTheBoundCookie:
    def test_it_goes_when_its_user_signs_out(self, client: Browser, chromium: Dbsc) -> None:
        answer = client.post("/accounts/logout/")

        assert answer.cookies[settings.BOUND_COOKIE_NAME].value == ""
        assert not BoundKey.unscoped.exists()

    def test_a_left_over_is_taken_from_a_stranger(self, client: Browser) -> None:
        client.cookies[settings.BOUND_COOKIE_NAME] = "left-over"

        answer = client.get("/accounts/login/")

        assert answer.status_code == 200
        assert answer.cookies[settings.BOUND_COOKIE_NAME]["max-age"] == "0"

    def test_an_answer_that_is_lost_costs_nothing(
        self, client: Browser, chromium: Dbsc, later: Any
    ) -> None:
        client.get(PAGE)
        held = bound.cookie(client)
        for _ in range(2):
            chromium.refresh()
            client.cookies[settings.BOUND_COOKIE_NAME] = held
            later(minutes=1)

        assert client.get(PAGE).status_code == 200

    def test_a_former_one_that_is_lost_ends_with_its_time(
        self, client: Browser, chromium: Dbsc, later: Any
    ) -> None:
        client.get(PAGE)
        held = bound.cookie(client)
        later(minutes=9)
        chromium.refresh()
        client.cookies[settings.BOUND_COOKIE_NAME] = held

        assert client.get(PAGE).status_code == 200
        later(minutes=1)
        assert client.get(PAGE).status_code == 307

    def test_it_outlives_a_new_key_of_the_cookie_session(
        self, client: Browser, chromium: Dbsc, employee: Person, later: Any
    ) -> None:
        before = client.cookies[settings.SESSION_COOKIE_NAME].value
        later(minutes=1)
        client.post(
            "/step-up/?acr=aal2&max_age=0",
            {"password": employee.password, "code": employee.totp_code()},
        )

        assert client.cookies[settings.SESSION_COOKIE_NAME].value != before
        assert client.get(PAGE).status_code == 200


class TestActivity:
    def test_a_proof_is_no_sign_of_life(
        self, client: Browser, firefox: WebCrypto, session: LoginSession, later: Any
    ) -> None:
        used = LoginSession.unscoped.get(id=session.id).last_used_at
        later(minutes=8)

        firefox.prove()

        after = LoginSession.unscoped.get(id=session.id)
        assert after.last_used_at == used
        assert after.proven_at - used >= timedelta(minutes=8)

    def test_nor_is_a_refresh(self, chromium: Dbsc, session: LoginSession, later: Any) -> None:
        used = LoginSession.unscoped.get(id=session.id).last_used_at
        later(minutes=8)

        chromium.refresh()

        assert LoginSession.unscoped.get(id=session.id).last_used_at == used

    def test_an_idle_session_is_not_kept_by_proofs(
        self, client: Browser, firefox: WebCrypto, session: LoginSession, later: Any
    ) -> None:
        later(hours=25)
        bound.drop(client)

        assert firefox.post("challenge").status_code == 403
        assert LoginSession.unscoped.get(id=session.id).end_reason == EndReason.IDLE


class TestLeaving:
    def test_the_browser_forgets_what_it_cannot_prove_and_signs_in_anew(
        self, client: Browser, firefox: WebCrypto, session: LoginSession, employee: Person,
        later: Any,
    ) -> None:  # fmt: skip
        later(minutes=11)
        bound.drop(client)
        assert is_asked_for_its_key(client.get(PAGE, headers=PAGES))

        answer = client.post("/sessions/binding/leave/", {"next": "/activity/"})

        assert answer["Location"] == "/accounts/login/?next=%2Factivity%2F"
        assert answer.cookies[settings.SESSION_COOKIE_NAME].value == ""
        assert LoginSession.unscoped.get(id=session.id).ended_at is None
        del client.cookies[settings.SESSION_COOKIE_NAME]
        give_password(client, employee)
        give_code(client, employee.totp_code())
        assert client.get(PAGE).status_code == 200

    def test_it_leads_to_no_other_site(self, client: Browser, firefox: WebCrypto) -> None:
        answer = client.post("/sessions/binding/leave/", {"next": "https://elsewhere.example/"})

        assert "elsewhere" not in answer["Location"]

    def test_no_other_site_can_send_one_there(self, employee: Person, later: Any) -> None:
        browser = Browser(enforce_csrf_checks=True)
        cast.sign_in(browser, employee)

        answer = browser.post(
            "/sessions/binding/leave/", headers={"Origin": "https://elsewhere.example"}
        )

        assert answer.status_code == 403


class TestPolicy:
    def test_unbound_sessions_go_on_where_binding_is_preferred(
        self, client: Browser, session: LoginSession, later: Any
    ) -> None:
        later(hours=1)

        assert client.get(PAGE).status_code == 200

    def test_they_do_not_where_it_is_required(
        self, client: Browser, session: LoginSession, settings: Any
    ) -> None:
        settings.SESSION_BINDING = "required"

        answer = client.get(PAGE, headers=PAGES)

        assert is_asked_for_its_key(answer)
        assert b'data-kind="none"' in answer.content
        assert is_asked_for_its_key(client.get(PAGE))

    def test_the_page_binds_them_there(
        self, client: Browser, session: LoginSession, settings: Any
    ) -> None:
        settings.SESSION_BINDING = "required"

        assert WebCrypto(client).register().status_code == 200

        assert client.get(PAGE).status_code == 200

    def test_dbsc_binds_them_as_well(
        self, client: Browser, employee: Person, settings: Any
    ) -> None:
        settings.SESSION_BINDING = "required"
        give_password(client, employee)
        browser = Dbsc(client)

        browser.register(give_code(client, employee.totp_code()))

        assert client.get(PAGE).status_code == 200

    def test_two_minutes_are_enough(
        self, client: Browser, session: LoginSession, settings: Any, later: Any
    ) -> None:
        settings.SESSION_BINDING = "required"
        later(minutes=2, seconds=1)

        assert WebCrypto(client).post("challenge").status_code == 403
        assert client.get(PAGE, headers=PAGES).status_code == 302, "to the sign-in page"

    def test_what_is_bound_stays_bound_when_it_is_switched_off(
        self, client: Browser, chromium: Dbsc, settings: Any, later: Any
    ) -> None:
        settings.SESSION_BINDING = "off"
        later(minutes=1)
        assert client.get(PAGE).status_code == 200
        bound.drop(client)

        assert is_asked_for_its_key(client.get(PAGE))
        assert chromium.refresh().status_code == 200

    def test_nothing_new_is_bound_then(
        self, client: Browser, session: LoginSession, settings: Any
    ) -> None:
        settings.SESSION_BINDING = "off"

        assert WebCrypto(client).asked() == {"purpose": "none"}
        assert b"binding.js" not in client.get(PAGE).content
