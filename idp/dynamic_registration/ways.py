"""Grant types and response types that fit each other (RFC 7591 §2.1).

To register, `implicit` is a grant type. We keep response types alone for it: what they do not name
cannot be asked for, and whoever may use the authorization endpoint has `authorization_code`.
"""

from collections.abc import Sequence

from core.errors import Refusal
from idp.models import Client
from idp.registration.metadata import ClientMetadata

CODE, IMPLICIT = "authorization_code", "implicit"
GRANTS_OF_WORDS = {"code": CODE, "id_token": IMPLICIT, "token": IMPLICIT}


def fit(
    grants: Sequence[str] | None, responses: Sequence[str] | None, *, supported: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Both, each from the other where it was not sent; refuses INVALID_CLIENT_METADATA.

    supported: the response types of this server, in whose words they are kept.
    """
    if responses is None:
        responses = ["code"] if grants is None or CODE in grants else []
    canonical = {frozenset(name.split()): name for name in supported}
    kept = []
    for name in responses:
        words = frozenset(name.split())
        if words not in canonical or "none" in words:
            raise _refusal("A response type is not one of this server.")
        kept.append(canonical[words])
    needed = needed_by(kept)
    if grants is None:
        grants = sorted(needed)
    if needed != set(grants) & {CODE, IMPLICIT}:
        raise _refusal("grant_types and response_types do not fit each other.")
    return list(dict.fromkeys(grants)), list(dict.fromkeys(kept))


def to_column(grants: Sequence[str]) -> list[str]:
    """As `Client.grant_types` keeps them."""
    kept = [name for name in grants if name != IMPLICIT]
    return kept if len(kept) == len(grants) or CODE in kept else [CODE, *kept]


def of_client(client: Client) -> tuple[list[str], list[str]]:
    """Grant types and response types as they were registered."""
    if CODE not in client.grant_types:
        return client.grant_types, []
    responses = list(ClientMetadata.from_json(client.metadata).response_types)
    needed = needed_by(responses)
    others = [name for name in client.grant_types if name != CODE]
    return [*(name for name in (CODE, IMPLICIT) if name in needed), *others], responses


def needed_by(responses: Sequence[str]) -> set[str]:
    return {GRANTS_OF_WORDS[word] for name in responses for word in name.split()}


def _refusal(detail: str) -> Refusal:
    return Refusal("invalid_client_metadata", detail)
