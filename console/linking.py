"""What linking two accounts would do: found out by doing it, and taking it back."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from access.models import Grant, State
from access.reading import answerable
from accounts import flows
from accounts.models import User
from core import clock

MOST_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Following:
    """What linking would do. ended: access that rests on it. stuck: approved, and not to begin.

    lost: requests that somebody could answer until then, and who.
    """

    ended: list[Grant]
    stuck: list[Grant]
    lost: list[tuple[User, Grant]]


def follow(user: User, other: User, *, actor: User) -> Following:
    """Link them, look, and take it back."""
    now = clock.now()
    people = User.objects.within_id(user.organisation_id)
    grants = Grant.objects.within_id(user.organisation_id).order_by("requested_at")
    grants = grants.select_related("requester")
    accounts = [each.pk for each in (*accounts_of(user), *accounts_of(other))]
    with transaction.atomic():
        open_before = list(grants.filter(ended_at=None).values_list("pk", flat=True))
        before = {each.pk: _inbox(each, now) for each in people.filter(pk__in=accounts)}
        flows.link_accounts(user=user, other=other, now=now, actor=actor)
        ended = grants.filter(pk__in=open_before, state=State.REVOKED)
        stuck = grants.filter(
            state=State.SCHEDULED, requester__in=accounts, approvals__approver__in=accounts
        )
        told = Following(list(ended[:MOST_SHOWN]), list(stuck.distinct()[:MOST_SHOWN]), [])
        for each in people.filter(pk__in=accounts).order_by("email"):
            gone = before[each.pk] - _inbox(each, now)
            told.lost.extend((each, grant) for grant in grants.filter(pk__in=gone)[:MOST_SHOWN])
        transaction.set_rollback(True)
    return told


def _inbox(user: User, now: datetime) -> set[UUID]:
    return set(answerable(user, now).values_list("pk", flat=True))


def accounts_of(user: User) -> list[User]:
    """All accounts of the same person."""
    same = User.objects.within_id(user.organisation_id).filter(person_id=user.person_id)
    return list(same.order_by("email"))
