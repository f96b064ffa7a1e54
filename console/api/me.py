"""Who calls, by what, and what they hold."""

from datetime import datetime
from typing import Any
from uuid import UUID

from ninja import Router, Schema

from accounts.flows import held_roles
from console.api.door import Own, Request
from console.api.shapes import NamedResource

router = Router(auth=Own())


class Role(Schema):
    """until: when it ends by itself. grant: which one gives it, none for a standing role.

    resources: for which alone it counts, none for all that it reaches; such a role is in no token.
    """

    name: str
    until: datetime | None
    grant: UUID | None
    resources: list[NamedResource] | None


class Me(Schema):
    id: UUID
    email: str
    name: str
    organisation: str
    is_administrator: bool
    client_id: str
    scopes: list[str]
    session: UUID
    acr: str
    authenticated_at: datetime | None
    roles: list[Role]


@router.get("", response=Me)
def read_me(request: Request) -> dict[str, Any]:
    """Who calls, how strongly they have signed in, and the roles that count in this sign-in."""
    caller = request.auth
    held = held_roles(user=caller.user, now=caller.now, session_id=caller.session_id)
    return {
        "id": caller.user.pk,
        "email": caller.user.email,
        "name": caller.user.name,
        "organisation": caller.user.organisation.slug,
        "is_administrator": caller.user.is_staff,
        "client_id": caller.client_id,
        "scopes": list(caller.scopes),
        "session": caller.session_id,
        "acr": caller.assurance.level.acr,
        "authenticated_at": caller.assurance.authenticated_at,
        "roles": [
            {
                "name": each.role.name,
                "until": each.ends_at,
                "grant": each.grant_id,
                "resources": each.resources,
            }
            for each in held
        ],
    }
