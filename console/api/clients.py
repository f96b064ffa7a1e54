"""Applications: registered, changed, given secrets and roles, and switched off."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from ninja import Query, Router, Schema
from ninja.responses import Status
from pydantic import Field

from accounts.models import Role
from console.api.door import Administration, Administrator
from console.api.lookup import one, within
from console.api.paging import Place
from console.api.shapes import Did, Flag, Instant, Name, Seconds, Sent, Whole, Whose
from core.errors import Refusal
from idp import flows
from idp.clients.roles import give_role, take_role
from idp.models import Client, ClientRole

router = Router(auth=Administrator())

Uri = Annotated[str, Field(max_length=500)]
Word = Annotated[str, Field(max_length=64)]


class ClientTerms(Sent):
    """All that may be changed. metadata: what else RFC 7591 has, claim mappings among it.

    token_endpoint_auth_method: none for what the kind usually has.
    """

    name: Name
    redirect_uris: Annotated[list[Uri], Field(max_length=20)]
    post_logout_redirect_uris: Annotated[list[Uri], Field(max_length=20)]
    grant_types: Annotated[list[Word], Field(max_length=20)]
    scopes: Annotated[list[Word], Field(max_length=100)]
    is_first_party: Flag
    required_acr: Word
    required_tier: Whole
    scope_tiers: Annotated[dict[Word, Whole], Field(max_length=100)]
    audience: Annotated[str, Field(max_length=200)]
    signing_alg: Word
    token_endpoint_auth_method: Word | None
    metadata: Annotated[dict[Name, Any], Field(max_length=100)]


class NewClient(ClientTerms):
    kind: Literal["public", "confidential"]
    redirect_uris: Annotated[list[Uri], Field(max_length=20)] = []
    post_logout_redirect_uris: Annotated[list[Uri], Field(max_length=20)] = []
    grant_types: Annotated[list[Word], Field(max_length=20)] = list(flows.DEFAULT_GRANT_TYPES)
    scopes: Annotated[list[Word], Field(max_length=100)] = list(flows.DEFAULT_SCOPES)
    is_first_party: Flag = False
    required_acr: Word = ""
    required_tier: Whole = 0
    scope_tiers: Annotated[dict[Word, Whole], Field(max_length=100)] = {}
    audience: Annotated[str, Field(max_length=200)] = ""
    signing_alg: Word = "ES256"
    token_endpoint_auth_method: Word | None = None
    metadata: Annotated[dict[Name, Any], Field(max_length=100)] = {}


class ClientTold(Schema):
    """id: of its row, by which the API knows it; client_id: by which OAuth does.

    is_by_document: it describes itself, so that only what is asked of its users is changed here.
    previous_secret_expires_at: until when the secret before the last stays good.
    """

    id: UUID
    organisation: Whose
    client_id: str
    kind: str
    name: str
    redirect_uris: list[str]
    post_logout_redirect_uris: list[str]
    grant_types: list[str]
    scopes: list[str]
    is_first_party: bool
    required_acr: str
    required_tier: int
    scope_tiers: dict[str, int]
    audience: str
    signing_alg: str
    token_endpoint_auth_method: str
    metadata: dict[str, Any]
    is_active: bool
    is_by_document: bool
    previous_secret_expires_at: datetime | None
    created_at: datetime
    changed_at: datetime


class ClientPage(Schema):
    items: list[ClientTold]
    next: str | None


class ClientMade(Schema):
    """secret: told here and never again; none where it has none."""

    client: ClientTold
    secret: str | None


class Rotation(Sent):
    """keep_old_for: how long the old secret stays good beside the new one, in whole seconds."""

    keep_old_for: Seconds = 0


class ClientRoleTold(Schema):
    id: UUID
    role: UUID
    name: str
    starts_at: datetime
    ends_at: datetime | None
    ended_at: datetime | None


class ClientRoles(Schema):
    items: list[ClientRoleTold]
    next: str | None


class NewClientRole(Sent):
    role: UUID
    ends_at: Instant | None = None


@router.get("", response=ClientPage)
def list_clients(request: Administration, place: Query[Place]) -> dict[str, Any]:
    """Every application of the organisation, those that are switched off too."""
    caller = request.auth
    listing = caller.listing("clients", place)
    return listing.page(within(Client, caller), _show)


@router.post("", response={201: ClientMade})
def register_client(request: Administration, wish: NewClient) -> Status[Any]:
    """Register an application. Its secret, if it has one, is in this answer alone."""
    caller = request.auth
    made = flows.register_client(
        organisation=caller.organisation, now=caller.now, actor=caller.user, **wish.dict()
    )
    return Status(201, {"client": _show(made.client), "secret": made.secret})


@router.get("/{uuid:client}", response=ClientTold)
def read_client(request: Administration, client: UUID) -> dict[str, Any]:
    """One application with all that is registered for it."""
    return _show(one(Client, request.auth, client))


@router.put("/{uuid:client}", response=ClientTold)
def update_client(request: Administration, client: UUID, wish: ClientTerms) -> dict[str, Any]:
    """Set what is registered anew, all of it. What is taken away ends at the next use."""
    caller = request.auth
    found = one(Client, caller, client)
    changes = wish.dict()
    if wish.token_endpoint_auth_method is None:
        del changes["token_endpoint_auth_method"]
    return _show(flows.update_client(client=found, now=caller.now, actor=caller.user, **changes))


@router.post("/{uuid:client}/rotate-secret", response={201: ClientMade})
def rotate_client_secret(request: Administration, client: UUID, wish: Rotation) -> Status[Any]:
    """Give it a new secret, which is in this answer alone."""
    caller = request.auth
    made = flows.rotate_client_secret(
        client=one(Client, caller, client),
        keep_old_for=timedelta(seconds=wish.keep_old_for),
        now=caller.now,
        actor=caller.user,
    )
    return Status(201, {"client": _show(made.client), "secret": made.secret})


@router.post("/{uuid:client}/deactivate", response=ClientTold)
def deactivate_client(request: Administration, client: UUID) -> dict[str, Any]:
    """Switch an application off for good: it gets nothing any more."""
    caller = request.auth
    found = one(Client, caller, client)
    return _show(flows.deactivate_client(client=found, now=caller.now, actor=caller.user))


@router.get("/{uuid:client}/roles", response=ClientRoles)
def list_client_roles(request: Administration, client: UUID, place: Query[Place]) -> dict[str, Any]:
    """What it holds, or held, when it acts for itself."""
    caller = request.auth
    found = one(Client, caller, client)
    rows = within(ClientRole, caller).filter(client=found)
    listing = caller.listing("client roles", place, client=client)
    return listing.page(rows.select_related("role"), _show_role)


@router.post("/{uuid:client}/roles", response={201: ClientRoleTold})
def give_client_role(request: Administration, client: UUID, wish: NewClientRole) -> Status[Any]:
    """Let it hold a role when it acts for itself, until `ends_at` (open)."""
    caller = request.auth
    given = give_role(
        client=one(Client, caller, client),
        role=one(Role, caller, wish.role),
        ends_at=wish.ends_at,
        now=caller.now,
        actor=caller.user,
    )
    return Status(201, _show_role(given))


@router.delete("/{uuid:client}/roles/{uuid:client_role_id}", response=Did)
def take_client_role(request: Administration, client: UUID, client_role_id: UUID) -> dict[str, Any]:
    """Take a role back from it now."""
    caller = request.auth
    one(Client, caller, client)
    held = one(ClientRole, caller, client_role_id, "role", "client")
    if held.client_id != client:
        raise Refusal.not_found()
    return {"did": take_role(client_role=held, now=caller.now, actor=caller.user)}


def _show(client: Client) -> dict[str, Any]:
    return {name: getattr(client, name) for name in ClientTold.model_fields}


def _show_role(held: ClientRole) -> dict[str, Any]:
    return {
        "id": held.pk,
        "role": held.role_id,
        "name": held.role.name,
        "starts_at": held.starts_at,
        "ends_at": held.ends_at,
        "ended_at": held.ended_at,
    }
