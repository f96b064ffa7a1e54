"""What applications guard, as far as policy knows of it."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from ninja import Query, Router, Schema
from ninja.responses import Status
from pydantic import Field

from accounts import flows
from accounts.models import Resource, User
from console.api.door import Administration, Administrator
from console.api.lookup import maybe, one, within
from console.api.paging import Place
from console.api.shapes import Did, Sent, Whose

router = Router(auth=Administrator())
Label = Annotated[str, Field(min_length=1, max_length=256)]


class ResourceTold(Schema):
    id: UUID
    organisation: Whose
    type: str
    name: str
    classification: str
    properties: dict[str, Any]
    owner: UUID | None
    changed_at: datetime


class ResourcePage(Schema):
    items: list[ResourceTold]
    next: str | None


class ResourceTerms(Sent):
    classification: Literal["public", "internal", "confidential", "restricted"] = "internal"
    properties: dict[str, Any] = {}
    owner: UUID | None = None


class NewResource(ResourceTerms):
    type: Label
    name: Label


class OfType(Place):
    type: Annotated[str, Field(max_length=256)] = ""


@router.get("", response=ResourcePage)
def list_resources(request: Administration, narrowed: Query[OfType]) -> dict[str, Any]:
    """Every resource that is registered; `type`: of this type alone."""
    caller = request.auth
    rows = within(Resource, caller)
    if narrowed.type:
        rows = rows.filter(type=narrowed.type)
    listing = caller.listing("resources", narrowed, type=narrowed.type)
    return listing.page(rows, _show)


@router.post("", response={201: ResourceTold})
def register_resource(request: Administration, wish: NewResource) -> Status[Any]:
    """Register a resource with its classification."""
    caller = request.auth
    made = flows.register_resource(
        organisation=caller.organisation,
        type=wish.type,
        name=wish.name,
        classification=wish.classification,
        properties=wish.properties,
        owner=maybe(User, caller, wish.owner),
        now=caller.now,
        actor=caller.user,
    )
    return Status(201, _show(made))


@router.put("/{uuid:resource_id}", response=ResourceTold)
def update_resource(
    request: Administration, resource_id: UUID, wish: ResourceTerms
) -> dict[str, Any]:
    """Set what is known of it anew; its type and name stay."""
    caller = request.auth
    flows.update_resource(
        resource=one(Resource, caller, resource_id),
        classification=wish.classification,
        properties=wish.properties,
        owner=maybe(User, caller, wish.owner),
        now=caller.now,
        actor=caller.user,
    )
    return _show(one(Resource, caller, resource_id))


@router.delete("/{uuid:resource_id}", response=Did)
def remove_resource(request: Administration, resource_id: UUID) -> dict[str, Any]:
    """Forget it: policy knows of it no more."""
    caller = request.auth
    resource = one(Resource, caller, resource_id)
    return {"did": flows.remove_resource(resource=resource, now=caller.now, actor=caller.user)}


def _show(resource: Resource) -> dict[str, Any]:
    told = {name: getattr(resource, name) for name in ResourceTold.model_fields if name != "owner"}
    return told | {"owner": resource.owner_id}
