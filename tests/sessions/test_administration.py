"""What administrators see of live sessions and locks, and do about them."""

import pytest
from django.test import Client as Browser
from django.urls import reverse

from accounts import flows as accounts
from accounts.models import Lock, LockTarget
from audit.events import Event
from audit.models import AuditEvent
from core import clock
from sessions.models import EndReason, LoginSession
from tests import cast
from tests.sessions.test_locks import device_of, put_on

pytestmark = pytest.mark.django_db


@pytest.fixture
def session(employee):
    return cast.sign_in(Browser(), employee)


@pytest.fixture
def bobs(client, approver):
    """Bob's browser: an administrator of acme."""
    cast.sign_in(client, approver)
    return client


class TestLiveSessions:
    def test_they_are_listed_with_what_matters(self, bobs, session):
        page = bobs.get(reverse("admin:idp_sessions_loginsession_changelist")).content.decode()

        assert "alice@acme.example" in page or "Alice Arden" in page
        assert "127.0.0.1" in page
        assert str(session.id) in page

    def test_where_it_is_used_is_told_as_place_and_device(self, bobs, session, employee):
        device = device_of(employee.user, name="Alices laptop")
        put_on(device, session)
        LoginSession.unscoped.filter(id=session.id).update(address="8.8.8.8")

        page = bobs.get(reverse("admin:idp_sessions_loginsession_changelist")).content.decode()

        assert "Alices laptop (enrolled)" in page
        assert ">US<" in page

    def test_one_that_is_over_is_not(self, bobs, session):
        LoginSession.unscoped.filter(id=session.id).update(ended_at=clock.now())

        page = bobs.get(reverse("admin:idp_sessions_loginsession_changelist")).content.decode()

        assert str(session.id) not in page

    def test_why_it_is_allowed_is_told_with_the_facts(self, bobs, session):
        session.refresh_from_db()
        url = reverse("admin:idp_sessions_loginsession_change", args=[session.id])

        page = bobs.get(url).content.decode()

        assert "nothing was held against it" in page
        assert "session.level = 2" in page
        assert "device.tier = 0" in page
        assert session.verdict["decision_id"] in page
        assert session.verdict["policy_revision"] in page

    def test_it_is_ended_there(self, bobs, session, approver):
        bobs.post(
            reverse("admin:idp_sessions_loginsession_changelist"),
            {"action": "end", "_selected_action": [str(session.id)]},
        )

        session.refresh_from_db()
        ended = AuditEvent.objects.get(event=Event.SESSION_ENDED)
        assert session.end_reason == EndReason.ENDED_BY_ADMINISTRATOR
        assert ended.actor == f"accounts.User:{approver.user.pk}"

    def test_nothing_of_it_can_be_changed_or_made(self, bobs, session):
        url = reverse("admin:idp_sessions_loginsession_change", args=[session.id])

        assert bobs.post(url, {"acr": "phrh"}).status_code == 403
        assert bobs.get(reverse("admin:idp_sessions_loginsession_add")).status_code == 403

    def test_another_organisations_do_not_exist(self, bobs, outsider):
        theirs = cast.sign_in(Browser(), outsider)
        url = reverse("admin:idp_sessions_loginsession_change", args=[theirs.id])

        listed = bobs.get(reverse("admin:idp_sessions_loginsession_changelist")).content.decode()
        assert str(theirs.id) not in listed
        assert bobs.get(url).status_code in {302, 404}
        bobs.post(
            reverse("admin:idp_sessions_loginsession_changelist"),
            {"action": "end", "_selected_action": [str(theirs.id)]},
        )
        theirs.refresh_from_db()
        assert theirs.ended_at is None


class TestLocks:
    def place(self, browser, **changes):
        form = {
            "target_type": "user", "target": "alice@acme.example", "reason": "lost her laptop",
            "message": "", "minutes": "60",
        } | changes  # fmt: skip
        return browser.post(reverse("admin:accounts_lock_add"), form)

    def test_a_person_is_locked_by_address(self, bobs, employee, approver, session):
        assert self.place(bobs).status_code == 302

        lock = Lock.unscoped.get()
        assert lock.target == str(employee.user.pk)
        assert (lock.ends_at - lock.created_at).total_seconds() == 3600
        assert lock.created_by == f"accounts.User:{approver.user.pk}"

    def test_a_role_is_locked_by_name(self, bobs, acme, now):
        role = accounts.create_role(organisation=acme, name="vault", now=now)
        self.place(bobs, target_type="role", target="vault", minutes="")

        lock = Lock.unscoped.get()
        assert (lock.target, lock.ends_at) == (str(role.pk), None)

    def test_a_network_is_kept_in_its_own_form(self, bobs):
        self.place(bobs, target_type="address", target="198.51.100.7/24")

        assert Lock.unscoped.get().target == "198.51.100.0/24"

    @pytest.mark.parametrize(
        "wrong",
        [
            {"target": "carol@globex.example"},
            {"target": "nobody@acme.example"},
            {"target_type": "role", "target": "nothing"},
            {"target_type": "address", "target": "everywhere"},
            {"target_type": "address", "target": "0.0.0.0/0"},
            {"target_type": "planet"},
            {"reason": ""},
            {"minutes": "-1"},
        ],
        ids=str,
    )
    def test_what_is_not_there_is_not_locked(self, bobs, employee, outsider, wrong):
        answer = self.place(bobs, **wrong)

        assert answer.status_code in {200, 400}
        assert not Lock.unscoped.exists()

    def test_it_is_lifted_there(self, bobs, employee, approver):
        self.place(bobs)
        bobs.post(
            reverse("admin:accounts_lock_changelist"),
            {"action": "lift", "_selected_action": [str(Lock.unscoped.get().pk)]},
        )

        lock = Lock.unscoped.get()
        assert lock.lifted_by == f"accounts.User:{approver.user.pk}"

    def test_another_organisations_do_not_exist(self, bobs, outsider, now):
        lock = accounts.place_lock(
            organisation_id=outsider.user.organisation_id, target_type=LockTarget.USER,
            target=str(outsider.user.pk), reason="theirs", now=now,
        )  # fmt: skip

        bobs.post(
            reverse("admin:accounts_lock_changelist"),
            {"action": "lift", "_selected_action": [str(lock.pk)]},
        )

        lock.refresh_from_db()
        assert lock.lifted_at is None
        assert (
            str(lock.pk) not in bobs.get(reverse("admin:accounts_lock_changelist")).content.decode()
        )

    def test_it_is_seen_and_not_changed(self, bobs, employee):
        self.place(bobs)
        url = reverse("admin:accounts_lock_change", args=[Lock.unscoped.get().pk])

        assert "lost her laptop" in bobs.get(url).content.decode()
        assert bobs.post(url, {"reason": "nothing"}).status_code == 403
