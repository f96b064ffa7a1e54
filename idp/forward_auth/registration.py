"""Which hosts belong to which proxied application, and what their paths demand."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
from django.db import IntegrityError, models, transaction

from accounts.models import Organisation, User
from audit.events import Event
from audit.recorder import record
from core.errors import Refusal
from idp.flows import register_client
from idp.forward_auth import rules as path_rules
from idp.models import Client, ForwardSession, ProxiedHost


@transaction.atomic
def register_application(
    *,
    organisation: Organisation,
    name: str,
    origins: Sequence[str],
    now: datetime,
    rules: Any = (),
    required_acr: str = "",
    required_tier: int = 0,
    signing_alg: str = "ES256",
    actor: models.Model | None = None,
) -> Client:
    """Register an application behind a proxy, at one host or several, by the same rules.

    Refuses INVALID_REQUEST for what cannot be, CONFLICT for a host that has an application.
    """
    if not origins:
        raise Refusal.invalid_request("Give at least one origin: https://app.example.com")
    client = register_client(
        organisation=organisation,
        name=name,
        kind=Client.Kind.PROXIED,
        grant_types=(),
        scopes=(),
        is_first_party=True,
        required_acr=required_acr,
        required_tier=required_tier,
        signing_alg=signing_alg,
        actor=actor,
        now=now,
    ).client
    for origin in origins:
        add_host(client=client, origin=origin, rules=rules, actor=actor, now=now)
    return client


@transaction.atomic
def add_host(
    *,
    client: Client,
    origin: str,
    now: datetime,
    rules: Any = (),
    actor: models.Model | None = None,
) -> ProxiedHost:
    """Let an application be at a host. Refuses INVALID_REQUEST, CONFLICT where it is taken.

    Refuses NOT_ALLOWED to whoever might claim what is another organisation's.
    """
    _check_claim(actor)
    if client.kind != Client.Kind.PROXIED:
        raise Refusal.invalid_request("This application asks for tokens, and needs no proxy.")
    origin, hostname = path_rules.check_origin(origin)
    kept = path_rules.check_rules(list(rules))
    try:
        with transaction.atomic():
            host = ProxiedHost.objects.create(
                organisation_id=client.organisation_id,
                client=client,
                origin=origin,
                hostname=hostname,
                rules=kept,
                resource_types=path_rules.resource_types(kept),
                created_at=now,
            )
    except IntegrityError as error:
        raise Refusal.conflict(f"{hostname} belongs to an application already.") from error
    _record(Event.PROXIED_HOST_ADDED, host, now, actor, rules=kept)
    return host


@transaction.atomic
def change_rules(
    *,
    host: ProxiedHost,
    rules: Any,
    now: datetime,
    version: str | None = None,
    actor: models.Model | None = None,
) -> ProxiedHost:
    """Put other rules in place; the next request is judged by them. Refuses INVALID_REQUEST.

    version: of the rules that these come in place of, where somebody has seen them; refuses
    CONFLICT if others are there by now.
    """
    kept = path_rules.check_rules(rules)
    locked = _lock(host)
    if version not in {None, path_rules.version_of(locked.rules)}:
        raise Refusal.conflict("The rules were changed meanwhile: look at them first.")
    if locked.rules == kept:
        return locked
    before, locked.rules = locked.rules, kept
    locked.resource_types = path_rules.resource_types(kept)
    locked.save(update_fields=["rules", "resource_types"])
    _record(Event.PROXIED_HOST_CHANGED, locked, now, actor, rules=kept, before=before)
    return locked


@transaction.atomic
def remove_host(*, host: ProxiedHost, now: datetime, actor: models.Model | None = None) -> None:
    """Forget that an application is there, and who is signed in; the next request is refused."""
    locked = _lock(host)
    ForwardSession.objects.within_id(host.organisation_id).filter(
        client=locked.client_id, origin=locked.origin, ended_at=None
    ).update(ended_at=now)
    _record(Event.PROXIED_HOST_REMOVED, locked, now, actor, rules=locked.rules)
    locked.delete()


def read_rules(path: str) -> Any:
    """Rules of a file, as JSON; refuses INVALID_REQUEST for what cannot be read."""
    try:
        return orjson.loads(Path(path).read_bytes())
    except OSError as error:
        raise Refusal.invalid_request(f"Cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise Refusal.invalid_request(f"{path} is no JSON: {error}") from error


def _check_claim(actor: models.Model | None) -> None:
    """Proxies serve the installation: who names a host says whose people its proxy lets in.

    So beside another organisation only an administrator of all of them does, or the command line.
    """
    everywhere = actor is None or (isinstance(actor, User) and actor.is_superuser)
    if not everywhere and Organisation.objects.count() > 1:
        raise Refusal.not_allowed(
            "Another organisation is here too: only an administrator of all of them says whose "
            "a host is."
        )


def _lock(host: ProxiedHost) -> ProxiedHost:
    rows = ProxiedHost.objects.within_id(host.organisation_id).select_for_update(of=("self",))
    locked = rows.select_related("client").filter(pk=host.pk).first()
    if locked is None:
        raise Refusal.conflict("The host was removed meanwhile.")
    return locked


def _record(
    event: Event, host: ProxiedHost, now: datetime, actor: models.Model | None, **facts: Any
) -> None:
    record(
        event,
        organisation_id=host.organisation_id,
        actor=actor,
        subject=host.client,
        now=now,
        origin=host.origin,
        **facts,
    )
