"""To what the roles of grants are limited: what was asked for, and what began of it."""

from collections.abc import Iterable
from uuid import UUID

from access.models import Grant
from accounts.limited import Resources
from accounts.models import RoleAssignment


def limits_of(grants: Iterable[Grant]) -> dict[UUID, Resources]:
    """The resources of each grant that is limited to some: one statement.

    What began may be less than what was asked for, and stays as it began.
    """
    grants = list(grants)
    begun = [grant for grant in grants if grant.activated_at is not None]
    found: dict[UUID, Resources] = {
        grant.pk: grant.terms["resources"]
        for grant in grants
        if grant.activated_at is None and grant.terms.get("resources")
    }
    if begun:
        rows = RoleAssignment.unscoped.filter(
            grant_id__in=[grant.pk for grant in begun], resources__isnull=False
        )
        found |= {each.grant_id: each.resources or [] for each in rows if each.grant_id}
    return found
