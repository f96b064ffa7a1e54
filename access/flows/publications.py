"""Publishing policy: asked for, agreed to by others, and done once by whoever asked.

Every organisation whose people administer the installation has one entitlement for it, made when
somebody first needs it, and theirs to change: who agrees, in which stages, by which thresholds.
"""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from access.administering import demand_administrator_everywhere
from access.approvers import eligibility_of, standing_approvals
from access.flows.activation import judge_approved
from access.flows.entitlements import create_entitlement
from access.flows.requests import max_age_of, request_publication
from access.flows.timeline import lock, settle, tell
from access.judging import acting
from access.models import Entitlement, EventKind, Grant, Kind, State
from access.offers import ApproverLine, Offer, StageLine
from access.tickets import look_at
from access.words import refusal_of
from accounts.flows import find_lock
from accounts.models import LockTarget, Organisation, User
from core import clock
from core.errors import Refusal
from policy.checking import Verdict
from policy.models import PolicyVersion, Publication
from policy.signing import digest_of_version
from policy.simulation import Report

NAME = "policy-publication"
# One other administrator of every organisation agrees.
USUAL = Offer(
    kind=Kind.PUBLICATION,
    roles=(),
    stages=(StageLine((ApproverLine(administrators=True),)),),
    description="Publishing rules of policy",
    max_pending=timedelta(days=3),
    activation_window=timedelta(days=1),
    start_horizon=timedelta(0),
    required_acr="aal2",
    binds_session=False,
    binds_device=False,
)


def publication_entitlement(*, organisation: Organisation, now: datetime) -> Entitlement:
    """What an organisation's people ask by to publish; made as usual where there is none yet.

    Refuses conflict where its name is taken by another kind: then an administrator makes one.
    """
    rows = Entitlement.objects.within(organisation).filter(kind=Kind.PUBLICATION)
    found = rows.first()
    if found is not None:
        return found
    try:
        return create_entitlement(organisation=organisation, name=NAME, offer=USUAL, now=now)
    except Refusal:
        made = rows.first()  # by somebody who was first
        if made is None:
            raise
        return made


def ask_to_publish(
    *,
    version: PolicyVersion,
    requester: User,
    session_id: UUID | None,
    now: datetime,
    reason: str = "",
    ticket: str = "",
    simulation: Report | None = None,
    dry_run: bool = False,
) -> Grant:
    """Ask others to agree that this version counts; whoever asks publishes it then.

    simulation: of this version, where one was run, for whoever answers. dry_run: do it all and undo
    it. Refuses not_allowed for anybody but administrators of every organisation, conflict for a
    version that counts or has been asked for already, invalid_request for one whose tests fail;
    else as `request_grant` does.
    """
    demand_administrator_everywhere(requester, now=now)
    version = PolicyVersion.objects.select_related("author").get(pk=version.pk)
    _demand_publishable(version)
    with transaction.atomic():
        grant = request_publication(
            version=version,
            entitlement=publication_entitlement(organisation=requester.organisation, now=now),
            requester=requester,
            session_id=session_id,
            reason=reason,
            ticket=ticket,
            simulation=simulation,
            now=now,
        )
        if dry_run:
            transaction.set_rollback(True)
    return grant


def approved_for(*, version: PolicyVersion, publisher: User, now: datetime) -> Grant | None:
    """What this person may publish this version by now, if it still holds."""
    mine = Grant.objects.within_id(publisher.organisation_id).filter(requester=publisher)
    found: Grant | None = mine.filter(
        policy_version=version, state=State.SCHEDULED, activate_by__gt=now
    ).first()
    return found


class Approvals:
    """Handed in to `policy`, which publishes nothing without (`policy/approval.py`)."""

    def demand_administrator(self, *, user: User, now: datetime) -> None:
        demand_administrator_everywhere(user, now=now)

    def consume(
        self,
        *,
        approval_id: UUID,
        version: PolicyVersion,
        publisher: User,
        session_id: UUID,
        now: datetime,
    ) -> None:
        """Use up what was approved, once. Refuses not_allowed, conflict, what policy refuses."""
        demand_administrator_everywhere(publisher, now=now)
        mine = Grant.objects.within_id(publisher.organisation_id).filter(
            pk=approval_id, policy_version=version, requester_id=publisher.pk
        )
        asked = mine.first()
        if asked is None:
            raise Refusal.not_allowed("Somebody else has to agree to this version first.")
        locked = lock(asked, now)
        grant, now = locked.grant, locked.now
        if settle(grant, now=now):
            raise Refusal.conflict("It is too late: please ask again.")
        if grant.state != State.SCHEDULED:
            raise Refusal.conflict(f"This request is {State(grant.state).label} by now.")
        if _is_locked(grant, now):
            raise Refusal.not_allowed("This request is locked.")
        ticket = look_at(grant.entitlement, grant.ticket)
        verdict = judge_approved(
            locked,
            acting(user=grant.requester, session_id=session_id, now=now),
            eligibility_of(grant.requester, grant.entitlement, now),
            standing_approvals(grant, now),
            ticket,
        )
        if not verdict.allowed:
            raise refusal_of(verdict, max_age=max_age_of(grant.entitlement), ticket=ticket)
        used = mine.filter(
            state=State.SCHEDULED,
            activate_by__gt=clock.sql_now(),
            terms__publication__version=str(version.pk),
            terms__publication__digest=digest_of_version(version),
        ).update(state=State.PUBLISHED, ended_at=now, end_cause="published")
        if used != 1:
            raise Refusal.conflict("What was agreed to is another version.")
        grant.refresh_from_db(fields=["state", "ended_at", "end_cause"])
        tell(
            grant,
            EventKind.PUBLISHED,
            now=now,
            actor=publisher,
            session_id=session_id,
            revision=version.revision,
            **verdict.describe(),
        )


def _demand_publishable(version: PolicyVersion) -> None:
    verdict = Verdict.from_document(version.check_result)
    if not verdict.is_good:
        raise Refusal.invalid_request("\n".join(verdict.sentences()))
    if Publication.objects.filter(version=version, ended_at=None).exists():
        raise Refusal.conflict("This version counts already.")


def _is_locked(grant: Grant, now: datetime) -> bool:
    targets = {LockTarget.GRANT: str(grant.pk)}
    return find_lock(organisation_id=grant.organisation_id, targets=targets, now=now) is not None
