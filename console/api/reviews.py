"""Access reviews: campaigns that ask whether people still need what they have."""

from datetime import datetime
from typing import Any
from uuid import UUID

from ninja import Query, Router, Schema
from ninja.responses import Status

from access import flows
from access.models import AccessReview, AccessReviewItem, Need
from console.api.door import Administration, Administrator
from console.api.lookup import one, within
from console.api.paging import Place
from console.api.shapes import Did, Line, NamedResource, Seconds, Sent, Whose, duration

router = Router(auth=Administrator())


class Review(Schema):
    id: UUID
    organisation: Whose
    opened_at: datetime
    due_at: datetime
    closed_at: datetime | None


class Reviews(Schema):
    items: list[Review]
    next: str | None


class NewReview(Sent):
    """lasts: until when everything is to be decided; frequency: until the next. Whole seconds."""

    lasts: Seconds | None = None
    frequency: Seconds | None = None


class Item(Schema):
    """what: a role, or an entitlement. decision: "" until somebody has decided.

    resources: for which alone the entitlement gives its roles, or gave them when that was decided;
    none for all that they reach.
    """

    id: UUID
    subject: str
    what: str
    resources: list[NamedResource] | None
    user: UUID | None
    last_used_at: datetime | None
    decision: str
    decided_at: datetime | None
    reason: str


class Items(Schema):
    items: list[Item]
    next: str | None


class Decided(Sent):
    decision: Need
    reason: Line = ""


@router.get("", response=Reviews)
def list_reviews(request: Administration, place: Query[Place]) -> dict[str, Any]:
    """The campaigns so far."""
    caller = request.auth
    listing = caller.listing("reviews", place)
    return listing.page(within(AccessReview, caller), _show)


@router.post("", response={201: Review})
def open_review(request: Administration, wish: NewReview) -> Status[Any]:
    """Begin a campaign over every standing role and every eligibility."""
    caller = request.auth
    times = {"lasts": duration(wish.lasts), "frequency": duration(wish.frequency)}
    given = {name: length for name, length in times.items() if length is not None}
    made = flows.open_review(
        organisation=caller.organisation, now=caller.now, actor=caller.user, **given
    )
    return Status(201, _show(made))


@router.get("/{uuid:review_id}/items", response=Items)
def list_review_items(
    request: Administration, review_id: UUID, place: Query[Place]
) -> dict[str, Any]:
    """What a campaign asks about."""
    caller = request.auth
    review = one(AccessReview, caller, review_id)
    rows = within(AccessReviewItem, caller).filter(review=review)
    rows = rows.select_related("eligibility__entitlement")
    filters = {"review": review_id}
    return caller.listing("review items", place, **filters).page(rows, _item)


@router.post("/{uuid:review_id}/items/{uuid:item_id}/decide", response=Did)
def decide_review_item(
    request: Administration, review_id: UUID, item_id: UUID, said: Decided
) -> dict[str, Any]:
    """Say whether it is still needed; what is not ends now. Nobody decides about their own."""
    caller = request.auth
    one(AccessReview, caller, review_id)
    item = one(AccessReviewItem, caller, item_id)
    did = item.review_id == review_id and flows.decide_item(
        item=item,
        decision=said.decision,
        reviewer=caller.user,
        reason=said.reason,
        now=caller.now,
    )
    return {"did": did}


@router.post("/{uuid:review_id}/close", response=Did)
def close_review(request: Administration, review_id: UUID) -> dict[str, Any]:
    """End a campaign; what was not decided stays as it is."""
    caller = request.auth
    review = one(AccessReview, caller, review_id)
    return {"did": flows.close_review(review=review, now=caller.now, actor=caller.user)}


def _show(review: AccessReview) -> dict[str, Any]:
    return {name: getattr(review, name) for name in Review.model_fields}


def _item(item: AccessReviewItem) -> dict[str, Any]:
    told = {name: getattr(item, name, None) for name in Item.model_fields}
    return told | {"user": item.user_id, "resources": list(item.limit) or None}
