"""Roles, and what they let their holders do."""

from typing import Annotated, Any, Literal
from uuid import UUID

from ninja import Query, Router, Schema
from ninja.responses import Status
from pydantic import Field

from accounts import flows
from accounts.models import Role, RolePermission
from console.api.door import Administration, Administrator, AdministratorCaller
from console.api.lookup import one, within
from console.api.paging import Place
from console.api.shapes import Did, Name, Sent, Whole, Whose

router = Router(auth=Administrator())

Acr = Literal["", "aal2", "phr", "phrh"]
Tier = Annotated[Whole, Field(ge=0, le=4)]
Description = Annotated[str, Field(max_length=200)]


class Permission(Schema):
    id: UUID
    resource_type: str
    action: str


class RoleTold(Schema):
    id: UUID
    organisation: Whose
    name: str
    description: str
    required_acr: str
    required_tier: int
    permissions: list[Permission]


class Roles(Schema):
    items: list[RoleTold]
    next: str | None


class RoleTerms(Sent):
    description: Description = ""
    required_acr: Acr = ""
    required_tier: Tier = 0


class NewRole(RoleTerms):
    name: Name


class NewPermission(Sent):
    resource_type: Name
    action: Name


@router.get("", response=Roles)
def list_roles(request: Administration, place: Query[Place]) -> dict[str, Any]:
    """Every role of the organisation, with its permissions."""
    caller = request.auth
    listing = caller.listing("roles", place)
    rows = within(Role, caller)
    return listing.page_of_all(rows, lambda found: _show_roles(found, caller))


@router.post("", response={201: RoleTold})
def create_role(request: Administration, wish: NewRole) -> Status[Any]:
    """Make a role."""
    caller = request.auth
    made = flows.create_role(
        organisation=caller.organisation, now=caller.now, actor=caller.user, **wish.dict()
    )
    return Status(201, _show_roles([made], caller)[0])


@router.put("/{uuid:role_id}", response=RoleTold)
def update_role(request: Administration, role_id: UUID, wish: RoleTerms) -> dict[str, Any]:
    """Set what a role says and asks for anew; its name stays."""
    caller = request.auth
    role = one(Role, caller, role_id)
    flows.update_role(role=role, now=caller.now, actor=caller.user, **wish.dict())
    return _show_roles([one(Role, caller, role_id)], caller)[0]


@router.post("/{uuid:role_id}/permissions", response={201: Permission})
def give_permission(request: Administration, role_id: UUID, wish: NewPermission) -> Status[Any]:
    """Let holders of a role do an action to resources of a type; `*` stands for any."""
    caller = request.auth
    given = flows.give_permission(
        role=one(Role, caller, role_id), now=caller.now, actor=caller.user, **wish.dict()
    )
    return Status(201, _show_permission(given))


@router.delete("/{uuid:role_id}/permissions/{uuid:permission_id}", response=Did)
def take_permission(request: Administration, role_id: UUID, permission_id: UUID) -> dict[str, Any]:
    """Take a permission away from its role."""
    caller = request.auth
    one(Role, caller, role_id)
    permission = one(RolePermission, caller, permission_id, "role")
    if permission.role_id != role_id:
        return {"did": False}
    did = flows.take_permission(permission=permission, now=caller.now, actor=caller.user)
    return {"did": did}


def _show_roles(found: list[Role], caller: AdministratorCaller) -> list[dict[str, Any]]:
    rows = within(RolePermission, caller).filter(role__in=found)
    held: dict[UUID, list[dict[str, Any]]] = {role.pk: [] for role in found}
    for permission in rows.order_by("resource_type", "action"):
        held[permission.role_id].append(_show_permission(permission))
    return [
        {
            "id": role.pk,
            "organisation": role.organisation,
            "name": role.name,
            "description": role.description,
            "required_acr": role.required_acr,
            "required_tier": role.required_tier,
            "permissions": held[role.pk],
        }
        for role in found
    ]


def _show_permission(permission: RolePermission) -> dict[str, Any]:
    return {
        "id": permission.pk,
        "resource_type": permission.resource_type,
        "action": permission.action,
    }
