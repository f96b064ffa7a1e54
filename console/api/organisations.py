"""Organisations of the installation."""

from datetime import datetime
from typing import Any
from uuid import UUID

from ninja import Query, Router, Schema

from accounts import flows
from accounts.models import Organisation
from console.api.door import Everywhere, Request
from console.api.paging import Listing, Place
from core.errors import Refusal

router = Router(auth=Everywhere())


class OrganisationTold(Schema):
    id: UUID
    slug: str
    name: str
    is_active: bool
    created_at: datetime


class Organisations(Schema):
    items: list[OrganisationTold]
    next: str | None


@router.get("", response=Organisations)
def list_organisations(request: Request, place: Query[Place]) -> dict[str, Any]:
    """Every organisation, those that are closed too."""
    caller = request.auth
    listing = Listing("organisations", caller.user.pk, place, caller.now, {})
    return listing.page(Organisation.objects.all(), _show)


@router.post("/{uuid:organisation_id}/deactivate", response=OrganisationTold)
def deactivate_organisation(request: Request, organisation_id: UUID) -> dict[str, Any]:
    """Close it: nobody in it may sign in any more."""
    caller = request.auth
    found = Organisation.objects.filter(pk=organisation_id).first()
    if found is None:
        raise Refusal.not_found()
    flows.deactivate_organisation(organisation=found, now=caller.now, actor=caller.user)
    return _show(Organisation.objects.get(pk=organisation_id))


def _show(organisation: Organisation) -> dict[str, Any]:
    return {name: getattr(organisation, name) for name in OrganisationTold.model_fields}
