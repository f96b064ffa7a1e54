"""Clients as the machine endpoints see them, and how they authenticate (RFC 6749 §2.3).

Clients are cached for five seconds. That is safe, since each statement that issues something
compares `changed_at` with the row's: a client that was switched off or got a new secret is noticed
in the same transaction (`StaleClient`), and the request is run again with a fresh one.
"""

import base64
import binascii
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote_plus
from uuid import UUID

import orjson

from core import clock
from core.errors import Refusal
from core.ids import digest, equal
from core.limits import Limit
from core.prepared import Row
from idp.client_documents import address
from idp.clients import assertions, certificates, public_keys
from idp.machine.wire import Request
from idp.models import Client
from idp.registration.metadata import ClientMetadata
from idp.storage import database
from idp.storage.clients import FIND_CLIENT

CACHE_LIFETIME_SECONDS = 5.0
MAX_CACHED = 10_000
MAX_CLIENT_ID_LENGTH = 255
MAX_BASIC_LENGTH = 1024

FAILURES = Limit(
    name="client-authentication",
    burst=60,
    period=timedelta(minutes=1),
    why="A client that keeps failing to authenticate is misconfigured or not the client.",
)


class StaleClient(Exception):  # noqa: N818 - names a state
    """The client's row has changed since it was cached."""


@dataclass(frozen=True, slots=True)
class MachineClient:
    """A client, with the questions that Authlib asks of one."""

    id: UUID
    client_id: str
    organisation_id: UUID
    kind: str
    secret_digest: bytes | None
    grant_types: tuple[str, ...]
    scopes: tuple[str, ...]
    token_endpoint_auth_method: str
    signing_alg: str
    audience: str
    changed_at: datetime
    is_active: bool
    metadata: ClientMetadata
    previous_secret_digest: bytes | None = None
    previous_secret_expires_at: datetime | None = None
    secret_sealed: bytes | None = None
    required_acr: str = ""
    required_tier: int = 0
    scope_tiers: Mapping[str, int] = field(default_factory=dict)
    is_first_party: bool = False
    redirect_uris: tuple[str, ...] = ()

    @property
    def is_confidential(self) -> bool:
        return self.kind == Client.Kind.CONFIDENTIAL

    def check_client_secret(self, secret: str) -> bool:
        """Whether this is the client's secret, or the one before while that is still good."""
        shown = digest(secret)
        if self.secret_digest is not None and equal(shown, self.secret_digest):
            return True
        return (
            self.previous_secret_digest is not None
            and self.previous_secret_expires_at is not None
            and clock.now() < self.previous_secret_expires_at
            and equal(shown, self.previous_secret_digest)
        )

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:  # noqa: ARG002
        return method == self.token_endpoint_auth_method

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.grant_types


_cache: dict[str, tuple[float, MachineClient]] = {}


def find_client(client_id: str) -> MachineClient | None:
    """An active client by its public name, from the cache or by one statement."""
    known = _cache.get(client_id)
    if known is not None and time.monotonic() - known[0] < CACHE_LIFETIME_SECONDS:
        return known[1]
    if len(client_id) > MAX_CLIENT_ID_LENGTH or "\0" in client_id:
        return None
    if address.is_address(client_id) and not address.is_allowed(client_id):
        return None
    row = database.one(FIND_CLIENT, {"client_id": client_id, "clock_offset": clock.offset()})
    if row is None or not row["is_active"]:
        _cache.pop(client_id, None)
        return None
    client = _from_row(row)
    if len(_cache) >= MAX_CACHED:
        _cache.clear()
    _cache[client_id] = (time.monotonic(), client)
    return client


def forget(client_id: str | None = None) -> None:
    """Drop one cached client, or all."""
    if client_id is None:
        _cache.clear()
    else:
        _cache.pop(client_id, None)


def same_client(client: MachineClient, changed_at: datetime | None) -> None:
    """Raise StaleClient unless the row is still the one that was authenticated."""
    if changed_at != client.changed_at:
        forget(client.client_id)
        raise StaleClient


def demand_params(client: MachineClient) -> dict[str, Any]:
    """What a statement with AUTHORIZED binds of the client that asks (`same_client`)."""
    return {
        "client_name": client.client_id,
        "required_acr": client.required_acr,
        "required_tier": client.required_tier,
        "scope_tiers": orjson.dumps(client.scope_tiers).decode(),
    }


def authenticate(
    request: Request, fields: Mapping[str, str], basic: tuple[str, str] | None
) -> MachineClient:
    """The client that asks, proven by the one method that it has registered.

    fields: the form, with a `client_id` that does not contradict `basic`, the Authorization header
    as `read_basic` has it. Refuses invalid_client, and invalid_request when there are two proofs
    (RFC 6749 §2.3).
    """
    secret, assertion = fields.get("client_secret"), fields.get("client_assertion")
    if (basic, secret, assertion).count(None) < 2:  # noqa: PLR2004 - there may be one
        raise Refusal.invalid_request("Authenticate in one way only.")
    if assertion is not None:
        return _by_assertion(request, fields, assertion)
    client = find_client(fields.get("client_id", ""))
    if client is None or "client_assertion_type" in fields:
        raise Refusal.invalid_client()
    method = client.token_endpoint_auth_method
    if basic is not None:
        is_good = method == Client.AuthMethod.BASIC and client.check_client_secret(basic[1])
    elif secret is not None:
        is_good = method == Client.AuthMethod.POST and client.check_client_secret(secret)
    else:
        is_good = method == Client.AuthMethod.NONE or _is_by_certificate(request, client)
    if not is_good:
        raise Refusal.invalid_client()
    return client


def _by_assertion(request: Request, fields: Mapping[str, str], assertion: str) -> MachineClient:
    if fields.get("client_assertion_type") != assertions.TYPE:
        raise Refusal.invalid_client("The client_assertion_type is not supported.")
    claimed = assertions.claimed_client(assertion)
    if fields.get("client_id", claimed) != claimed:
        raise Refusal.invalid_client("client_id contradicts the assertion.")
    client = find_client(claimed)
    if client is None or not assertions.algorithms_of(client):
        raise Refusal.invalid_client()
    assertions.authenticate(client, request, assertion)
    return client


def _is_by_certificate(request: Request, client: MachineClient) -> bool:
    """Mutual TLS (RFC 8705 §2): a registered name under a known authority, or a registered key."""
    der = request.certificate
    if der is None:
        return False
    if client.token_endpoint_auth_method == Client.AuthMethod.TLS:
        return request.is_certificate_verified and certificates.has_registered_name(
            der, client.metadata
        )
    if client.token_endpoint_auth_method == Client.AuthMethod.SELF_SIGNED_TLS:
        return certificates.is_in_force(der, clock.now()) and public_keys.has_public_key(
            certificates.public_key_of(der), owner=client.client_id, metadata=client.metadata
        )
    return False


def read_basic(header: str) -> tuple[str, str] | None:
    """Client id and secret of a Basic header (RFC 6749 §2.3.1), None for another scheme.

    Refuses invalid_client for one that cannot be read.
    """
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        if len(encoded) > MAX_BASIC_LENGTH:
            raise ValueError
        text = base64.b64decode(encoded.strip(), validate=True).decode("ascii")
        client_id, colon, secret = text.partition(":")
        if not colon or not client_id or not secret:
            raise ValueError
    except (binascii.Error, ValueError) as error:
        raise Refusal.invalid_client("The Authorization header cannot be read.") from error
    if "%" not in text and "+" not in text:
        return client_id, secret
    return unquote_plus(client_id), unquote_plus(secret)


def _from_row(row: Row) -> MachineClient:
    values: dict[str, Any] = {
        name: row[name] for name in MachineClient.__dataclass_fields__ if name in row
    }
    for name in ("secret_digest", "previous_secret_digest", "secret_sealed"):
        values[name] = None if values[name] is None else bytes(values[name])
    values |= {
        "grant_types": tuple(values["grant_types"]),
        "scopes": tuple(values["scopes"]),
        "redirect_uris": tuple(values["redirect_uris"]),
        "metadata": ClientMetadata.from_json(values["metadata"]),
    }
    return MachineClient(**values)
