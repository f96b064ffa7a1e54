"""Invitations: links that make one account each."""

from datetime import datetime
from typing import Any
from uuid import UUID

from ninja import Query, Router, Schema
from ninja.responses import Status

from accounts import flows
from accounts.models import Invitation, Role
from console.api.door import Administration, Administrator
from console.api.lookup import maybe, one, within
from console.api.paging import Place
from console.api.shapes import Address, Did, Sent, Whose

router = Router(auth=Administrator())


class InvitationTold(Schema):
    """Its link is mailed, and neither kept nor told. expires_at: or when it was withdrawn."""

    id: UUID
    organisation: Whose
    email: str
    role: UUID | None
    invited_by: UUID | None
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None


class Invitations(Schema):
    items: list[InvitationTold]
    next: str | None


class NewInvitation(Sent):
    """role: what the new account is to hold from the beginning, one that the caller may give."""

    email: Address
    role: UUID | None = None


@router.get("", response=Invitations)
def list_invitations(request: Administration, place: Query[Place]) -> dict[str, Any]:
    """Every invitation, those that are used or over too."""
    caller = request.auth
    listing = caller.listing("invitations", place)
    return listing.page(within(Invitation, caller), _show)


@router.post("", response={201: InvitationTold})
def invite(request: Administration, wish: NewInvitation) -> Status[Any]:
    """Mail somebody a link that makes their account, once."""
    caller = request.auth
    made, _ = flows.invite(
        organisation=caller.organisation,
        email=wish.email,
        role=maybe(Role, caller, wish.role),
        invited_by=caller.user,
        now=caller.now,
    )
    return Status(201, _show(made))


@router.post("/{uuid:invitation_id}/withdraw", response=Did)
def withdraw_invitation(request: Administration, invitation_id: UUID) -> dict[str, Any]:
    """Let a link that was not used work no more."""
    caller = request.auth
    invitation = one(Invitation, caller, invitation_id)
    did = flows.withdraw_invitation(invitation=invitation, now=caller.now, actor=caller.user)
    return {"did": did}


def _show(invitation: Invitation) -> dict[str, Any]:
    told = {name: getattr(invitation, name) for name in InvitationTold.model_fields}
    return told | {"role": invitation.role_id, "invited_by": invitation.invited_by_id}
