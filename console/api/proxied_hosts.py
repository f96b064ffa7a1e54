"""Hosts of applications behind proxies, and what their paths demand."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from ninja import Query, Router, Schema
from ninja.responses import Status
from pydantic import Field

from console.api.door import Administration, Administrator
from console.api.lookup import one, within
from console.api.paging import Place
from console.api.shapes import Did, Name, Seconds, Sent, Whole, Whose
from core.errors import Refusal
from idp.forward_auth import registration
from idp.forward_auth.rules import MAX_RULES, version_of
from idp.models import Client, ProxiedHost

router = Router(auth=Administrator())

Word = Annotated[str, Field(max_length=64)]


class PathRule(Sent):
    """What a path and all below it demand; every rule that it falls under has to be met.

    roles: one of them is enough. permission: "type:action". resource: "type:id", what lies there;
    roles that are limited to it count as well. max_age: whole seconds.
    """

    prefix: Annotated[str, Field(max_length=300)]
    roles: Annotated[list[Word], Field(max_length=20)] = []
    permission: Annotated[str, Field(max_length=257)] = ""
    resource: Annotated[str, Field(max_length=384)] = ""
    acr: Word = ""
    max_age: Seconds = 0
    tier: Whole = 0


Rules = Annotated[list[PathRule], Field(max_length=MAX_RULES)]


class ProxiedHostTold(Schema):
    """client: the id of its application. version: names exactly these rules."""

    id: UUID
    organisation: Whose
    client: UUID
    name: str
    origin: str
    rules: list[PathRule]
    version: str
    created_at: datetime


class ProxiedHosts(Schema):
    items: list[ProxiedHostTold]
    next: str | None


class NewProxiedHost(Sent):
    """Exactly one of client, for one more host of an application, and name, for a new one."""

    client: UUID | None = None
    name: Name | None = None
    origin: Annotated[str, Field(max_length=300)]
    rules: Rules = []


class HostRules(Sent):
    """version: as it was told with the rules that these replace; others are not overwritten."""

    rules: Rules
    version: Word | None = None


@router.get("", response=ProxiedHosts)
def list_proxied_hosts(request: Administration, place: Query[Place]) -> dict[str, Any]:
    """Every host of an application behind a proxy."""
    caller = request.auth
    listing = caller.listing("proxied hosts", place)
    return listing.page(within(ProxiedHost, caller).select_related("client"), _show)


@router.post("", response={201: ProxiedHostTold})
def add_proxied_host(request: Administration, wish: NewProxiedHost) -> Status[Any]:
    """Let an application be at a host: one that is there, or a new one by its name."""
    caller = request.auth
    common: dict[str, Any] = {
        "rules": _said(wish.rules), "now": caller.now, "actor": caller.user
    }  # fmt: skip
    if (wish.client is None) == (wish.name is None):
        raise Refusal.invalid_request("Say client, or name.")
    if wish.client is not None:
        client = one(Client, caller, wish.client)
        host = registration.add_host(client=client, origin=wish.origin, **common)
    else:
        host = registration.register_application(
            organisation=caller.organisation,
            name=wish.name or "",
            origins=[wish.origin],
            **common,
        ).proxied_hosts.get()
    return Status(201, _show(host))


@router.get("/{uuid:host_id}", response=ProxiedHostTold)
def read_proxied_host(request: Administration, host_id: UUID) -> dict[str, Any]:
    """One host with its rules."""
    return _show(one(ProxiedHost, request.auth, host_id, "client"))


@router.put("/{uuid:host_id}/rules", response=ProxiedHostTold)
def change_proxied_host(request: Administration, host_id: UUID, wish: HostRules) -> dict[str, Any]:
    """Put other rules in place, all of them; the next request is judged by these."""
    caller = request.auth
    host = registration.change_rules(
        host=one(ProxiedHost, caller, host_id),
        rules=_said(wish.rules),
        version=wish.version,
        now=caller.now,
        actor=caller.user,
    )
    return _show(host)


@router.delete("/{uuid:host_id}", response=Did)
def remove_proxied_host(request: Administration, host_id: UUID) -> dict[str, Any]:
    """Forget that the application is there: its next request is refused."""
    caller = request.auth
    registration.remove_host(
        host=one(ProxiedHost, caller, host_id), now=caller.now, actor=caller.user
    )
    return {"did": True}


def _said(rules: list[PathRule]) -> list[dict[str, Any]]:
    return [rule.dict() for rule in rules]


def _show(host: ProxiedHost) -> dict[str, Any]:
    return {
        "id": host.pk,
        "organisation": host.organisation,
        "client": host.client_id,
        "name": host.client.name,
        "origin": host.origin,
        "rules": host.rules,
        "version": version_of(host.rules),
        "created_at": host.created_at,
    }
