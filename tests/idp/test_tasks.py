"""Background work of the provider: idempotent, doubled without harm, and nothing rests on it."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import transaction
from django.test import Client as Browser

from accounts.models import User
from audit.events import Event
from audit.models import AuditEvent
from core import clock
from idp import tasks
from idp.models import (
    AuthorizationCode,
    AuthorizationRequest,
    EncryptionKey,
    RefreshFamily,
    RevokedToken,
    SigningKey,
)
from sessions.models import LoginSession
from tests import cast
from tests.support import oauth
from tests.support.racing import race


@pytest.fixture
def session(client, employee) -> LoginSession:
    return cast.sign_in(client, employee)


def family(client, session) -> dict:
    return oauth.redeem(client, oauth.issue_code(client, session)).json


def retired() -> int:
    return AuditEvent.objects.filter(event=Event.REFRESH_FAMILY_RETIRED).count()


@pytest.mark.django_db
class TestRetireRefreshFamilies:
    def test_a_live_family_is_left_alone(self, acme_web, session):
        tokens = family(acme_web, session)

        assert tasks.retire_refresh_families() == 0
        assert oauth.refresh(acme_web, tokens["refresh_token"]).status == 200

    @pytest.mark.parametrize(
        "change",
        [
            lambda: User.unscoped.update(is_active=False),
            lambda: User.unscoped.update(security_stamp=uuid4()),
            lambda: LoginSession.unscoped.update(ended_at=clock.now()),
            lambda: LoginSession.unscoped.update(last_used_at=clock.now() - timedelta(days=1)),
        ],
        ids=["closed account", "changed credentials", "ended session", "idle session"],
    )
    def test_one_that_policy_refuses_is_written_down_as_over(self, acme_web, session, change):
        family(acme_web, session)
        change()

        assert tasks.retire_refresh_families() == 1

        row = RefreshFamily.unscoped.get()
        assert (row.revoke_reason, row.revoked_at is not None) == ("policy", True)
        event = AuditEvent.objects.get(event=Event.REFRESH_FAMILY_RETIRED)
        assert event.subject == f"idp.RefreshFamily:{row.id}"
        assert event.facts == {"reason": "policy"}

    def test_a_step_up_that_is_owed_ends_nothing(self, acme, acme_web, client, employee):
        from accounts.models import Role, RoleAssignment

        session = cast.sign_in(client, employee, acr="aal1")
        family(acme_web, session)
        RoleAssignment.objects.create(
            organisation=acme, user=employee.user, starts_at=clock.now(),
            role=Role.objects.create(organisation=acme, name="vault", required_acr="aal2"),
        )  # fmt: skip

        assert tasks.retire_refresh_families() == 0

    def test_one_past_its_end_is_written_down_as_expired(self, acme_web, session):
        family(acme_web, session)
        RefreshFamily.unscoped.update(expires_at=clock.now())

        assert tasks.retire_refresh_families() == 1
        assert RefreshFamily.unscoped.get().revoke_reason == "expired"

    def test_a_second_run_finds_nothing(self, acme_web, session):
        family(acme_web, session)
        User.unscoped.update(is_active=False)

        assert [tasks.retire_refresh_families() for _ in range(2)] == [1, 0]
        assert retired() == 1

    def test_many_are_done_in_batches(self, acme_web, session, monkeypatch):
        monkeypatch.setattr(tasks, "BATCH", 2)
        for _ in range(5):
            family(acme_web, session)
        RefreshFamily.unscoped.filter(
            pk__in=RefreshFamily.unscoped.order_by("id").values_list("pk", flat=True)[:3]
        ).update(expires_at=clock.now())
        User.unscoped.update(is_active=False)

        assert tasks.retire_refresh_families() == 5
        assert not RefreshFamily.unscoped.filter(revoked_at=None).exists()

    def test_live_families_in_many_batches_come_to_an_end(self, acme_web, session, monkeypatch):
        monkeypatch.setattr(tasks, "BATCH", 2)
        for _ in range(4):
            family(acme_web, session)

        assert tasks.retire_refresh_families() == 0

    def test_a_retry_window_is_closed_when_it_is_over(self, acme_web, session, later):
        tokens = family(acme_web, session)
        oauth.refresh(acme_web, tokens["refresh_token"])

        tasks.retire_refresh_families()
        assert RefreshFamily.unscoped.get().successor_sealed is not None
        later(seconds=11)
        tasks.retire_refresh_families()

        assert RefreshFamily.unscoped.get().successor_sealed is None

    def test_a_revoked_family_is_not_revoked_again(self, acme_web, session):
        family(acme_web, session)
        RefreshFamily.unscoped.update(revoked_at=clock.now(), revoke_reason="replayed")
        User.unscoped.update(is_active=False)

        assert tasks.retire_refresh_families() == 0
        assert RefreshFamily.unscoped.get().revoke_reason == "replayed"


@pytest.mark.django_db
class TestPurge:
    def test_what_something_may_refer_to_is_kept(self, acme_web, session):
        family(acme_web, session)

        assert tasks.purge() == 0

    def test_what_was_over_long_ago_goes(self, acme, acme_web, session, later):
        family(acme_web, session)
        now = clock.now()
        AuthorizationRequest.objects.create(
            organisation=acme, client=acme_web, browser_digest=b"b" * 32, parameters={},
            created_at=now, expires_at=now + timedelta(minutes=30),
        )  # fmt: skip
        RevokedToken.objects.create(jti="j", expires_at=now + timedelta(minutes=15))

        counts = []
        for step in ({"hours": 2}, {"hours": 23}, {"days": 29}, {"days": 7}):
            later(**step)
            counts.append((tasks.purge(), tasks.purge()))

        assert counts == [(1, 0), (1, 0), (1, 0), (1, 0)]
        for model in (AuthorizationRequest, AuthorizationCode, RefreshFamily):
            assert not model.unscoped.exists()

    def test_a_replayed_code_is_known_for_a_month(self, acme_web, session, later):
        code = oauth.issue_code(acme_web, session)
        oauth.redeem(acme_web, code)
        later(days=29)
        tasks.purge()

        oauth.redeem(acme_web, code)

        assert AuditEvent.objects.filter(event=Event.CODE_REPLAYED).count() == 1


@pytest.mark.django_db
def test_the_rotation_task_says_how_many_keys_changed():
    assert tasks.rotate_signing_keys() == 11
    assert tasks.rotate_signing_keys() == 0
    assert (SigningKey.objects.count(), EncryptionKey.objects.count()) == (6, 2)


@pytest.mark.django_db(transaction=True)
class TestDoubled:
    def test_four_workers_retire_each_family_once(self, acme_web, employee, monkeypatch):
        """Their sessions are the same few: whoever judges them does so in one order."""
        monkeypatch.setattr(tasks, "BATCH", 5)
        sessions = [cast.sign_in(Browser(), employee) for _ in range(3)]
        for number in range(20):
            family(acme_web, sessions[number % 3])
        User.unscoped.update(is_active=False)

        numbers = race(lambda _: tasks.retire_refresh_families(), runners=4)

        assert sum(numbers) == 20
        assert retired() == 20
        assert not RefreshFamily.unscoped.filter(revoked_at=None).exists()

    def test_families_that_another_holds_are_skipped_not_waited_for(self, acme_web, session):
        family(acme_web, session)
        family(acme_web, session)
        RefreshFamily.unscoped.update(expires_at=clock.now())
        held = RefreshFamily.unscoped.order_by("id").first()

        with transaction.atomic():
            RefreshFamily.unscoped.select_for_update().get(pk=held.pk)
            # The second half of the task waits for nobody either: it has nothing left to judge.
            assert race(lambda _: tasks._retire_expired(clock.now()), runners=1) == [1]

    def test_purges_beside_each_other_do_no_harm(self, acme_web, session, later):
        for _ in range(5):
            family(acme_web, session)
        later(days=40)

        assert sum(race(lambda _: tasks.purge(), runners=3)) == 10
