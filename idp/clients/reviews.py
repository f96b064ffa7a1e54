"""Roles that applications hold, in the reviews of access."""

from access.models import AccessReview, AccessReviewItem, Workload
from idp.clients.roles import take_role
from idp.models import ClientRole


def list_client_roles(review: AccessReview) -> int:
    """Ask in this campaign about each role that an application holds; returns how many."""
    organisation_id = review.organisation_id
    held = (
        ClientRole.unscoped.live(review.opened_at)
        .filter(organisation_id=organisation_id, client__is_active=True)
        .select_related("client", "role")
        .order_by("client__client_id", "role__name")
    )
    known = Workload.objects.within_id(organisation_id).in_bulk([each.client_id for each in held])
    items = AccessReviewItem.unscoped.bulk_create(
        AccessReviewItem(
            organisation_id=organisation_id,
            review=review,
            workload=known.get(each.client_id),
            client_role_id=each.pk,
            subject=f"application {each.client.client_id}"[:254],
            what=f"role {each.role.name}",
        )
        for each in held
    )
    return len(items)


def end_reviewed(item: AccessReviewItem) -> bool:
    """Take back the role that an item asks about; returns whether this call did it."""
    if item.client_role_id is None or item.decided_at is None:
        return False
    held = ClientRole.objects.within_id(item.organisation_id).filter(pk=item.client_role_id)
    return any(
        take_role(client_role=each, now=item.decided_at, actor=item.decided_by)
        for each in held.select_related("client", "role")
    )
