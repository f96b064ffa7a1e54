"""F24, F25, F26: tasks delivered twice, by two workers or two beats, out of order, or hours late.

Every entry of the beat schedule stands in `TASKS` with rows that are due and rows that are not.
However often, at once or late it runs, what is due happens once, and nothing else does.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple
from unittest import mock

import pytest
from django.conf import settings as product
from django.core import mail as django_mail
from django.core.mail.backends.locmem import EmailBackend
from django.test import Client as Browser
from django.utils.module_loading import import_string

from access import flows as access_flows
from access import models as access_models
from access.models import ChatDelivery, Eligibility
from access.offers import StageLine
from accounts import flows as accounts
from accounts import mail
from accounts.models import Invitation, OutgoingMail, RoleAssignment, User
from accounts.tasks import deliver_mail, expire_role_assignments
from audit.events import Event
from audit.models import AuditEvent
from core import clock
from core.ids import digest
from devices import flows as devices
from devices.models import Device, Enrolment, Nonce, PostureReport, TierCount
from devices.tasks import note_faded
from idp import flows as clients
from idp import tasks as idp_tasks
from idp.models import (
    AuthorizationRequest,
    Client,
    ClientLogo,
    EncryptionKey,
    PingDelivery,
    RefreshFamily,
    RevokedToken,
    SigningKey,
)
from mfa.models import PasskeyChallenge
from policy.models import DecisionBatch
from risk.flows import assess_login
from risk.models import FailedSignIn, SignIn
from sessions import flows as sessions
from sessions import tasks as session_tasks
from sessions.models import EndReason, LoginSession
from tests import cast
from tests.cast import Person
from tests.risk import test_watching as watched
from tests.risk.conftest import attempt
from tests.support import access, ciba, documents, oauth, pictures, rooms
from tests.support.elsewhere import Elsewhere
from tests.support.machine import Machine
from tests.support.racing import race

LOCMEM = "django.core.mail.backends.locmem.EmailBackend"


@dataclass
class World:
    acme: Any
    employee: Person
    web: Client
    elsewhere: Elsewhere
    later: Callable[..., Any]

    def signed_in(self) -> LoginSession:
        return cast.sign_in(Browser(), self.employee)

    def family(self, client: Client | None = None) -> LoginSession:
        session = self.signed_in()
        client = client or self.web
        reply = oauth.redeem(client, oauth.issue_code(client, session))
        assert reply.status == 200, reply.body
        return session


@pytest.fixture
def world(acme, employee, acme_web, elsewhere, later, settings, monkeypatch) -> World:
    settings.DECISION_LOG_LIFETIME = timedelta(days=14)
    settings.EMAIL_BACKEND = "accounts.mail.OutboxBackend"
    settings.EMAIL_DELIVERY_BACKEND = LOCMEM
    settings.CLIENT_DOCUMENTS_ORGANISATION = "acme"
    settings.CLIENT_DOCUMENTS_HOSTS = ["*"]
    # Nobody is asked to hurry: what is delivered here, the task under test delivers.
    monkeypatch.setattr("core.background.hurry", lambda task, **_: None)
    return World(acme, employee, acme_web, elsewhere, later)


# --- what is due, and what is not -----------------------------------------------------------------


def idle_sessions(world: World) -> None:
    for _ in range(2):
        world.signed_in()
    world.later(days=1, seconds=1)
    world.signed_in()  # this one is good
    world.later(minutes=6)


def families_past_their_end(world: World) -> None:
    session = world.family()
    for _ in range(2):
        world.family()
    RefreshFamily.unscoped.exclude(session=session).update(expires_at=clock.now())


def a_key_of_age(world: World) -> None:
    idp_tasks.rotate_signing_keys()
    world.later(seconds=product.SIGNING_KEY_LIFETIME.total_seconds())


def faded_devices(world: World) -> None:
    Machine().trusted_by(world.employee.user, Browser())
    world.later(days=30)
    Machine(name="fresh").trusted_by(world.employee.user, Browser())


def a_trusted_device(world: World) -> None:
    Machine().trusted_by(world.employee.user, Browser())


def old_reports(world: World) -> None:
    machine = Machine()
    machine.trusted_by(world.employee.user, Browser())
    assert Machine().ask(Browser()).status_code == 201
    world.later(days=91)
    machine.report(Browser())
    assert Machine().ask(Browser()).status_code == 201


def roles_past_their_end(world: World) -> None:
    now = clock.now()
    for name, hours in (("auditor", 1), ("operator", 2), ("standing", 24)):
        role = accounts.create_role(organisation=world.acme, name=name, now=now)
        ends_at = now + timedelta(hours=hours)
        accounts.assign_role(user=world.employee.user, role=role, now=now, ends_at=ends_at)
    world.later(hours=3)


def access_past_its_time(world: World) -> None:
    """One active and over, one that nobody answered, one whose stage escalates, one that is good."""
    approver = cast.person("bob@acme.example", world.acme, totp=True)
    boss = cast.person("boss@acme.example", world.acme, totp=True)
    answered = StageLine(
        [*access.named(approver), *access.named(boss, is_escalation=True)],
        escalate_after=timedelta(minutes=90),
    )
    session = world.signed_in()
    for name, terms in {
        "over": {}, "good": {"max_duration": timedelta(hours=4)},
        "late": {"by": [approver]},
        "slow": {"stages": [answered], "max_pending": timedelta(hours=9)},
    }.items():  # fmt: skip
        offered = access.entitlement(world.acme, eligible=[world.employee], name=name, **terms)
        grant = access.ask(offered, world.employee, session)
        if grant.state == access_models.State.SCHEDULED:
            access.activate(grant, world.employee, session)
    world.later(hours=2)
    OutgoingMail.objects.all().delete()


def a_review_that_is_due(world: World) -> None:
    access.entitlement(world.acme, eligible=[world.employee])
    world.later(days=183)


def access_without_a_ground(world: World) -> None:
    """Nobody was told that the eligibility is gone."""
    session = world.signed_in()
    for name in ("gone", "good"):
        offered = access.entitlement(world.acme, eligible=[world.employee], name=name)
        access.activate(access.ask(offered, world.employee, session), world.employee, session)
    Eligibility.unscoped.filter(entitlement__name="gone").update(ended_at=clock.now())


def a_changed_document(world: World) -> None:
    alice = Browser()
    cast.sign_in(alice, world.employee)
    client_id = documents.publish(world.elsewhere)
    code = documents.allow(alice, documents.ask(alice, world.elsewhere, client_id))["code"]
    form = {
        "grant_type": "authorization_code", "client_id": client_id, "code": code,
        "redirect_uri": documents.callback(world.elsewhere), "code_verifier": oauth.VERIFIER,
    }  # fmt: skip
    assert oauth.send("POST", "/oauth/token", form=form).status == 200
    documents.publish(world.elsewhere, scope="openid")
    world.later(hours=2)
    world.elsewhere.requests.clear()


def a_wanted_logo(world: World) -> None:
    uri = world.elsewhere.serve("/logo.png", pictures.png(), content_type="image/png")
    clients.register_client(
        organisation=world.acme, name="Ledger", kind="public", redirect_uris=[cast.REDIRECT_URI],
        metadata={"logo_uri": uri}, now=clock.now(),
    )  # fmt: skip


def an_ended_session_of_a_client_that_wants_to_know(world: World) -> None:
    uri = world.elsewhere.serve("/logout", b"")
    metadata = {"backchannel_logout_uri": uri}
    told = cast.client("acme-told", world.acme, is_first_party=True, metadata=metadata)
    session = world.family(told)
    world.family(told)  # goes on
    sessions.end_session(session=session, reason=EndReason.ENDED_BY_USER, now=clock.now())


def old_decisions(_: World) -> None:
    for days, count in ((15, 1), (13, 2)):
        at = clock.now() - timedelta(days=days)
        DecisionBatch.objects.create(
            first_at=at, last_at=at, count=count, source="web", users=[], clients=[], body=b""
        )


def an_answered_request(world: World) -> None:
    uri = world.elsewhere.serve("/ping", b"", status=204)
    metadata = {
        "backchannel_token_delivery_mode": "ping",
        "backchannel_client_notification_endpoint": uri,
    }
    bank = ciba.asker(world.acme, metadata=metadata)
    alice = Browser()
    cast.sign_in(alice, world.employee)
    assert ciba.ask(bank, client_notification_token=ciba.TOKEN).status == 200
    ciba.decide(alice)
    assert ciba.ask(bank, client_notification_token=ciba.TOKEN).status == 200  # unanswered


def mail_that_waits(world: World) -> None:
    for _ in range(3):
        mail.notify(world.employee.user, "account/email/password_changed", now=clock.now())


def what_accounts_left_behind(world: World) -> None:
    accounts.invite(organisation=world.acme, email="old@acme.example", now=clock.now())
    OutgoingMail.objects.update(sent_at=clock.now())
    world.later(days=40)
    accounts.invite(organisation=world.acme, email="new@acme.example", now=clock.now())


def what_the_provider_left_behind(world: World) -> None:
    now = clock.now()
    RevokedToken.objects.create(jti="old", expires_at=now)
    for days in (0, 3):
        AuthorizationRequest.objects.create(
            organisation=world.acme, client=world.web, browser_digest=b"b" * 32, parameters={},
            created_at=now, expires_at=now + timedelta(days=days),
        )  # fmt: skip
    world.later(days=2)
    RevokedToken.objects.create(jti="new", expires_at=clock.now() + timedelta(minutes=5))


def sessions_over_for_a_month(world: World) -> None:
    sessions.end_session(session=world.signed_in(), reason=EndReason.ENDED_BY_USER, now=clock.now())
    world.later(days=38)
    world.signed_in()


def challenges_that_ended(world: World) -> None:
    for hours in (0, 3):
        PasskeyChallenge.objects.create(
            challenge=digest(f"challenge {hours}"), browser_digest=digest("browser"),
            purpose="login", expires_at=clock.now() + timedelta(hours=hours),
        )  # fmt: skip
    world.later(hours=2)


def what_nobody_does(world: World) -> None:
    """A takeover, as it looks beside a fortnight of always the same."""
    for _ in range(50):
        world.later(hours=2)
        for _ in range(2):
            watched.do(world.employee, *watched.USUAL)
    world.later(hours=2)
    watched.signed_in_and_did(world.employee, *watched.STRANGE)


def old_sign_ins(world: World) -> None:
    for _ in range(2):
        assess_login(attempt(world.employee), now=clock.now())
        FailedSignIn.objects.create(
            at=clock.now(), account=digest("account")[:16], address=digest("address")[:16]
        )
        world.later(days=200)
    assess_login(attempt(world.employee), now=clock.now())


def messages_for_rooms(world: World) -> None:
    uri = world.elsewhere.serve("/room", b"ok")
    for name in ("#ops", "#security"):
        made = rooms.room(world.acme, uri, name=name)
        access_flows.send_test(webhook=made.webhook, now=clock.now())


def an_alert_that_is_new(world: World) -> None:
    role = access.role(world.acme, "db-admin")
    access.entitlement(world.acme, eligible=[world.employee])
    accounts.assign_role(user=world.employee.user, role=role, now=clock.now())
    rooms.room(world.acme, world.elsewhere.url("/room"))


# --- what has happened ----------------------------------------------------------------------------


def written(*events: Event) -> dict[str, int]:
    counts = Counter(AuditEvent.objects.filter(event__in=events).values_list("event", flat=True))
    return {event.value: counts[event.value] for event in events}


def asked(world: World) -> dict[str, int]:
    return dict(Counter(path for _, path, _, _ in world.elsewhere.requests))


class Case(NamedTuple):
    """arrange: makes rows that are due, and others. seen: what has become of them."""

    arrange: Callable[[World], None]
    seen: Callable[[World], Any]
    expected: Any


TASKS: dict[str, Case] = {
    "sessions.tasks.sweep_sessions": Case(
        idle_sessions,
        lambda _: (
            written(Event.SESSION_ENDED),
            LoginSession.unscoped.filter(ended_at=None).count(),
        ),
        ({"sessions.session.ended": 2}, 1),
    ),
    "idp.tasks.retire_refresh_families": Case(
        families_past_their_end,
        lambda _: (
            written(Event.REFRESH_FAMILY_RETIRED),
            RefreshFamily.unscoped.filter(revoked_at=None).count(),
        ),
        ({"idp.refresh_family.retired": 2}, 1),
    ),
    "idp.tasks.rotate_signing_keys": Case(
        a_key_of_age,
        lambda _: (
            SigningKey.objects.count(),
            SigningKey.objects.filter(state="active").count(),
            EncryptionKey.objects.count(),
        ),
        (9, 3, 4),  # of three algorithms the active, the next and the one before
    ),
    "devices.tasks.note_faded": Case(
        faded_devices,
        lambda _: (
            AuditEvent.objects.filter(event=Event.DEVICE_TIER_CHANGED, facts__current=0).count(),
            sorted(Device.unscoped.values_list("known_tier", flat=True)),
        ),
        (1, [0, 2]),
    ),
    "devices.tasks.count_tiers": Case(
        a_trusted_device,
        lambda _: list(TierCount.unscoped.values_list("counts", flat=True)),
        [[0, 0, 1, 0, 0]],
    ),
    "devices.tasks.purge": Case(
        old_reports,
        lambda _: (
            Enrolment.objects.count(),
            PostureReport.unscoped.count(),
            Nonce.unscoped.count(),
        ),
        (1, 1, 2),
    ),
    "accounts.tasks.expire_role_assignments": Case(
        roles_past_their_end,
        lambda _: (
            written(Event.ROLE_EXPIRED),
            RoleAssignment.unscoped.filter(ended_at=None).count(),
        ),
        ({"accounts.role.expired": 2}, 1),
    ),
    "access.tasks.follow_time": Case(
        access_past_its_time,
        lambda _: (
            written(Event.GRANT_ENDED, Event.GRANT_EXPIRED, Event.GRANT_ESCALATED),
            OutgoingMail.objects.count(),
        ),
        (
            {
                "access.grant.ended": 1,
                "access.grant.expired": 1,
                "access.grant.escalated": 1,
            },
            2,  # to both who may answer now
        ),
    ),
    "access.tasks.run_reviews": Case(
        a_review_that_is_due,
        lambda _: written(Event.ACCESS_REVIEW_OPENED),
        {"access.review.opened": 1},
    ),
    "access.tasks.tell_rooms": Case(messages_for_rooms, asked, {"/room": 2}),
    "access.tasks.tell_of_alerts": Case(
        an_alert_that_is_new,
        lambda _: list(ChatDelivery.unscoped.values_list("about__count", flat=True)),
        [1],
    ),
    "access.tasks.judge_grants": Case(
        access_without_a_ground,
        lambda _: (
            written(Event.GRANT_REVOKED),
            RoleAssignment.unscoped.filter(ended_at=None).count(),
        ),
        ({"access.grant.revoked": 1}, 1),
    ),
    "idp.tasks.follow_client_documents": Case(
        a_changed_document,
        lambda world: (
            asked(world),
            Client.unscoped.get(client_id__startswith="https://").scopes,
            AuditEvent.objects.filter(event=Event.CLIENT_UPDATED).count(),
        ),
        ({documents.PATH: 1}, ["openid"], 1),
    ),
    "idp.tasks.fetch_client_logos": Case(
        a_wanted_logo,
        lambda world: (asked(world), ClientLogo.unscoped.exclude(digest=None).count()),
        ({"/logo.png": 1}, 1),
    ),
    "idp.tasks.deliver_logout_tokens": Case(
        an_ended_session_of_a_client_that_wants_to_know, asked, {"/logout": 1}
    ),
    "idp.tasks.deliver_pings": Case(an_answered_request, asked, {"/ping": 1}),
    "accounts.tasks.deliver_mail": Case(
        mail_that_waits,
        lambda _: (len(django_mail.outbox), OutgoingMail.objects.filter(sent_at=None).count()),
        (3, 0),
    ),
    "idp.tasks.purge": Case(
        what_the_provider_left_behind,
        lambda _: (
            list(RevokedToken.objects.values_list("jti", flat=True)),
            AuthorizationRequest.unscoped.count(),
        ),
        (["new"], 1),
    ),
    "accounts.tasks.purge": Case(
        what_accounts_left_behind,
        lambda _: (
            list(Invitation.unscoped.values_list("email", flat=True)),
            OutgoingMail.objects.count(),
        ),
        (["new@acme.example"], 1),
    ),
    "sessions.tasks.purge": Case(
        sessions_over_for_a_month,
        lambda _: list(LoginSession.unscoped.values_list("ended_at", flat=True)),
        [None],
    ),
    "risk.tasks.watch_actions": Case(
        what_nobody_does, lambda _: written(Event.USER_RISK_RAISED), {"risk.user.raised": 1}
    ),
    "risk.tasks.purge": Case(
        old_sign_ins,
        lambda _: (SignIn.unscoped.count(), FailedSignIn.objects.count()),
        (1, 0),
    ),
    "policy.tasks.purge_decisions": Case(
        old_decisions,
        lambda _: list(DecisionBatch.objects.values_list("count", flat=True)),
        [2],
    ),
    "mfa.tasks.purge": Case(challenges_that_ended, lambda _: PasskeyChallenge.objects.count(), 1),
}
EVERY = pytest.mark.parametrize(("name", "case"), TASKS.items(), ids=TASKS)


def run(name: str) -> Any:
    """As a worker does: by the name in the message."""
    return import_string(name).apply(throw=True).result


def test_every_entry_of_beat_is_tried():
    assert {entry["task"] for entry in product.CELERY_BEAT_SCHEDULE.values()} == set(TASKS)


def test_what_no_worker_took_in_time_is_dropped():
    """Else a worker that comes back after a day finds thousands of messages of each."""
    for entry in product.CELERY_BEAT_SCHEDULE.values():
        assert entry["options"]["expires"] == entry["schedule"]


@pytest.mark.django_db
@EVERY
def test_twice_in_a_row_is_once(world: World, name: str, case: Case):
    case.arrange(world)

    for _ in range(3):
        run(name)

    assert case.seen(world) == case.expected


@pytest.mark.django_db(transaction=True)
@EVERY
def test_at_once_on_three_workers_is_once(world: World, name: str, case: Case):
    case.arrange(world)

    race(lambda _: run(name), runners=3)

    assert case.seen(world) == case.expected


class SlowBackend(EmailBackend):
    """A mail server that takes twenty seconds for each; meanwhile the next round of beat begins."""

    def send_messages(self, messages: Any) -> int:
        clock.shift(timedelta(seconds=20))
        with mock.patch.object(product, "EMAIL_DELIVERY_BACKEND", LOCMEM):
            deliver_mail()
        return super().send_messages(messages)


@pytest.mark.django_db
def test_mail_that_is_on_its_way_is_nobody_elses(world: World, settings):
    mail_that_waits(world)
    settings.EMAIL_DELIVERY_BACKEND = f"{__name__}.SlowBackend"

    deliver_mail()

    assert len(django_mail.outbox) == 3


@pytest.mark.django_db
def test_mail_of_a_worker_that_died_is_sent_by_the_next(world: World, later):
    mail_that_waits(world)
    with (
        mock.patch.object(EmailBackend, "send_messages", side_effect=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        deliver_mail()
    assert deliver_mail() == 2

    later(minutes=5)

    assert deliver_mail() == 1
    assert len(django_mail.outbox) == 3


@pytest.mark.django_db
class TestOutOfOrder:
    """What was settled in another way meanwhile stays as it was settled."""

    def test_a_role_that_was_taken_back_is_not_written_down_as_expired(self, world: World):
        roles_past_their_end(world)
        accounts.end_role_assignment(
            assignment=RoleAssignment.unscoped.get(role__name="auditor"), now=clock.now()
        )

        expire_role_assignments()

        assert written(Event.ROLE_EXPIRED, Event.ROLE_REVOKED) == {
            "accounts.role.expired": 1, "accounts.role.revoked": 1,
        }  # fmt: skip

    def test_a_session_that_somebody_ended_is_not_ended_by_the_sweep(self, world: World):
        session = world.signed_in()
        world.later(days=1, seconds=1)
        sessions.end_session(session=session, reason=EndReason.ENDED_BY_USER, now=clock.now())

        session_tasks.sweep_sessions()

        session.refresh_from_db()
        assert session.end_reason == EndReason.ENDED_BY_USER
        assert written(Event.SESSION_ENDED) == {"sessions.session.ended": 1}

    def test_a_client_that_was_switched_off_is_told_nothing(self, world: World):
        an_answered_request(world)
        clients.deactivate_client(
            client=Client.unscoped.get(client_id="acme-bank"), now=clock.now()
        )

        assert idp_tasks.deliver_pings() == 0
        assert asked(world) == {}
        assert PingDelivery.unscoped.exclude(next_attempt_at=None).count() <= 1

    def test_a_device_that_reported_again_has_not_faded(self, world: World):
        machine = Machine()
        machine.trusted_by(world.employee.user, Browser())
        world.later(days=30)
        for _ in range(2):
            machine.report(Browser())
        before = written(Event.DEVICE_TIER_CHANGED)

        assert note_faded() == 0
        assert written(Event.DEVICE_TIER_CHANGED) == before

    def test_a_device_that_was_suspended_has_not_faded_either(self, world: World):
        device = Machine().trusted_by(world.employee.user, Browser())
        devices.suspend(device=device, actor=None, reason="", now=clock.now())
        world.later(days=30)

        assert note_faded() == 0


@pytest.mark.django_db
class TestBeatThatIsLate:
    def run_all(self) -> None:
        for name in TASKS:
            run(name)

    def test_what_is_good_outlives_a_beat_that_was_away_for_six_hours(self, world: World):
        roles = {
            name: accounts.create_role(organisation=world.acme, name=name, now=clock.now())
            for name in ("soon", "later")
        }
        for name, hours in (("soon", 5), ("later", 7)):
            accounts.assign_role(
                user=world.employee.user, role=roles[name], now=clock.now(),
                ends_at=clock.now() + timedelta(hours=hours),
            )  # fmt: skip
        session = world.family()
        invitation, _ = accounts.invite(
            organisation=world.acme, email="ivy@acme.example", now=clock.now()
        )
        world.later(hours=6)

        self.run_all()
        self.run_all()

        session.refresh_from_db()
        assert session.ended_at is None
        assert RefreshFamily.unscoped.get().revoked_at is None
        assert Invitation.unscoped.filter(pk=invitation.pk).exists()
        assert User.unscoped.filter(pk=world.employee.user.pk).exists()
        live = RoleAssignment.unscoped.live(clock.now()).values_list("role__name", flat=True)
        assert list(live) == ["later"]
        assert written(Event.ROLE_EXPIRED, Event.SESSION_ENDED, Event.REFRESH_FAMILY_RETIRED) == {
            "accounts.role.expired": 1,
            "sessions.session.ended": 0,
            "idp.refresh_family.retired": 0,
        }

    def test_whom_nobody_reaches_is_asked_once_a_round_and_no_more(self, world: World):
        """Six hours behind, one try is due, not one for every quarter of a minute."""
        an_ended_session_of_a_client_that_wants_to_know(world)
        world.elsewhere.pages["/logout"] = (503, {}, b"")
        idp_tasks.deliver_logout_tokens()
        world.later(hours=6)
        world.elsewhere.requests.clear()

        for _ in range(5):
            self.run_all()

        assert asked(world) == {"/logout": 1}
