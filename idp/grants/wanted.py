"""What one access token is for beyond its scope (RFC 8707 §2.2, RFC 9396 §6)."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from core.errors import Refusal
from idp.clients.authentication import MachineClient
from idp.machine.server import Refused, TokenRequest
from idp.requests import authorization_details, resources


class Wanted(NamedTuple):
    resource: tuple[str, ...] = ()
    authorization_details: tuple[dict[str, Any], ...] = ()


NOTHING = Wanted()


def of_grant(request: TokenRequest, client: MachineClient, terms: Mapping[str, Any]) -> Wanted:
    """What is asked for now, within the terms of the grant.

    Refuses invalid_target and invalid_authorization_details.
    """
    named, details = _asked(request)
    if not terms and not named and details is None:
        return NOTHING
    registered = client.metadata
    try:
        return Wanted(
            resources.narrow(
                named,
                granted=terms.get("resource", ()),
                registered=registered.resources,
                audience=client.audience,
            ),
            authorization_details.narrow(
                details,
                granted=terms.get("authorization_details", ()),
                types=registered.authorization_details_types,
            ),
        )
    except Refusal as refusal:
        raise Refused(refusal) from refusal


def of_client(request: TokenRequest, client: MachineClient) -> Wanted:
    """What a client asks for in its own name; refuses as `of_grant` does."""
    named, details = _asked(request)
    registered = client.metadata
    try:
        resources.check(named, registered=registered.resources, audience=client.audience)
        if details is None:
            return Wanted(tuple(named))
        types = registered.authorization_details_types
        return Wanted(tuple(named), authorization_details.parse(details, types=types))
    except Refusal as refusal:
        raise Refused(refusal) from refusal


def _asked(request: TokenRequest) -> tuple[list[str], str | None]:
    fields = request.fields
    return fields.get("resource", "").split(), fields.get("authorization_details")
