"""Roles of workloads: what clients hold that act for themselves. They bite at the next use."""

from datetime import datetime

from django.db import IntegrityError, models, transaction

from accounts.flows import check_may_give
from accounts.models import Role
from audit.events import Event
from audit.recorder import record
from core import clock
from core.errors import Refusal
from idp.models import Client, ClientRole

CLIENT_CREDENTIALS = "client_credentials"


def acts_for_itself(client: Client) -> bool:
    return client.kind == Client.Kind.CONFIDENTIAL and CLIENT_CREDENTIALS in client.grant_types


@transaction.atomic
def give_role(
    *, client: Client, role: Role, now: datetime, ends_at: datetime | None = None,
    actor: models.Model | None = None,
) -> ClientRole:  # fmt: skip
    """Let the client hold the role when it acts for itself, from now until ends_at (open).

    Refuses not_found across organisations, not_allowed if the role is not the actor's to give,
    conflict if the client holds it, and invalid_request for a client that never acts for itself, a
    role that only people can hold, and an end that is over.
    """
    if client.organisation_id != role.organisation_id:
        raise Refusal.not_found()
    check_may_give(actor=actor, organisation_id=role.organisation_id, roles=[role], now=now)
    if not acts_for_itself(client):
        raise Refusal.invalid_request("This application never acts for itself.")
    if role.required_acr or role.required_tier:
        raise Refusal.invalid_request("This role asks for a sign-in or a device: it is for people.")
    if ends_at is not None and ends_at <= now:
        raise Refusal.invalid_request("A role must end after it starts.")
    open_roles = ClientRole.unscoped.filter(client=client, role=role, ended_at=None)
    open_roles.filter(ends_at__lte=clock.sql_now()).update(ended_at=now)
    try:
        with transaction.atomic():
            given = ClientRole.objects.create(
                organisation_id=role.organisation_id,
                client=client,
                role=role,
                starts_at=now,
                ends_at=ends_at,
            )
    except IntegrityError as error:
        raise Refusal.conflict(f"{client} holds the role {role} already.") from error
    _record(Event.CLIENT_ROLE_ADDED, given, now, actor)
    return given


@transaction.atomic
def take_role(*, client_role: ClientRole, now: datetime, actor: models.Model | None = None) -> bool:
    """Take the role back now; returns whether this call did it."""
    if not ClientRole.unscoped.filter(pk=client_role.pk, ended_at=None).update(ended_at=now):
        return False
    _record(Event.CLIENT_ROLE_REMOVED, client_role, now, actor)
    return True


def _record(event: Event, about: ClientRole, now: datetime, actor: models.Model | None) -> None:
    record(
        event,
        organisation_id=about.organisation_id,
        actor=actor,
        subject=about.client,
        now=now,
        role=about.role.name,
        ends_at=about.ends_at,
    )
