"""One's own account: what one says of oneself, what happened, and which applications have what."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from ninja import Query, Router, Schema
from ninja.errors import ValidationError
from pydantic import Field

from accounts import flows
from accounts.forms import ProfileForm
from audit.models import AuditEvent
from console.api.door import Account, Caller, Request
from console.api.paging import Listing, Place
from console.api.shapes import Sent
from console.reading import activity_of
from core.errors import Refusal
from idp.flows import (
    WITHDRAW_MAX_AGE,
    ConnectedApplication,
    connected_applications,
    revoke_consent,
)
from idp.models import Client

router = Router(auth=Account())

Said = Annotated[str, Field(max_length=500)]


class ProfileSaid(Sent):
    """By the names of OpenID Connect Core 1.0 §5.1; what is left out is said no more."""

    name: Said
    given_name: Said = ""
    middle_name: Said = ""
    family_name: Said = ""
    nickname: Said = ""
    preferred_username: Said = ""
    gender: Said = ""
    birthdate: Said = ""
    phone_number: Said = ""
    website: Said = ""
    profile: Said = ""
    picture: Said = ""
    locale: Said = ""
    zoneinfo: Said = ""
    street_address: Said = ""
    postal_code: Said = ""
    locality: Said = ""
    region: Said = ""
    country: Said = ""


class OwnActivity(Schema):
    """actor, subject: typed references, "" for the product itself."""

    id: UUID
    at: datetime
    event: str
    actor: str
    subject: str
    session: UUID | None
    device: UUID | None
    address: str | None


class OwnActivities(Schema):
    items: list[OwnActivity]
    next: str | None


class OwnApplication(Schema):
    """id: by which it is taken back. scopes: what it was allowed.

    origins: where one behind a proxy is; granted_at: since when a browser is signed in there.
    """

    id: UUID
    client_id: str
    name: str
    scopes: list[str]
    granted_at: datetime
    last_used_at: datetime | None
    origins: list[str]


class OwnApplications(Schema):
    items: list[OwnApplication]
    next: str | None


class Withdrawn(Schema):
    """refresh_tokens: families of them that ended."""

    refresh_tokens: int


@router.get("/profile", response=ProfileSaid)
def read_own_profile(request: Request) -> dict[str, Any]:
    """What the caller says of themselves, which applications are told if they allow it."""
    return _profile(request.auth)


@router.put("/profile", response=ProfileSaid)
def update_own_profile(request: Request, said: ProfileSaid) -> dict[str, Any]:
    """Say it anew, all of it."""
    caller = request.auth
    form = ProfileForm(said.dict())
    if not form.is_valid():
        raise ValidationError(
            [
                {"loc": ("body", "said", name), "msg": " ".join(map(str, errors))}
                for name, errors in form.errors.items()
            ]
        )
    flows.update_profile(
        user=caller.user,
        name=form.cleaned_data["name"],
        claims=form.claims,
        address=form.address,
        now=caller.now,
    )
    return _profile(caller)


@router.get("/activity", response=OwnActivities)
def list_own_activity(request: Request, place: Query[Place]) -> dict[str, Any]:
    """What happened on the caller's account."""
    caller = request.auth
    listing = Listing("own activity", caller.user.pk, place, caller.now, {})
    return listing.page(activity_of(caller.user), _activity)


@router.get("/applications", response=OwnApplications)
def list_own_applications(request: Request, place: Query[Place]) -> dict[str, Any]:
    """Applications that hold something of the caller."""
    caller = request.auth
    listing = Listing("own applications", caller.user.pk, place, caller.now, {})
    return listing.page_of_found(connected_applications(caller.user, now=caller.now), _application)


@router.delete("/applications/{uuid:client}", response=Withdrawn)
def withdraw_own_application(request: Request, client: UUID) -> dict[str, Any]:
    """Take back what the caller allowed an application, and end its refresh tokens."""
    caller = request.auth
    caller.demand_recent(WITHDRAW_MAX_AGE)
    found = Client.objects.within_id(caller.user.organisation_id).filter(pk=client).first()
    if found is None:
        raise Refusal.not_found()
    ended = revoke_consent(
        user=caller.user,
        client=found,
        session_id=caller.session_id,
        now=caller.now,
    )
    return {"refresh_tokens": ended}


def _profile(caller: Caller) -> dict[str, Any]:
    profile = flows.profile_of(caller.user)
    parts = {part: profile.address.get(part, "") for part in flows.ADDRESS_PARTS}
    claims = {claim: getattr(profile, claim) for claim in flows.CLAIMS}
    return {"name": caller.user.name} | claims | parts


def _activity(event: AuditEvent) -> dict[str, Any]:
    told = {name: getattr(event, name, None) for name in OwnActivity.model_fields}
    return told | {"session": event.session_id, "device": event.device_id}


def _application(held: ConnectedApplication) -> dict[str, Any]:
    return {
        "id": held.id,
        "client_id": held.client.client_id,
        "name": held.client.name,
        "scopes": list(held.scopes),
        "granted_at": held.granted_at,
        "last_used_at": held.last_used_at,
        "origins": list(held.origins),
    }
