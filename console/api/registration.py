"""Tokens by which applications register themselves (RFC 7591)."""

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from ninja import Query, Router, Schema
from ninja.responses import Status
from pydantic import Field

from console.api.door import Administration, Administrator
from console.api.lookup import one, within
from console.api.paging import Place
from console.api.shapes import Did, Seconds, Sent, Whole, Whose
from idp.dynamic_registration.flows import (
    make_initial_access_token,
    withdraw_initial_access_token,
)
from idp.models import InitialAccessToken

router = Router(auth=Administrator())

DAY = 86_400
Word = Annotated[str, Field(max_length=64)]


class InitialToken(Schema):
    """uses_left: how many applications it may still register; 0 once it is withdrawn."""

    id: UUID
    organisation: Whose
    name: str
    uses_left: int
    grant_types: list[str]
    scopes: list[str]
    created_by: UUID | None
    created_at: datetime
    expires_at: datetime


class InitialTokens(Schema):
    items: list[InitialToken]
    next: str | None


class InitialTokenMade(Schema):
    """token: told here and never again."""

    row: InitialToken
    token: str


class NewInitialToken(Sent):
    """grant_types, scopes: what these applications may ask for; none for what is usual.

    lifetime: in whole seconds.
    """

    name: Annotated[str, Field(max_length=100)] = ""
    uses: Whole = 1
    lifetime: Seconds = DAY
    grant_types: Annotated[list[Word], Field(max_length=20)] = []
    scopes: Annotated[list[Word], Field(max_length=100)] = []


@router.get("", response=InitialTokens)
def list_initial_tokens(request: Administration, place: Query[Place]) -> dict[str, Any]:
    """Every token that was made, those that are used up or over too."""
    caller = request.auth
    listing = caller.listing("initial access tokens", place)
    return listing.page(within(InitialAccessToken, caller), _show)


@router.post("", response={201: InitialTokenMade})
def make_initial_token(request: Administration, wish: NewInitialToken) -> Status[Any]:
    """Let somebody register applications here. The token is in this answer alone."""
    caller = request.auth
    made = make_initial_access_token(
        organisation=caller.organisation,
        name=wish.name,
        uses=wish.uses,
        lifetime=timedelta(seconds=wish.lifetime),
        grant_types=wish.grant_types,
        scopes=wish.scopes,
        created_by=caller.user,
        now=caller.now,
    )
    return Status(201, {"row": _show(made.token), "token": made.text})


@router.post("/{uuid:token_id}/withdraw", response=Did)
def withdraw_initial_token(request: Administration, token_id: UUID) -> dict[str, Any]:
    """Take what is left of it away; what it has registered stays."""
    caller = request.auth
    token = one(InitialAccessToken, caller, token_id)
    did = withdraw_initial_access_token(token=token, now=caller.now, actor=caller.user)
    return {"did": did}


def _show(token: InitialAccessToken) -> dict[str, Any]:
    told = {name: getattr(token, name, None) for name in InitialToken.model_fields}
    return told | {"created_by": token.created_by_id}
