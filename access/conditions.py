"""The conditions that a live grant is under: kept with its roles, and judged at each use.

They are those that it began on: of its terms, and of the entitlement as that was then. A condition
that the entitlement gets later is added, none is ever taken away: an edit narrows, and never
widens. Here they are judged as a whole, so that it can be written down and told; each use
judges for itself (`sessions.conditions`, `idp.clients.elevated`).
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from access.approvers import standing_of
from access.judging import as_application, request_document, seen_of
from access.models import Grant, WorkloadRole
from access.workloads import narrow_elevation as narrow_workload
from accounts.flows import narrow_elevation
from accounts.models import RoleAssignment
from policy.conditions import SessionSeen, failing
from sessions.models import LoginSession

if TYPE_CHECKING:
    from django.db.models import QuerySet

Rules = dict[str, Any]


def rules_of(grant: Grant, conditions: Iterable[str]) -> Rules | None:
    """As they are kept with the roles; None for no condition.

    For an application with the address that it began from, "" where somebody did so for it.
    """
    asked = [body for body in dict.fromkeys(conditions) if body]
    if not asked:
        return None
    rules = {
        "conditions": asked,
        "request": request_document(grant.terms, starts_in=0),
        "workload": grant.workload_name,
    }
    return rules if grant.workload_id is None else rules | {"address": grant.address or ""}


def keep_up(grant: Grant) -> None:
    """Add the condition that the entitlement has today to those that a live grant is under."""
    kept, today = kept_of(grant), grant.entitlement.condition
    known = [] if kept is None else kept["conditions"]
    rules = rules_of(grant, [*known, today])
    if rules is None or today in ("", *known):
        return
    narrow = narrow_elevation if grant.workload_id is None else narrow_workload
    narrow(grant_id=grant.pk, rules=rules)


def kept_of(grant: Grant) -> Rules | None:
    kept: Rules | None = None
    if grant.workload_id is None:
        held = RoleAssignment.objects.within_id(grant.organisation_id).filter(grant_id=grant.pk)
        kept = held.values_list("rules", flat=True).first()
    else:
        given = WorkloadRole.objects.within_id(grant.organisation_id).filter(grant=grant)
        kept = given.values_list("rules", flat=True).first()
    return kept


def failing_in(grant: Grant, rules: Rules, session: LoginSession, now: datetime) -> list[str]:
    """Which of them do not hold in this session of its owner."""
    return _failing(rules, _who(grant, now), seen_of(session, now))


def failing_everywhere(grant: Grant, now: datetime) -> list[str] | None:
    """Which of them do not hold wherever the grant counts; none if they do in one sign-in.

    None where there is no sign-in to judge them in: then it counts nowhere.
    """
    rules = kept_of(grant)
    if rules is None:
        return []
    who, failed = _who(grant, now), None
    if grant.workload_id is not None:
        return _failing(rules, who, as_application(rules["address"]))
    for session in _sessions(grant, now):
        failed = _failing(rules, who, seen_of(session, now))
        if not failed:
            break
    return failed


def _who(grant: Grant, now: datetime) -> dict[str, Any]:
    return standing_of(grant.requester, now).describe(grant.requester)


def _failing(rules: Rules, who: Mapping[str, Any], seen: SessionSeen) -> list[str]:
    return failing(
        rules["conditions"],
        requester={**who, "workload": rules["workload"]},
        request=rules["request"],
        session=seen,
    )


def _sessions(grant: Grant, now: datetime) -> "QuerySet[LoginSession]":
    """Live sign-ins of its owner that it is bound to, or may be used in."""
    of = grant.organisation_id
    sessions: QuerySet[LoginSession] = LoginSession.objects.within_id(of)
    held = RoleAssignment.objects.within_id(of).filter(grant_id=grant.pk)
    bound = dict(held.values("session_id", "device_id", "address").first() or {})
    names = {"session_id": "pk", "device_id": "browser__device_id", "address": "address"}
    where = {names[what]: value for what, value in bound.items() if value is not None}
    live = sessions.filter(user_id=grant.requester_id, ended_at=None, expires_at__gt=now, **where)
    return live.select_related("browser__device").order_by("-last_used_at")
