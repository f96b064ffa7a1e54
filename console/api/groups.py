"""Groups: people who hold the same roles."""

from typing import Any
from uuid import UUID

from ninja import Query, Router, Schema
from ninja.responses import Status

from accounts import flows
from accounts.models import Group, GroupMember, GroupRole, Role, User
from console.api.door import Administration, Administrator, AdministratorCaller
from console.api.lookup import one, within
from console.api.paging import Place
from console.api.shapes import Name, Sent, Whose

router = Router(auth=Administrator())


class Named(Schema):
    id: UUID
    name: str


class GroupTold(Schema):
    """members: by their addresses."""

    id: UUID
    organisation: Whose
    name: str
    members: list[Named]
    roles: list[Named]


class Groups(Schema):
    items: list[GroupTold]
    next: str | None


class NewGroup(Sent):
    name: Name


@router.get("", response=Groups)
def list_groups(request: Administration, place: Query[Place]) -> dict[str, Any]:
    """Every group, with who is in it and which roles they hold by it."""
    caller = request.auth
    listing = caller.listing("groups", place)
    rows = within(Group, caller)
    return listing.page_of_all(rows, lambda found: _show_groups(found, caller))


@router.post("", response={201: GroupTold})
def create_group(request: Administration, wish: NewGroup) -> Status[Any]:
    """Make a group."""
    caller = request.auth
    made = flows.create_group(
        organisation=caller.organisation, name=wish.name, now=caller.now, actor=caller.user
    )
    return Status(201, _show_groups([made], caller)[0])


@router.put("/{uuid:group_id}/members/{uuid:user_id}", response=GroupTold)
def add_member(request: Administration, group_id: UUID, user_id: UUID) -> dict[str, Any]:
    """Put somebody into a group."""
    caller = request.auth
    group = one(Group, caller, group_id)
    user = one(User, caller, user_id)
    flows.add_group_member(group=group, user=user, now=caller.now, actor=caller.user)
    return _show_groups([group], caller)[0]


@router.delete("/{uuid:group_id}/members/{uuid:user_id}", response=GroupTold)
def remove_member(request: Administration, group_id: UUID, user_id: UUID) -> dict[str, Any]:
    """Take somebody out of a group."""
    caller = request.auth
    group = one(Group, caller, group_id)
    user = one(User, caller, user_id)
    flows.remove_group_member(group=group, user=user, now=caller.now, actor=caller.user)
    return _show_groups([group], caller)[0]


@router.put("/{uuid:group_id}/roles/{uuid:role_id}", response=GroupTold)
def give_group_role(request: Administration, group_id: UUID, role_id: UUID) -> dict[str, Any]:
    """Let everybody in a group hold a role."""
    caller = request.auth
    group = one(Group, caller, group_id)
    role = one(Role, caller, role_id)
    flows.give_group_role(group=group, role=role, now=caller.now, actor=caller.user)
    return _show_groups([group], caller)[0]


@router.delete("/{uuid:group_id}/roles/{uuid:role_id}", response=GroupTold)
def take_group_role(request: Administration, group_id: UUID, role_id: UUID) -> dict[str, Any]:
    """Take a role away from a group."""
    caller = request.auth
    group = one(Group, caller, group_id)
    role = one(Role, caller, role_id)
    flows.take_group_role(group=group, role=role, now=caller.now, actor=caller.user)
    return _show_groups([group], caller)[0]


def _show_groups(found: list[Group], caller: AdministratorCaller) -> list[dict[str, Any]]:
    members = within(GroupMember, caller).filter(group__in=found)
    held = within(GroupRole, caller).filter(group__in=found)
    told: dict[UUID, dict[str, Any]] = {
        group.pk: {
            "id": group.pk,
            "organisation": group.organisation,
            "name": group.name,
            "members": [],
            "roles": [],
        }
        for group in found
    }
    for group_id, user_id, email in members.order_by("user__email").values_list(
        "group_id", "user_id", "user__email"
    ):
        told[group_id]["members"].append({"id": user_id, "name": email})
    for group_id, role_id, name in held.order_by("role__name").values_list(
        "group_id", "role_id", "role__name"
    ):
        told[group_id]["roles"].append({"id": role_id, "name": name})
    return list(told.values())
