"""Pushed authorization requests (RFC 9126): kept for a minute, for one client, answered once.

A request is claimed where it is answered, not where it is first shown: browsers fetch addresses
ahead of people, and people reload pages.
"""

from dataclasses import replace
from datetime import datetime, timedelta

import orjson

from core import clock
from core.errors import Refusal
from core.ids import digest, new_token
from idp.clients.authentication import MachineClient, same_client
from idp.models import Client, PushedRequest
from idp.requests import request_objects
from idp.requests.parameters import AuthorizationParams
from idp.storage import database
from idp.storage.pushed_requests import PUSH_REQUEST, PUSH_REQUEST_ONCE

PREFIX = "urn:ietf:params:oauth:request_uri:"
LIFETIME = timedelta(seconds=60)


def new_reference() -> str:
    """A `request_uri` that cannot be guessed: 256 bits (RFC 9126 §2.2, §7.1)."""
    return PREFIX + new_token()


def named(params: AuthorizationParams, reference: str) -> AuthorizationParams:
    """The request that will be kept under this `request_uri`."""
    return replace(params, pushed=digest(reference).hex())


def keep(params: AuthorizationParams, *, caller: MachineClient) -> None:
    """Keep a checked and named request, and use up the request object that it came in.

    One statement: both are done or neither. Raises StaleClient if the client has changed since,
    and refuses INVALID_REQUEST_OBJECT if somebody else was faster with the same object.
    """
    values = {
        "digest": bytes.fromhex(params.pushed or ""),
        "client": caller.id,
        "changed_at": caller.changed_at,
        "parameters": orjson.dumps(replace(params, once=None).to_json()).decode(),
        "lifetime": LIFETIME,
        "clock_offset": clock.offset(),
    }
    if params.once is None:
        row = database.one(PUSH_REQUEST, values)
    else:
        used, until = request_objects.spent(params.once)
        row = database.one(PUSH_REQUEST_ONCE, values | {"used": used, "used_until": until})
    same_client(caller, row["changed_at"] if row is not None else None)
    if row is not None and not row["is_kept"]:
        raise request_objects.used_before()


def find(reference: str, *, client: Client, now: datetime) -> AuthorizationParams:
    """What this client pushed; refuses INVALID_REQUEST_URI, whatever the reason."""
    row = (
        PushedRequest.objects.within_id(client.organisation_id)
        .filter(digest=digest(reference), client=client, used_at=None, expires_at__gt=now)
        .first()
    )
    if row is None:
        raise Refusal(
            "invalid_request_uri", "The request_uri is unknown, used, or older than a minute."
        )
    return AuthorizationParams.from_json(row.parameters)


def claim(params: AuthorizationParams, *, client: Client) -> None:
    """Take the one answer that a pushed request gets; refuses CONFLICT when it has had it.

    Its minute is not asked for again: what was begun in time may take as long as signing in takes.
    One conditional statement, for the transaction of the caller.
    """
    if params.pushed is None:
        return
    claimed = (
        PushedRequest.objects.within_id(client.organisation_id)
        .filter(digest=bytes.fromhex(params.pushed), client=client, used_at=None)
        .update(used_at=clock.sql_now())
    )
    if not claimed:
        raise Refusal.conflict("This sign-in is already finished.")
