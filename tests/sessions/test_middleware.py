"""Each request stands on a live login session, or on none."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpResponse
from django.test import Client as Browser
from django.test import RequestFactory

from accounts.models import User
from audit import recorder
from audit.events import Event
from audit.models import AuditEvent
from core import clock
from core.assurance import Assurance, Level
from core.ids import digest
from sessions import evaluation, flows
from sessions.current import current_session_id
from sessions.middleware import LoginSessionMiddleware
from sessions.models import EndReason, LoginSession
from tests import cast

pytestmark = pytest.mark.django_db

PAGE = "/sessions/"


@pytest.fixture
def session(client, employee) -> LoginSession:
    return cast.sign_in(client, employee)


@pytest.fixture
def judged(monkeypatch) -> list:
    """Every time that policy is asked by a request."""
    seen = []
    original = evaluation.evaluate

    def watch(**asked):
        seen.append(asked["trigger"])
        return original(**asked)

    monkeypatch.setattr(evaluation, "evaluate", watch)
    return seen


def is_in(browser) -> bool:
    answer = browser.get(PAGE)
    assert answer.status_code in {200, 302}
    return answer.status_code == 200


def request_of(browser):
    return browser.get(PAGE).wsgi_request


class TestWhatARequestCarries:
    def test_a_session_its_assurance_and_what_is_reachable(self, client, session):
        request = request_of(client)

        assert request.login_session == session
        assert request.assurance == Assurance(
            Level.AAL2, tuple(session.amr), request.login_session.auth_time
        )
        assert request.reachable_level == Level.AAL2

    def test_a_stranger_carries_nothing(self, client):
        request = client.get("/accounts/login/").wsgi_request

        assert request.login_session is None
        assert request.assurance == Assurance()
        assert request.reachable_level == Level.AAL1

    def test_events_of_one_request_share_its_transaction_and_address(self, client, session):
        client.post("/sessions/end-others/", REMOTE_ADDR="198.51.100.4")
        client.post("/accounts/logout/", REMOTE_ADDR="198.51.100.4")

        ended = AuditEvent.objects.get(event=Event.SESSION_ENDED)
        assert ended.address == "198.51.100.4"

    def test_what_one_request_was_is_forgotten_by_the_next(self, client, session):
        before = current_session_id.get()

        client.get(PAGE)

        assert recorder.transaction_id.get() is None
        assert recorder.request_address.get() is None
        assert current_session_id.get() == before


class TestACookieAloneProvesNothing:
    def test_without_its_login_session_it_is_signed_out(self, client, session):
        LoginSession.unscoped.all().delete()

        assert not is_in(client)
        assert SESSION_KEY not in client.session

    def test_an_ended_one_does_not_count(self, client, session):
        flows.end_session(session=session, reason=EndReason.ENDED_BY_USER, now=clock.now())

        assert not is_in(client)

    def test_nor_does_one_of_somebody_else(self, client, session, approver):
        LoginSession.unscoped.filter(id=session.id).update(user=approver.user)

        assert not is_in(client)
        assert LoginSession.unscoped.get().ended_at is None

    def test_a_cookie_session_made_by_other_means_is_signed_out(self, employee):
        """As Django's own login, or a forged session row, would leave it."""
        browser, store = Browser(), SessionStore()
        store[SESSION_KEY] = str(employee.user.pk)
        store["_auth_user_backend"] = "accounts.backends.PasswordBackend"
        store["_auth_user_hash"] = employee.user.get_session_auth_hash()
        store.save()
        browser.cookies[settings.SESSION_COOKIE_NAME] = store.session_key

        assert not is_in(browser)

    def test_people_are_told(self, client, session):
        LoginSession.unscoped.update(ended_at=clock.now())

        page = client.get("/accounts/login/").content.decode()

        assert "Your session has ended" in page


class TestChanges:
    @pytest.mark.parametrize(
        "change",
        [
            lambda: User.unscoped.update(security_stamp=uuid4()),
            lambda: LoginSession.unscoped.update(security_stamp=uuid4()),
            lambda: LoginSession.unscoped.update(last_used_at=clock.now() - timedelta(hours=24)),
            lambda: LoginSession.unscoped.update(
                started_at=clock.now() - timedelta(days=8),
                expires_at=clock.now() - timedelta(seconds=1),
            ),
            lambda: User.unscoped.update(is_active=False),
        ],
        ids=["stamp of the user", "stamp of the session", "idle", "expired", "closed account"],
    )
    def test_it_is_over_at_the_very_next_request(self, client, session, change):
        assert is_in(client)

        change()

        assert not is_in(client)

    def test_a_verdict_is_reused_for_a_minute(self, client, session, judged, later):
        for _ in range(3):
            assert is_in(client)
        later(seconds=59)
        assert is_in(client)
        assert judged == []
        later(seconds=1)

        assert is_in(client)
        assert is_in(client)

        assert judged == ["request"]

    def test_what_only_policy_sees_bites_at_once(self, client, session, employee):
        assert is_in(client)
        employee.user.emailaddress_set.update(verified=False)

        assert not is_in(client)
        assert LoginSession.unscoped.get().outcome == "deny"

    @pytest.mark.parametrize("outcome", ["deny", "revoke", "", "anything"])
    def test_no_other_verdict_is_reused(self, client, session, judged, outcome):
        LoginSession.unscoped.update(outcome=outcome)

        assert is_in(client)
        assert judged == ["request"]

    def test_use_keeps_it_alive_up_to_its_longest_lifetime(self, client, session, later):
        for _ in range(7):
            later(hours=23, minutes=50)
            assert is_in(client)
        later(hours=2)

        assert not is_in(client)
        assert LoginSession.unscoped.get().end_reason == EndReason.EXPIRED

    def test_without_policy_everybody_is_out(self, client, session, monkeypatch, later):
        from policy import engine

        monkeypatch.setattr(engine._Engine, "evaluator", None)
        later(minutes=1)

        assert not is_in(client)


class TestFollowing:
    def test_a_new_key_of_the_cookie_session_is_followed(self, client, session):
        def cycle(request):
            request.session.cycle_key()
            return HttpResponse("ok")

        old = client.cookies[settings.SESSION_COOKIE_NAME].value
        new = run_view(client, cycle).cookies[settings.SESSION_COOKIE_NAME].value

        session.refresh_from_db()
        assert new != old
        assert bytes(session.session_key_digest) == digest(new)
        client.cookies[settings.SESSION_COOKIE_NAME] = new
        assert is_in(client)

    def test_signing_in_sets_the_cookie_of_the_browser(self, client, newcomer):
        answer = client.post(
            "/accounts/login/", {"login": newcomer.email, "password": newcomer.password}
        )

        cookie = answer.cookies[settings.BROWSER_COOKIE_NAME]
        assert answer.status_code == 302
        assert len(cookie.value) == 43
        assert cookie["httponly"]
        assert cookie["samesite"] == "Lax"
        assert int(cookie["max-age"]) == 365 * 86_400
        session = LoginSession.unscoped.get(user=newcomer.user)
        assert bytes(session.browser.cookie_digest) == digest(cookie.value)

    def test_no_other_answer_sets_it(self, client, session):
        assert settings.BROWSER_COOKIE_NAME not in client.get(PAGE).cookies


def run_view(browser, view):
    """One request through the session middlewares, to a view that has no URL."""
    chain = LoginSessionMiddleware(view)
    for outer in (MessageMiddleware, AuthenticationMiddleware, SessionMiddleware):
        chain = outer(chain)
    request = RequestFactory().get(PAGE)
    name = settings.SESSION_COOKIE_NAME
    request.COOKIES[name] = browser.cookies[name].value
    return chain(request)
