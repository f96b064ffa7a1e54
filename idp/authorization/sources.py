"""Where the parameters of a request come from: as they were sent, pushed before, or in an object.

RFC 9126 §4; RFC 9101 §5, §6: with a request object only what is inside counts.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from django.http import QueryDict

from core.errors import Refusal
from idp.models import Client
from idp.registration.metadata import ClientMetadata
from idp.requests import pushed_requests, request_objects
from idp.requests.parameters import AuthorizationParams, only
from idp.requests.request_objects import Signed


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked. fault: why it cannot be granted, for the client if it can be reached."""

    params: AuthorizationParams
    fault: Refusal | None = None


def read(parameters: QueryDict, *, client: Client, now: datetime) -> Asked:
    """The request that these parameters make; refuses where nobody is known to redirect to.

    A faulty request object leaves the parameters beside it, which are good for nothing but telling
    the client at an address that is registered.
    """
    text, reference = only(parameters, "request"), only(parameters, "request_uri")
    if reference is not None and reference.startswith(pushed_requests.PREFIX):
        return Asked(pushed_requests.find(reference, client=client, now=now))
    registered = ClientMetadata.from_json(client.metadata)
    try:
        if text is not None and reference is not None:
            raise Refusal.invalid_request("request and request_uri exclude each other.")
        if reference is not None:
            text = request_objects.fetch(
                reference, client_id=client.client_id, registered=registered, now=now
            )
        inside = signed(
            text, client=client, registered=registered, now=now, is_fetched=reference is not None
        )
    except Refusal as fault:
        return Asked(AuthorizationParams.parse(parameters), fault)
    if inside is None:
        return Asked(AuthorizationParams.parse(parameters))
    return Asked(replace(AuthorizationParams.parse(inside.parameters), once=inside.once))


def signed(
    text: str | None,
    *,
    client: Client,
    registered: ClientMetadata,
    now: datetime,
    is_fetched: bool = False,
) -> Signed | None:
    """What is inside a request object, None without one; refuses when the client must sign."""
    if text is not None:
        return request_objects.read(
            text,
            client_id=client.client_id,
            registered=registered,
            now=now,
            is_fetched=is_fetched,
        )
    if registered.require_signed_request_object:
        raise Refusal.invalid_request("This client must sign its requests (RFC 9101).")
    return None
