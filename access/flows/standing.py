"""Whether what a live grant rests on still stands: judged when something of it has changed.

At every use the roles are compared by themselves; here it is written down, told, and made final.
What is gone for good (the eligibility, an approver, two accounts that are one person's) takes the
grant away. What may pass (a lock, a risk, a device that is unwell, a condition that does not hold)
suspends it until it has.
"""

from datetime import datetime
from typing import Any

from django.db import models, transaction

from access import conditions, notices, workloads
from access.administering import demand_administrator
from access.approvers import (
    eligibility_of,
    locked_users,
    stages_of,
    still_named,
    still_suffice,
)
from access.flows.endings import take_away
from access.flows.timeline import lock, move, settle, tell
from access.judging import are_of_others
from access.models import (
    LIVE,
    Approval,
    EventKind,
    Grant,
    State,
    Verdict,
    WorkloadCondition,
)
from accounts.flows import find_lock, resume_elevation, suspend_elevation
from accounts.models import AssignmentCondition, LockTarget, User
from core.errors import Refusal
from devices.models import Device
from devices.models import State as DeviceState
from policy.facts import Trigger
from risk.levels import RiskLevel
from risk.models import UserRisk
from sessions.evaluation import look

BY_ADMINISTRATOR = "administrator"


@transaction.atomic
def judge_standing(grants: "models.QuerySet[Grant]", *, now: datetime) -> int:
    """Judge live grants again; returns how many have changed. In one order, so that two may."""
    changed = 0
    for grant in grants.filter(state__in=LIVE).order_by("pk"):
        locked = lock(grant, now)
        if locked.grant.state in LIVE:
            changed += settle(locked.grant, now=locked.now) or _judge(locked.grant, locked.now)
    return changed


@transaction.atomic
def suspend_grant(*, grant: Grant, actor: User, now: datetime, reason: str = "") -> bool:
    """Let active access count no more until it is resumed; returns whether this call did it.

    By an administrator; refuses not_allowed for anybody else. Its end does not move.
    """
    demand_administrator(actor, grant.organisation_id, now=now)
    locked = lock(grant, now)
    if locked.grant.state not in LIVE or settle(locked.grant, now=locked.now):
        return False
    if locked.grant.suspended_because == BY_ADMINISTRATOR:
        return False
    _suspend(locked.grant, BY_ADMINISTRATOR, locked.now, actor=actor, reason=reason)
    return True


@transaction.atomic
def resume_grant(*, grant: Grant, actor: User, now: datetime, reason: str = "") -> bool:
    """Let suspended access count again; returns whether this call did it.

    Refuses not_allowed but for administrators, conflict while something still speaks against it.
    """
    demand_administrator(actor, grant.organisation_id, now=now)
    locked = lock(grant, now)
    if _is_ones_own(locked.grant, actor):
        raise Refusal.not_allowed("Nobody resumes access of their own.")
    if locked.grant.state != State.SUSPENDED or settle(locked.grant, now=locked.now):
        return False
    cause = cause_against(locked.grant, locked.now)
    if cause:
        raise Refusal.conflict(f"It cannot go on now: {CAUSES[cause]}.")
    _resume(locked.grant, locked.now, actor=actor, reason=reason)
    return True


def _is_ones_own(grant: Grant, actor: User) -> bool:
    """Whether the actor, by any account, has asked for it or answers for what it is for."""
    accounts = User.objects.within_id(grant.organisation_id)
    same = accounts.filter(pk=actor.pk, person_id=grant.requester.person_id)
    return same.exists() or workloads.answers_for(actor, grant.workload)


CAUSES = {
    "lock": "it, its owner or its device is locked",
    "risk": "its owner has to prove to be there first",
    "posture": "its device is not trusted enough",
    "approver": "somebody who approved it is locked",
    "condition": "a condition of it does not hold",
}


def cause_against(grant: Grant, now: datetime) -> str:
    """What speaks against a live grant for now, a key of CAUSES; "" for nothing."""
    if _is_locked(grant, now):
        return "lock"
    if _is_at_risk(grant, now):
        return "risk"
    if not _is_trusted(grant, now):
        return "posture"
    approvers = [each.approver_id for each in _approvals(grant)]
    if locked_users(grant.organisation_id, approvers, now):
        return "approver"
    if _is_against_a_condition(grant, now):
        return "condition"
    return ""


def _judge(grant: Grant, now: datetime) -> bool:
    conditions.keep_up(grant)
    gone = _what_is_gone(grant, now)
    if gone:
        take_away(grant, gone, now=now)
        return True
    cause = cause_against(grant, now)
    if cause and grant.state == State.ACTIVE:
        _suspend(grant, cause, now)
        return True
    if not cause and grant.state == State.SUSPENDED and grant.suspended_because in CAUSES:
        _resume(grant, now)
        return True
    return False


def _what_is_gone(grant: Grant, now: datetime) -> str:
    """Why a grant is over for good, "" if it is not."""
    if not grant.requester.is_active:
        return "requester_gone"
    if grant.workload is not None and not workloads.is_there(grant.workload):
        return "workload_gone"
    if grant.workload is not None and workloads.why_unfit(grant.entitlement):
        return "for_people_by_now"
    if eligibility_of(grant.requester, grant.entitlement, now, grant.workload) is None:
        return "eligibility_ended"
    approvals = _approvals(grant)
    if not are_of_others(approvals, grant):
        return "approved_by_the_requester"
    named = still_named(approvals, stages_of(grant.entitlement), now, with_locked=True)
    if not {each.approver_id for each in approvals} <= {each.approver_id for each in named}:
        return "approver_gone"
    if not still_suffice(grant, approvals, now):
        return "approver_gone"
    return ""


def _approvals(grant: Grant) -> list[Approval]:
    """Those that it hangs on: of approvers who were so when it began."""
    rests_on: models.QuerySet[Any] = AssignmentCondition.objects.within_id(
        grant.organisation_id
    ).filter(assignment__grant_id=grant.pk)
    if grant.workload_id is not None:
        rests_on = WorkloadCondition.objects.within_id(grant.organisation_id).filter(
            workload_role__grant=grant
        )
    return list(
        Approval.objects.within_id(grant.organisation_id).filter(
            grant_id=grant.reused_from_id or grant.pk,
            verdict=Verdict.APPROVE,
            approver_id__in=rests_on.values("user_id"),
        )
    )


def _is_locked(grant: Grant, now: datetime) -> bool:
    targets = {LockTarget.USER: str(grant.requester_id), LockTarget.GRANT: str(grant.pk)}
    if grant.terms["binds_session"]:
        targets[LockTarget.SESSION] = str(grant.session_id)
    if grant.device_id is not None:
        targets[LockTarget.DEVICE] = str(grant.device_id)
    if grant.workload is not None and workloads.is_locked(grant.workload, now):
        return True
    return find_lock(organisation_id=grant.organisation_id, targets=targets, now=now) is not None


def _is_at_risk(grant: Grant, now: datetime) -> bool:
    """By the session that it is bound to, which may have answered; else by the account.

    What is unusual about a person says nothing of a workload that they answer for.
    """
    if grant.workload_id is not None:
        return False
    if grant.terms["binds_session"] and grant.session_id is not None:
        decision = look(session_id=grant.session_id, trigger=Trigger.SWEEP)
        return bool({"sign_in_at_risk", "account_at_risk"} & set(decision.reasons))
    risks = UserRisk.objects.within_id(grant.organisation_id)
    return risks.filter(
        user_id=grant.requester_id, level__gte=RiskLevel.HIGH, ends_at__gt=now
    ).exists()


def _is_trusted(grant: Grant, now: datetime) -> bool:
    """Whether the device that it began on is in use, where it is bound to that, and well enough."""
    demanded: int = max(grant.terms["required_tier"], grant.entitlement.required_tier)
    is_bound: bool = grant.terms["binds_device"]
    if grant.device_id is None:
        return demanded == 0
    device = Device.objects.within_id(grant.organisation_id).filter(pk=grant.device_id).first()
    if device is None or device.state != DeviceState.ENROLLED:
        return demanded == 0 and not is_bound
    return device.tier_at(now) >= demanded


def _is_against_a_condition(grant: Grant, now: datetime) -> bool:
    """What cannot be judged, since nobody is signed in, stays as it is."""
    failed = conditions.failing_everywhere(grant, now)
    return grant.suspended_because == "condition" if failed is None else bool(failed)


def _suspend(
    grant: Grant, cause: str, now: datetime, *, actor: User | None = None, reason: str = ""
) -> None:
    if grant.workload_id is not None:
        workloads.suspend_elevation(grant_id=grant.pk, now=now)
    else:
        suspend_elevation(grant_id=grant.pk, now=now)
    if grant.state == State.ACTIVE:
        move(grant, State.SUSPENDED, now=now, suspended_because=cause)
    else:
        grant.suspended_because = cause
        grant.save(update_fields=["suspended_because"])
    why = _said(reason)
    if cause == "condition":
        why = {"conditions": conditions.failing_everywhere(grant, now)}
    tell(grant, EventKind.SUSPENDED, now=now, actor=actor, cause=cause, **why)
    notices.tell_requester(grant, "suspended", now=now)


def _resume(grant: Grant, now: datetime, *, actor: User | None = None, reason: str = "") -> None:
    if grant.workload_id is not None:
        workloads.resume_elevation(grant_id=grant.pk)
    else:
        resume_elevation(grant_id=grant.pk)
    move(grant, State.ACTIVE, now=now, suspended_because="")
    tell(grant, EventKind.RESUMED, now=now, actor=actor, **_said(reason))


def _said(reason: str) -> dict[str, Any]:
    words = " ".join(reason.split())[:200]
    return {"reason": words} if words else {}
