"""Break-glass: at once, noticed by everybody who was not asked, reviewed by somebody else."""

from datetime import timedelta

import pytest

from access import flows
from access.models import State
from accounts import flows as accounts
from accounts.mail import unpack
from accounts.models import OutgoingMail
from audit.events import Event
from audit.models import AuditEvent
from core import clock
from core.errors import Refusal
from tests.support import access

pytestmark = pytest.mark.django_db
HALF = timedelta(minutes=30)


@pytest.fixture
def offered(acme, employee, approver, lead, settings):
    settings.EMAIL_BACKEND = "accounts.mail.OutboxBackend"
    return access.entitlement(
        acme, by=[approver, lead], eligible=[employee], break_glass_duration=HALF,
        ticket_pattern="[A-Z]+-[0-9]+",
    )  # fmt: skip


def smash(offered, person, session, *, reason="the database is on fire", **wish):
    return flows.break_glass(
        entitlement=offered, requester=person.user, session_id=session.pk, reason=reason,
        now=clock.now(), **wish,
    )  # fmt: skip


def test_it_is_had_at_once_without_approval_or_ticket(offered, employee, session):
    grant = smash(offered, employee, session)

    assert (grant.state, grant.is_break_glass) == (State.ACTIVE, True)
    assert grant.ends_at == grant.activated_at + HALF
    assert access.roles_in(session) == ["db-admin"]
    assert access.kinds(grant) == ["requested", "approved", "activated"]
    assert AuditEvent.objects.get(event=Event.GRANT_ACTIVATED).facts["is_break_glass"] is True


def test_everybody_who_was_not_asked_hears_of_it(offered, employee, approver, lead, session):
    smash(offered, employee, session)

    mails = [unpack(each.message) for each in OutgoingMail.objects.all()]
    assert sorted(mail.to[0] for mail in mails) == sorted([approver.email, lead.email])
    assert all("EMERGENCY" in mail.subject for mail in mails)
    assert all("on fire" not in mail.body for mail in mails)  # nothing that somebody typed


class TestRefusals:
    def test_without_a_reason(self, offered, employee, session):
        with pytest.raises(Refusal) as error:
            smash(offered, employee, session, reason=" ")
        assert error.value.code == "invalid_request"

    def test_for_longer_than_an_emergency(self, offered, employee, session):
        with pytest.raises(Refusal, match="that long"):
            smash(offered, employee, session, duration=HALF + timedelta(seconds=1))

    def test_by_whoever_may_not_ask(self, offered, newcomer):
        with pytest.raises(Refusal, match="eligible"):
            smash(offered, newcomer, access.session_of(newcomer))

    def test_where_there_is_no_such_rule(self, entitlement, employee, session):
        with pytest.raises(Refusal, match="not even in an emergency"):
            smash(entitlement, employee, session)

    def test_in_a_weak_session(self, acme, employee):
        strong = access.entitlement(
            acme, eligible=[employee], break_glass_duration=HALF, required_acr="aal2"
        )
        with pytest.raises(Refusal) as error:
            smash(strong, employee, access.session_of(employee, acr="aal1"))
        assert error.value.code == "insufficient_user_authentication"

    def test_again_before_the_last_was_reviewed(self, offered, employee, approver, session):
        grant = smash(offered, employee, session)
        flows.drop_grant(grant=grant, requester=employee.user, now=clock.now())
        with pytest.raises(Refusal, match="not been reviewed"):
            smash(offered, employee, session)

        flows.review_break_glass(
            grant=grant, reviewer=approver.user, is_justified=True, now=clock.now()
        )
        assert smash(offered, employee, session).state == State.ACTIVE

    def test_nor_by_another_account_of_the_same_person(
        self, acme, offered, employee, newcomer, session
    ):
        smash(offered, employee, session)
        flows.add_eligibility(entitlement=offered, user=newcomer.user, now=clock.now())
        accounts.link_accounts(user=employee.user, other=newcomer.user, now=clock.now())

        newcomer.user.refresh_from_db()
        with pytest.raises(Refusal, match="not been reviewed"):
            smash(offered, newcomer, access.session_of(newcomer))


class TestReview:
    @pytest.fixture
    def grant(self, offered, employee, session):
        return smash(offered, employee, session)

    def review(self, grant, who, *, is_justified=True):
        return flows.review_break_glass(
            grant=grant, reviewer=who.user, is_justified=is_justified, now=clock.now()
        )

    def test_what_was_right_goes_on(self, grant, lead):
        assert self.review(grant, lead)
        assert not self.review(grant, lead)
        assert access.fresh(grant).state == State.ACTIVE

    def test_what_was_not_ends_at_once(self, grant, lead, session):
        self.review(grant, lead, is_justified=False)

        assert access.fresh(grant).end_cause == "not justified"
        assert access.roles_in(session) == []

    def test_never_by_whoever_took_it(self, grant, employee, newcomer):
        accounts.make_administrator(user=employee.user, now=clock.now())
        with pytest.raises(Refusal, match="of their own"):
            self.review(grant, employee)
        accounts.make_administrator(user=newcomer.user, now=clock.now())
        accounts.link_accounts(user=employee.user, other=newcomer.user, now=clock.now())
        with pytest.raises(Refusal, match="of their own"):
            self.review(grant, newcomer)

    def test_only_by_approvers_and_administrators(self, grant, newcomer, outsider):
        with pytest.raises(Refusal, match="Only approvers"):
            self.review(grant, newcomer)
        with pytest.raises(Refusal):
            self.review(grant, outsider)

    def test_nothing_else_is_reviewed(self, acme, employee, lead, session):
        other = access.entitlement(acme, eligible=[employee], name="other")
        grant = access.ask(other, employee, session)
        with pytest.raises(Refusal) as error:
            self.review(grant, lead)
        assert error.value.code == "not_found"


def test_a_request_that_waits_gives_way(offered, employee, session):
    waiting = access.ask(offered, employee, session, ticket="OPS-1")

    smash(offered, employee, session)
    assert access.fresh(waiting).end_cause == "break-glass"


def test_it_gives_only_what_is_set_for_emergencies(acme, employee, session):
    reader, writer = access.role(acme, "reader"), access.role(acme, "writer")
    offered = access.entitlement(
        acme, eligible=[employee], roles=[reader, writer], break_glass_duration=HALF,
        break_glass_roles=[reader],
    )  # fmt: skip

    smash(offered, employee, session)
    assert access.roles_in(session) == ["reader"]


def test_it_is_among_the_alerts_until_it_is_reviewed(acme, offered, employee, lead, session):
    from access.alerts import Kind, alerts_of

    grant = smash(offered, employee, session)
    assert [each.kind for each in alerts_of(organisation_id=acme.pk, now=clock.now())] == [
        Kind.UNREVIEWED
    ]
    flows.review_break_glass(grant=grant, reviewer=lead.user, is_justified=True, now=clock.now())
    assert alerts_of(organisation_id=acme.pk, now=clock.now()) == []
