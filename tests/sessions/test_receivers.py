"""What sessions hear: sign-in, sign-out, changed credentials."""

import pytest
from django.conf import settings
from django.contrib.auth import login
from django.contrib.sessions.backends.db import SessionStore
from django.db import transaction
from django.http import HttpRequest
from django.test import Client as Browser

from accounts import flows as accounts
from accounts.models import RoleAssignment
from audit.events import Event
from audit.models import AuditEvent
from core import clock
from sessions.current import current_session_id
from sessions.models import EndReason, LoginSession
from sessions.signals import signed_in
from tests import cast

pytestmark = pytest.mark.django_db


def request_with(records, user, **meta) -> HttpRequest:
    request = HttpRequest()
    request.META |= {"REMOTE_ADDR": "203.0.113.7", "HTTP_USER_AGENT": cast.FIREFOX} | meta
    request.session = SessionStore()
    request.session["account_authentication_methods"] = records
    request.session["account_authentication_methods_user"] = str(user.pk)
    return request


def sign_in(who, records=(), **meta) -> HttpRequest:
    request = request_with(list(records), who.user, **meta)
    login(request, who.user, backend="accounts.backends.PasswordBackend")
    return request


class TestSigningIn:
    def test_only_what_was_proven_counts(self, employee):
        """As somebody would who finds a path that signs in without any proof."""
        request = sign_in(employee)

        session = request.login_session
        session.refresh_from_db()
        assert (session.acr, session.amr, session.outcome) == ("", [], "deny")
        denied = AuditEvent.objects.get(event=Event.SESSION_DENIED)
        assert denied.facts["reasons"] == ["not_authenticated"]

    def test_the_records_of_another_user_prove_nothing(self, employee, approver):
        request = request_with(
            [{"method": "password", "at": clock.now().timestamp()}], approver.user
        )

        login(request, employee.user, backend="accounts.backends.PasswordBackend")

        assert request.login_session.acr == ""

    def test_it_is_judged_before_it_is_used(self, client, employee):
        session = cast.sign_in(client, employee)

        assert session.outcome == "allow"
        assert session.evaluated_at is not None

    def test_others_hear_whether_the_browser_is_new(self, employee):
        heard = []

        def listen(sender, **news):
            heard.append((news["user"], news["browser_is_new"]))

        signed_in.connect(listen)
        try:
            cookie = sign_in(employee).browser_cookie
            again = request_with([], employee.user)
            again.COOKIES[settings.BROWSER_COOKIE_NAME] = cookie
            login(again, employee.user, backend="accounts.backends.PasswordBackend")
        finally:
            signed_in.disconnect(listen)

        assert heard == [(employee.user, True), (employee.user, False)]

    def test_the_address_and_the_browser_are_written_down(self, client, employee):
        session = cast.sign_in(client, employee)

        event = AuditEvent.objects.get(event=Event.SESSION_STARTED)
        assert session.address == "127.0.0.1"
        assert session.user_agent == cast.FIREFOX
        assert session.browser.name == "Firefox on Linux"
        assert (event.device_id, event.address) == (None, "127.0.0.1")


class TestSigningOut:
    def test_the_session_ends_with_the_cookie(self, client, employee):
        session = cast.sign_in(client, employee)

        client.post("/accounts/logout/")

        session.refresh_from_db()
        assert session.end_reason == EndReason.SIGNED_OUT
        assert AuditEvent.objects.filter(event=Event.SESSION_ENDED).count() == 1

    def test_a_copy_of_the_cookie_is_worth_nothing_afterwards(self, client, employee):
        cast.sign_in(client, employee)
        thief = Browser()
        thief.cookies[settings.SESSION_COOKIE_NAME] = client.cookies[
            settings.SESSION_COOKIE_NAME
        ].value

        client.post("/accounts/logout/")

        assert thief.get("/sessions/").status_code == 302


class TestChangedCredentials:
    def live(self, who):
        return set(
            LoginSession.unscoped.filter(user=who.user, ended_at=None).values_list("id", flat=True)
        )

    def test_the_session_that_made_the_change_goes_on(
        self, employee, django_capture_on_commit_callbacks
    ):
        other, mine = (cast.sign_in(Browser(), employee) for _ in range(2))
        current_session_id.set(mine.id)

        with django_capture_on_commit_callbacks(execute=True):
            accounts.rotate_security_stamp(user=employee.user, now=clock.now())

        mine.refresh_from_db()
        assert self.live(employee) == {mine.id}
        assert mine.security_stamp == employee.user.security_stamp
        other.refresh_from_db()
        assert other.end_reason == EndReason.CREDENTIALS_CHANGED

    def test_a_change_from_outside_ends_all(self, employee, django_capture_on_commit_callbacks):
        for _ in range(2):
            cast.sign_in(Browser(), employee)
        current_session_id.set(None)

        with django_capture_on_commit_callbacks(execute=True):
            accounts.rotate_security_stamp(user=employee.user, now=clock.now())

        assert self.live(employee) == set()

    def test_a_change_for_somebody_else_ends_all_of_theirs(
        self, employee, approver, django_capture_on_commit_callbacks
    ):
        """An administrator's own session is none of the user whose password was reset."""
        cast.sign_in(Browser(), employee)
        admins = cast.sign_in(Browser(), approver)
        current_session_id.set(admins.id)

        with django_capture_on_commit_callbacks(execute=True):
            accounts.rotate_security_stamp(user=employee.user, now=clock.now())

        assert self.live(employee) == set()
        assert self.live(approver) == {admins.id}

    def test_even_if_nobody_hears_of_it_every_session_is_over(self, client, employee):
        """Pull, not push: the stamps differ, and that is enough."""
        cast.sign_in(client, employee)
        current_session_id.set(None)

        accounts.rotate_security_stamp(
            user=employee.user, now=clock.now()
        )  # its news wait for a commit

        assert client.get("/sessions/").status_code == 302


class TestANewFactor:
    def test_old_sessions_are_not_made_strong_by_it(self, newcomer, later):
        """Only a sign-in of a moment ago and the new factor make two."""
        from mfa.models import TotpFactor
        from mfa.proof import TOGETHER, Proof
        from mfa.signals import factor_added

        session = cast.sign_in(Browser(), newcomer, acr="aal1")
        factor = TotpFactor.objects.create(
            user=newcomer.user, organisation=newcomer.user.organisation, name="App",
            seed=b"s" * 20, confirmed=True,
        )  # fmt: skip
        current_session_id.set(session.id)
        now = later(seconds=TOGETHER.total_seconds() + 1)

        factor_added.send(TotpFactor, user=newcomer.user, proof=Proof(factor), now=now)

        session.refresh_from_db()
        assert session.acr == "aal1"


class TestChangedRights:
    """Sessions are judged in the transaction that changes what their user may do."""

    def test_a_role_that_demands_more_shows_in_the_verdict_at_once(self, client, employee, acme):
        session = cast.sign_in(client, employee, acr="aal1")
        role = accounts.create_role(
            organisation=acme, name="vault", description="", required_acr="aal2", now=clock.now()
        )

        accounts.assign_role(user=employee.user, role=role, now=clock.now())

        session.refresh_from_db()
        assert (session.outcome, session.ended_at) == ("step_up", None)

        assignment = RoleAssignment.unscoped.get(role=role)
        accounts.end_role_assignment(assignment=assignment, now=clock.now())
        session.refresh_from_db()
        assert session.outcome == "allow"

    def test_a_closed_account_has_no_live_session_from_that_moment(self, client, employee):
        session = cast.sign_in(client, employee)

        with transaction.atomic():
            accounts.deactivate_user(user=employee.user, now=clock.now())
            session.refresh_from_db()
            assert session.ended_at is not None

    def test_the_session_that_changed_a_credential_is_judged_by_it(self, client, employee):
        session = cast.sign_in(client, employee)
        LoginSession.unscoped.update(outcome="")
        token = current_session_id.set(session.id)

        accounts.rotate_security_stamp(user=employee.user, now=clock.now())

        current_session_id.reset(token)
        session.refresh_from_db()
        assert (session.outcome, session.ended_at) == ("allow", None)
