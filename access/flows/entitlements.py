"""Setting what may be asked for, on what terms, and who may ask.

A request counts for the terms that it was made on: those that still wait when the terms change have
to be asked again. What is live is never widened, and ends where somebody whom it rests on is no
longer named.
"""

import re
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from access.administering import demand_administrator, demand_administrator_of
from access.approvers import eligibility_of, stages_of
from access.flows.endings import take_away
from access.flows.requests import roles_of
from access.flows.standing import judge_standing
from access.flows.timeline import hold, lock
from access.models import (
    LIVE,
    Eligibility,
    Entitlement,
    EntitlementRole,
    Grant,
    Stage,
    StageApprover,
    State,
    Workload,
)
from access.offers import COLUMNS, Offer, check_offer, resources_of, thresholds_of
from access.workloads import CLIENT, demand_fit
from accounts.models import Group, GroupMember, Organisation, User
from audit.events import Event
from audit.recorder import record
from core import clock, webhooks
from core.errors import Refusal

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


@transaction.atomic
def create_entitlement(
    *,
    organisation: Organisation,
    name: str,
    offer: Offer,
    now: datetime,
    actor: User | None = None,
) -> Entitlement:
    """Offer roles on terms. actor: an administrator; None for the installation itself.

    Refuses not_allowed, conflict for a name that is taken, invalid_request for impossible terms.
    """
    demand_administrator_of(actor, offer.kind, organisation.pk, now=now)
    check_offer(offer, organisation.pk)
    entitlement = Entitlement(
        organisation=organisation,
        kind=offer.kind,
        name=_plain_name(name),
        created_at=now,
        changed_at=now,
        resources=resources_of(offer),
        thresholds=thresholds_of(offer),
        ticket_secret=_secret(offer, None),
        **{column: getattr(offer, column) for column in COLUMNS},
    )
    try:
        with transaction.atomic():
            entitlement.save(force_insert=True)
    except IntegrityError as error:
        if "access_one_way_to_publish" in str(error):
            raise Refusal.conflict("There is an entitlement to publish policy already.") from error
        raise Refusal.conflict(f"There is an entitlement {name} already.") from error
    _write_lines(entitlement, offer)
    _record(Event.ENTITLEMENT_CREATED, entitlement, actor, now, **_describe(entitlement))
    return entitlement


@transaction.atomic
def update_entitlement(
    *, entitlement: Entitlement, offer: Offer, now: datetime, actor: User | None = None
) -> Entitlement:
    """Set the terms anew, all of them; returns the entitlement as it is now.

    Requests that wait are withdrawn where the terms are others; what is approved is judged again
    when it begins. Refuses as `create_entitlement` does, conflict for one that is retired.
    """
    demand_administrator_of(actor, entitlement.kind, entitlement.organisation_id, now=now)
    if offer.kind != entitlement.kind:
        raise Refusal.invalid_request("The kind of an entitlement is never changed.")
    check_offer(offer, entitlement.organisation_id)
    held = hold(entitlement)
    if not held.is_active:
        raise Refusal.conflict("This entitlement is retired.")
    before = _describe(held)
    held.resources = resources_of(offer)
    held.thresholds = thresholds_of(offer)
    held.ticket_secret = _secret(offer, held)
    for column in COLUMNS:
        setattr(held, column, getattr(offer, column))
    held.changed_at = now
    Stage.objects.within_id(held.organisation_id).filter(entitlement=held).delete()
    EntitlementRole.objects.within_id(held.organisation_id).filter(entitlement=held).delete()
    _write_lines(held, offer)
    after = _describe(held)
    changed = sorted(name for name in after if after[name] != before[name])
    if changed:
        held.version += 1
    held.save()
    if changed:
        _record(Event.ENTITLEMENT_UPDATED, held, actor, now, changed=changed, **after)
        _wait_for_beginnings(held, now)
        _take_open(held, "entitlement_changed", now, states=[State.APPROVAL_AWAITED])
        judge_standing(Grant.unscoped.filter(entitlement=held, state__in=LIVE), now=now)
    return held


@transaction.atomic
def retire_entitlement(
    *, entitlement: Entitlement, now: datetime, actor: User | None = None
) -> bool:
    """Offer it no more, and take away what was given by it; returns whether this call did it."""
    demand_administrator_of(actor, entitlement.kind, entitlement.organisation_id, now=now)
    if entitlement.is_publication:
        raise Refusal.conflict("Somebody has to agree to a policy: say who, instead.")
    held = hold(entitlement)
    if not held.is_active:
        return False
    held.is_active = False
    held.version += 1
    held.changed_at = now
    held.save(update_fields=["is_active", "version", "changed_at"])
    _record(Event.ENTITLEMENT_RETIRED, held, actor, now)
    _take_open(held, "entitlement_retired", now)
    return True


@transaction.atomic
def add_eligibility(
    *,
    entitlement: Entitlement,
    now: datetime,
    user: User | None = None,
    group: Group | None = None,
    workload: Workload | None = None,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    actor: User | None = None,
) -> Eligibility:
    """Let a user, everybody in a group, or a workload ask for it, from starts_at until ends_at.

    That is from now on, never before, and for good, where nothing is said. Refuses not_allowed,
    also where a workload can never have it, not_found across organisations, conflict if they may
    already, invalid_request unless exactly one is named and it ends after it starts.
    """
    demand_administrator(actor, entitlement.organisation_id, now=now)
    if entitlement.is_publication:
        raise Refusal.invalid_request("Who administers every organisation may ask, and no other.")
    all_named = [each for each in (user, group, workload) if each is not None]
    if len(all_named) != 1:
        raise Refusal.invalid_request("Name a user, a group or an application.")
    named: Any = all_named[0]
    if named.organisation_id != entitlement.organisation_id:
        raise Refusal.not_found()
    if workload is not None:
        demand_fit(entitlement)
    starts_at = max(starts_at or now, now)
    if ends_at is not None and ends_at <= starts_at:
        raise Refusal.invalid_request("It must end after it starts, and not in the past.")
    same = Eligibility.objects.within_id(entitlement.organisation_id).filter(
        entitlement=entitlement, user=user, group=group, workload=workload, ended_at=None
    )
    same.filter(ends_at__lte=clock.sql_now()).update(ended_at=now)
    try:
        with transaction.atomic():
            line = Eligibility.objects.create(
                organisation_id=entitlement.organisation_id,
                entitlement=entitlement,
                user=user,
                group=group,
                workload=workload,
                starts_at=starts_at,
                ends_at=ends_at,
            )
    except IntegrityError as error:
        raise Refusal.conflict(f"{named} is eligible already.") from error
    _record(Event.ELIGIBILITY_ADDED, entitlement, actor, now, subject=_whose(line),
            eligibility=line.pk, starts_at=starts_at, ends_at=ends_at)  # fmt: skip
    return line


@transaction.atomic
def end_eligibility(*, eligibility: Eligibility, now: datetime, actor: User | None = None) -> bool:
    """Let them ask no more, and take away what they have by it; returns whether this did it."""
    demand_administrator(actor, eligibility.organisation_id, now=now)
    entitlement = hold(eligibility.entitlement)
    ended = Eligibility.unscoped.filter(pk=eligibility.pk, ended_at=None).update(ended_at=now)
    if not ended:
        return False
    _record(Event.ELIGIBILITY_ENDED, entitlement, actor, now,
            subject=_whose(eligibility), eligibility=eligibility.pk)  # fmt: skip
    concerned = Grant.unscoped.open().filter(entitlement=entitlement)
    if eligibility.workload_id:
        concerned = concerned.filter(workload_id=eligibility.workload_id)
    elif eligibility.user_id:
        concerned = concerned.filter(requester_id=eligibility.user_id)
    else:
        members = GroupMember.objects.within_id(eligibility.organisation_id)
        concerned = concerned.filter(
            requester_id__in=members.filter(group=eligibility.group).values("user_id")
        )
    for grant in concerned.order_by("pk"):
        locked = lock(grant, now)
        still = eligibility_of(locked.grant.requester, entitlement, now, locked.grant.workload)
        if locked.grant.ended_at is None and still is None:
            take_away(locked.grant, "eligibility_ended", now=locked.now, actor=actor)
    return True


def _whose(eligibility: Eligibility) -> Any:
    """As audit refers to it: a workload is a client."""
    if eligibility.workload_id is not None:
        return f"{CLIENT}{eligibility.workload_id}"
    return eligibility.user or eligibility.group


def _take_open(
    entitlement: Entitlement, cause: str, now: datetime, *, states: list[State] | None = None
) -> None:
    grants = Grant.unscoped.open().filter(entitlement=entitlement)
    if states is not None:
        grants = grants.filter(state__in=states)
    for grant in grants.order_by("pk"):
        locked = lock(grant, now)
        if locked.grant.ended_at is None and (states is None or locked.grant.state in states):
            take_away(locked.grant, cause, now=locked.now)


def _wait_for_beginnings(entitlement: Entitlement, now: datetime) -> None:
    """What begins at this instant has begun when the rest is judged, or begins on these terms.

    All that is open, in the order in which everybody holds several.
    """
    for grant in Grant.unscoped.open().filter(entitlement=entitlement).order_by("pk"):
        lock(grant, now)


def _write_lines(entitlement: Entitlement, offer: Offer) -> None:
    organisation_id = entitlement.organisation_id
    in_emergency = {role.pk for role in offer.break_glass_roles or offer.roles}
    EntitlementRole.unscoped.bulk_create(
        EntitlementRole(
            organisation_id=organisation_id,
            entitlement=entitlement,
            role=role,
            in_break_glass=offer.break_glass_duration is not None and role.pk in in_emergency,
        )
        for role in offer.roles
    )
    for position, line in enumerate(offer.stages):
        stage = Stage.objects.create(
            organisation_id=organisation_id,
            entitlement=entitlement,
            position=position,
            approvals_needed=line.approvals_needed,
            escalate_after=line.escalate_after,
            auto_deny_after=line.auto_deny_after,
        )
        StageApprover.unscoped.bulk_create(
            StageApprover(
                organisation_id=organisation_id,
                stage=stage,
                user=each.user,
                group=each.group,
                role=each.role,
                administrators=each.administrators,
                is_escalation=each.is_escalation,
            )
            for each in line.approvers
        )


def _describe(entitlement: Entitlement) -> dict[str, Any]:
    """What audit keeps of the terms, and what decides whether they are others. No secret."""
    values: dict[str, Any] = {column: getattr(entitlement, column) for column in COLUMNS}
    return values | {
        "resources": entitlement.resources,
        "thresholds": entitlement.thresholds,
        "roles": sorted(
            (str(each.role_id), each.role.name, each.in_break_glass)
            for each in roles_of(entitlement)
        ),
        "stages": [
            {
                "approvals_needed": stage.approvals_needed,
                "escalate_after": stage.escalate_after,
                "auto_deny_after": stage.auto_deny_after,
                "approvers": sorted(
                    (
                        str(each.user_id or each.group_id or each.role_id or "administrators"),
                        each.is_escalation,
                    )
                    for each in stage.approvers.all()
                ),
            }
            for stage in stages_of(entitlement)
        ],
    }


def _secret(offer: Offer, held: Entitlement | None) -> bytes | None:
    if not offer.ticket_webhook:
        return None
    kept = held.ticket_secret if held is not None else None
    return offer.ticket_secret or kept or webhooks.new_secret()[0]


def _plain_name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise Refusal.invalid_request("A name is of small letters, digits and hyphens.")
    return name


def _record(
    event: Event,
    entitlement: Entitlement,
    actor: User | None,
    now: datetime,
    *,
    subject: Any = None,
    **facts: Any,
) -> None:
    record(
        event,
        organisation_id=entitlement.organisation_id,
        actor=actor,
        subject=subject or entitlement,
        now=now,
        entitlement=entitlement.name,
        version=entitlement.version,
        **facts,
    )
