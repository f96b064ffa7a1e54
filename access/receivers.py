"""What access hears from below: rights, locks, risks and devices that have changed, ended sessions.

What audit writes is heard inside its transaction, so that cause and consequence stand together. If
none of this ran, the roles would count no longer all the same: each use compares for itself.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.db.models.signals import post_save
from django.dispatch import receiver

from access.flows import judge_standing
from access.flows.endings import take_away
from access.flows.timeline import lock, move, settle, tell
from access.models import LIVE, OPEN, EventKind, Grant, State, Workload
from access.workloads import CLIENT
from accounts.models import GroupMember, LockTarget, User
from audit.events import Event
from audit.models import AuditEvent
from core import clock
from sessions.models import LoginSession
from sessions.signals import assurance_changed, session_ended

# Whose grants are judged again, by what was written of whom: their own, and what they approved.
OF_PEOPLE = frozenset(
    {
        Event.GROUP_MEMBER_ADDED,
        Event.GROUP_MEMBER_REMOVED,
        Event.ROLE_ASSIGNED,
        Event.ROLE_EXPIRED,
        Event.ROLE_REVOKED,
        Event.USER_DEACTIVATED,
        Event.USER_LINKED,
        Event.USER_RISK_CLEARED,
        Event.USER_RISK_RAISED,
    }
)
OF_DEVICES = frozenset(
    {
        Event.DEVICE_LOST,
        Event.DEVICE_RESUMED,
        Event.DEVICE_RETIRED,
        Event.DEVICE_REVOKED,
        Event.DEVICE_SUSPENDED,
        Event.DEVICE_TIER_CHANGED,
    }
)
OF_CLIENTS = frozenset(
    {Event.CLIENT_DEACTIVATED, Event.CLIENT_SECRET_ROTATED, Event.CLIENT_UPDATED}
)
OF_GROUPS = frozenset({Event.GROUP_ROLE_ADDED, Event.GROUP_ROLE_REMOVED})
OF_LOCKS = frozenset({Event.LOCK_LIFTED, Event.LOCK_PLACED})


@receiver(post_save, sender=AuditEvent)
def follow_audit(sender: Any, *, instance: AuditEvent, **_: Any) -> None:  # noqa: ARG001
    """Judge the live grants that this may be about, in its own transaction."""
    organisation_id = instance.organisation_id
    about = None if organisation_id is None else _about(instance, organisation_id)
    if about is None or organisation_id is None:
        return
    grants = Grant.objects.within_id(organisation_id).filter(state__in=LIVE)
    with transaction.atomic():
        if instance.event == Event.CLIENT_DEACTIVATED:
            _close_workload(instance)
        if instance.event == Event.CLIENT_UPDATED:
            _rename_workload(instance)
        judge_standing(grants.filter(about).distinct(), now=instance.at)
        if instance.event == Event.USER_DEACTIVATED:
            _close_requests(instance)


def _about(event: AuditEvent, organisation_id: UUID) -> Q | None:
    if event.event in OF_DEVICES and event.device_id is not None:
        return Q(device_id=event.device_id)
    if event.event in OF_LOCKS:
        return _locked(event.facts)
    if event.event in OF_CLIENTS and event.subject.startswith(CLIENT):
        return Q(workload_id=event.subject.removeprefix(CLIENT))
    if event.event in OF_GROUPS:
        return _of_group(event.facts["group"], organisation_id)
    person = _person(event.subject)
    if event.event == Event.USER_LINKED and person is not None:
        return _of_accounts(_accounts_of_the_same(person))
    if event.event in OF_PEOPLE and person is not None:
        return _of_person(person)
    return None


def _of_person(person: UUID) -> Q:
    return _of_accounts([person])


def _of_accounts(accounts: Iterable[UUID]) -> Q:
    accounts = list(accounts)
    approved = Grant.unscoped.filter(approvals__approver_id__in=accounts).values("pk")
    own = Q(requester_id__in=accounts) | Q(workload__responsible_id__in=accounts)
    return own | Q(pk__in=approved) | Q(reused_from__in=approved)


def _of_group(name: str, organisation_id: UUID) -> Q:
    """Its members hold a role more, or one less."""
    members = GroupMember.objects.within_id(organisation_id).filter(group__name=name)
    return _of_accounts(members.values_list("user_id", flat=True))


def _accounts_of_the_same(person: UUID) -> list[UUID]:
    """All accounts that this one is linked with by now: any two of them may have agreed."""
    user = User.unscoped.get(pk=person)
    same = User.objects.within_id(user.organisation_id).filter(person_id=user.person_id)
    return list(same.values_list("pk", flat=True))


LOCKED: Mapping[str, Callable[[Any], Q]] = {
    LockTarget.CLIENT: lambda target: Q(workload__name=target),
    LockTarget.USER: _of_person,
    LockTarget.SESSION: lambda target: Q(session_id=target),
    LockTarget.DEVICE: lambda target: Q(device_id=target),
    LockTarget.GRANT: lambda target: Q(pk=target),
}


def _locked(facts: Mapping[str, Any]) -> Q | None:
    about = LOCKED.get(facts["target_type"])
    return None if about is None else about(facts["target"])


def _close_requests(event: AuditEvent) -> None:
    """Whoever is gone asks for nothing any more."""
    person = _person(event.subject)
    _withdraw(
        Q(requester_id=person) | Q(workload__responsible_id=person), "requester_gone", event.at
    )


def _close_workload(event: AuditEvent) -> None:
    """An application that is switched off asks for nothing, and has nothing, any more."""
    client = event.subject.removeprefix(CLIENT)
    Workload.unscoped.filter(pk=client, ended_at=None).update(ended_at=event.at)
    _withdraw(Q(workload_id=client), "workload_gone", event.at)


def _rename_workload(event: AuditEvent) -> None:
    changed = event.facts.get("changed")
    if isinstance(changed, dict) and "name" in changed:
        client = event.subject.removeprefix(CLIENT)
        Workload.unscoped.filter(pk=client).update(title=changed["name"])


def _withdraw(whose: Q, cause: str, at: datetime) -> None:
    """What has not begun."""
    waiting = Grant.unscoped.filter(whose, state__in=OPEN).exclude(state__in=LIVE)
    for grant in waiting.order_by("pk"):
        locked = lock(grant, at)
        if locked.grant.ended_at is None:
            take_away(locked.grant, cause, now=locked.now)


@receiver(assurance_changed)
def follow_proof(sender: Any, *, session: LoginSession, **_: Any) -> None:  # noqa: ARG001
    """Whoever has proven to be there goes on with what was suspended until then."""
    mine = Grant.objects.within_id(session.organisation_id).filter(
        Q(session_id=session.pk) | Q(requester_id=session.user_id, terms__binds_session=False)
    )
    judge_standing(mine.filter(state=State.SUSPENDED), now=clock.now())


@receiver(session_ended)
@transaction.atomic
def follow_session(sender: Any, *, session: LoginSession, **_: Any) -> None:  # noqa: ARG001
    """Write down that what was bound to the session is over with it."""
    now = clock.now()
    bound = Grant.objects.within_id(session.organisation_id).filter(
        session_id=session.pk, state__in=LIVE, terms__binds_session=True
    )
    for grant in bound.order_by("pk"):
        locked = lock(grant, now)
        held = locked.grant
        if held.state in LIVE and not settle(held, now=locked.now):
            move(held, State.ENDED, now=locked.now, end_cause="session_ended")
            tell(held, EventKind.ENDED, now=locked.now, cause="session_ended")


def _person(reference: str) -> UUID | None:
    label, _, key = reference.partition(":")
    return UUID(key) if label == "accounts.User" else None
