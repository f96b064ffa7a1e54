"""How many devices of an organisation are in which tier: now, and day by day."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from django.db.models import Q, QuerySet

from devices.models import Device, State, TierCount
from devices.score import TOP_TIER

DAYS = timedelta(days=30)


def in_tier(devices: "QuerySet[Device]", tier: int, now: datetime) -> "QuerySet[Device]":
    """Those that are enrolled and in this tier at `now`."""
    enrolled = devices.filter(state=State.ENROLLED)
    reached = enrolled.filter(_from(tier, now)) if tier else enrolled
    above = enrolled.filter(_from(tier + 1, now)) if tier < TOP_TIER else enrolled.none()
    return reached.exclude(pk__in=above.values("pk"))


def counts_by_day(organisation_id: UUID | None, *, now: datetime) -> dict[date, Sequence[int]]:
    """Counts of tier 0 to 4: as they were kept of the last thirty days, and today's as of now.

    organisation_id: None for all of them together.
    """
    rows = TierCount.unscoped.filter(day__gt=now.date() - DAYS)
    devices = Device.unscoped.all()
    if organisation_id is not None:
        rows = rows.filter(organisation_id=organisation_id)
        devices = devices.filter(organisation_id=organisation_id)
    counted: dict[date, Sequence[int]] = {}
    for day, counts in rows.values_list("day", "counts"):
        known = counted.get(day, [0] * (TOP_TIER + 1))
        counted[day] = [one + other for one, other in zip(known, counts, strict=True)]
    enrolled = devices.filter(state=State.ENROLLED)
    reached = [enrolled.count()]
    reached += [enrolled.filter(_from(tier, now)).count() for tier in range(1, TOP_TIER + 1)]
    counted[now.date()] = [
        here - above for here, above in zip(reached, [*reached[1:], 0], strict=True)
    ]
    return counted


def _from(tier: int, now: datetime) -> Q:
    """In this tier or a higher one: the end of it, at its place in the list, is yet to come."""
    return Q(**{f"tier_ends_at__{tier - 1}__gt": now})
