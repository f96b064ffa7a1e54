"""Pushed authorization requests (RFC 9126): kept for a minute, for one client, answered once.

A request is claimed where it is answered, not where it is first shown: browsers fetch addresses
ahead of people, and people reload pages.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from core import clock
from core.errors import Refusal
from core.ids import digest, new_token
from idp.models import Client, PushedRequest
from idp.requests import AuthorizationParams

PREFIX = "urn:ietf:params:oauth:request_uri:"
LIFETIME = timedelta(seconds=60)


def new_reference() -> str:
    """A `request_uri` that cannot be guessed: 256 bits (RFC 9126 §2.2, §7.1)."""
    return PREFIX + new_token()


def named(params: AuthorizationParams, reference: str) -> AuthorizationParams:
    """The request that will be kept under this `request_uri`."""
    return replace(params, pushed=digest(reference).hex())


def keep(params: AuthorizationParams, *, client: Client, now: datetime) -> None:
    """Keep a checked and named request of a client that has authenticated."""
    PushedRequest.objects.create(
        digest=bytes.fromhex(params.pushed or ""),
        organisation_id=client.organisation_id,
        client=client,
        parameters=params.to_json(),
        created_at=now,
        expires_at=now + LIFETIME,
    )


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
