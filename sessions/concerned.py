"""The live sessions that a change is about, and judging them because of it.

What is about one person is judged in the transaction of the change. What may be about thousands (a
role, a group, a network) is judged by a worker at once, each session in a transaction of its own,
so that no change holds thousands of rows. Nothing rests on either: every use is judged for itself.
"""

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import transaction
from django.db.models import BooleanField, F, Func, Q, Value

from accounts.models import GroupMember, RoleAssignment
from audit.recorder import one_cause
from core import background, clock
from policy.facts import Trigger
from sessions.evaluation import evaluate
from sessions.models import LoginSession

if TYPE_CHECKING:
    from django.db.models import QuerySet

BATCH = 200
ROUND_SECONDS = 15.0  # a task has thirty


def _of_role(organisation_id: UUID, role_id: str) -> Q:
    """Whoever holds the role, or has held it, by themselves or by a group."""
    assigned = RoleAssignment.objects.within_id(organisation_id).filter(role_id=role_id)
    members = GroupMember.objects.within_id(organisation_id)
    in_groups = members.filter(group__grouprole__role_id=role_id)
    return Q(user_id__in=assigned.values("user_id")) | Q(user_id__in=in_groups.values("user_id"))


def _of_group(organisation_id: UUID, group_id: str) -> Q:
    members = GroupMember.objects.within_id(organisation_id).filter(group_id=group_id)
    return Q(user_id__in=members.values("user_id"))


def _of_network(organisation_id: UUID, network: str) -> Q:  # noqa: ARG001
    """Whoever signed in from it."""
    inside = Func(F("address"), Value(network), arg_joiner=" <<= ", template="(%(expressions)s)")
    inside.output_field = BooleanField()
    return Q(inside)


MANY: Mapping[str, Callable[[UUID, str], Q]] = {
    "role": _of_role,
    "group": _of_group,
    "address": _of_network,
}


def live(organisation_id: UUID, *about: Q, **named: Any) -> "QuerySet[LoginSession]":
    """In one order, so that two who judge the same sessions do not wait for each other."""
    rows = LoginSession.objects.within_id(organisation_id)
    return rows.filter(*about, ended_at=None, **named).order_by("id")


def judge(sessions: "QuerySet[LoginSession]", *, trigger: Trigger, now: datetime) -> None:
    """Judge few sessions, in the transaction of the caller."""
    for session_id in sessions.values_list("id", flat=True):
        evaluate(session_id=session_id, trigger=trigger, now=now)


def judge_many_soon(
    kind: str, target: str, *, organisation_id: UUID, trigger: Trigger, cause: UUID
) -> None:
    """Have a worker judge on commit what this is about. kind: of MANY, target: of that kind.

    cause: the transaction id of the change, which ties to it what follows from it.
    """
    _hand_over(kind, target, organisation_id, trigger, cause)


def judge_many(
    kind: str, target: str, *, organisation_id: UUID, trigger: Trigger, cause: UUID, after: str = ""
) -> int:
    """Judge them, and leave to another round what this one has no time for; returns how many.

    after: the id of the last session that was judged already.
    """
    enough = time.monotonic() + ROUND_SECONDS
    judged = 0
    while True:
        rows = live(organisation_id, MANY[kind](organisation_id, target))
        if after:
            rows = rows.filter(id__gt=after)
        batch = list(rows.values_list("id", flat=True)[:BATCH])
        with one_cause(cause):
            for session_id in batch:
                evaluate(session_id=session_id, trigger=trigger, now=clock.now())
        judged += len(batch)
        if len(batch) < BATCH:
            return judged
        after = str(batch[-1])
        if time.monotonic() > enough:
            _hand_over(kind, target, organisation_id, trigger, cause, after)
            return judged


def _hand_over(
    kind: str, target: str, organisation_id: UUID, trigger: Trigger, cause: UUID, after: str = ""
) -> None:
    transaction.on_commit(
        lambda: background.hurry(
            "sessions.tasks.judge_many",
            kind=kind,
            target=target,
            organisation=str(organisation_id),
            trigger=trigger.value,
            cause=str(cause),
            after=after,
        )
    )
