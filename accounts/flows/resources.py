"""Resources that policy knows of: how they are classified, and whose they are."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, models, transaction

from accounts.flows.permissions import WORD
from accounts.models import Classification, Organisation, Resource, User
from audit.events import Event
from audit.recorder import record
from core.errors import Refusal

MAX_PROPERTIES_BYTES = 8_192
MAX_NAME_LENGTH = 255


def check_named(*, type: object, name: object) -> None:  # noqa: A002 - AuthZEN's word
    """Refuses invalid_request for what cannot be a resource's type and name."""
    if not isinstance(type, str) or not WORD.fullmatch(type):
        raise Refusal.invalid_request("A type is a word without spaces.")
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_LENGTH or not name.isprintable():
        raise Refusal.invalid_request(f"A name has 1 to {MAX_NAME_LENGTH} characters.")


@transaction.atomic
def register_resource(
    *, organisation: Organisation, type: str, name: str, now: datetime,  # noqa: A002 - AuthZEN's word
    classification: str = Classification.INTERNAL, properties: Mapping[str, Any] | None = None,
    owner: User | None = None, actor: models.Model | None = None,
) -> Resource:  # fmt: skip
    """Make a resource known.

    Refuses invalid_request, not_found for another organisation's owner, conflict if it is known.
    """
    check_named(type=type, name=name)
    resource = Resource(organisation=organisation, type=type, name=name, created_at=now)
    _describe(resource, classification, {} if properties is None else properties, owner, now)
    try:
        with transaction.atomic():
            resource.save(force_insert=True)
    except IntegrityError as error:
        raise Refusal.conflict(f"There is a {type} {name} already.") from error
    _record(Event.RESOURCE_REGISTERED, resource, now, actor)
    return resource


@transaction.atomic
def update_resource(
    *, resource: Resource, classification: str, properties: Mapping[str, Any], owner: User | None,
    now: datetime, actor: models.Model | None = None,
) -> None:  # fmt: skip
    """Classify it anew; bites at the next decision. Refuses as `register_resource`."""
    locked = (
        Resource.objects.within_id(resource.organisation_id)
        .select_for_update()
        .filter(pk=resource.pk)
        .first()
    )
    if locked is None:
        raise Refusal.not_found()
    was = locked.classification
    _describe(locked, classification, properties, owner, now)
    locked.save(update_fields=["classification", "properties", "owner", "changed_at"])
    _record(Event.RESOURCE_UPDATED, locked, now, actor, was=was)


@transaction.atomic
def remove_resource(
    *, resource: Resource, now: datetime, actor: models.Model | None = None
) -> bool:
    """Forget it: it counts as internal and nobody's from now on. Returns whether this call did."""
    rows = Resource.objects.within_id(resource.organisation_id)
    if not rows.filter(pk=resource.pk).delete()[0]:
        return False
    _record(Event.RESOURCE_REMOVED, resource, now, actor)
    return True


def _describe(
    resource: Resource,
    classification: str,
    properties: Mapping[str, Any],
    owner: User | None,
    now: datetime,
) -> None:
    if classification not in Classification.values:
        words = ", ".join(Classification.values)
        raise Refusal.invalid_request(f"A classification is one of {words}.")
    if not isinstance(properties, dict):
        raise Refusal.invalid_request("The properties must be an object.")
    if len(json.dumps(properties)) > MAX_PROPERTIES_BYTES:
        raise Refusal.invalid_request("The properties are too large.")
    if owner is not None and owner.organisation_id != resource.organisation_id:
        raise Refusal.not_found()
    resource.classification, resource.properties = classification, properties
    resource.owner, resource.changed_at = owner, now


def _record(
    event: Event, about: Resource, now: datetime, actor: models.Model | None, **facts: Any
) -> None:
    record(
        event,
        organisation_id=about.organisation_id,
        actor=actor,
        subject=about,
        now=now,
        type=about.type,
        name=about.name,
        classification=about.classification,
        owner=None if about.owner_id is None else str(about.owner_id),
        **facts,
    )
