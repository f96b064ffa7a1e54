"""What a client says of itself to people (RFC 7591 §2): shown as its own words, never as ours."""

from dataclasses import dataclass

from idp.client_documents.address import host_of
from idp.models import Client
from idp.registration import addresses
from idp.registration.metadata import ClientMetadata


@dataclass(frozen=True)
class Introduction:
    """Addresses are https or empty. Its logo is not among them: see `logos.py`.

    is_by_itself: nobody of the organisation has written this, the application has.
    host: where its document is, if it describes itself by one: all of it that is known for sure.
    """

    policy_uri: str
    tos_uri: str
    client_uri: str
    is_by_itself: bool
    host: str


def introduce(client: Client) -> Introduction:
    known = ClientMetadata.from_json(client.metadata)

    def plain(uri: str) -> str:
        return uri if addresses.origin_of(uri) else ""

    return Introduction(
        policy_uri=plain(known.policy_uri),
        tos_uri=plain(known.tos_uri),
        client_uri=plain(known.client_uri),
        is_by_itself=client.is_by_itself,
        host=host_of(client.client_id) if client.is_by_document else "",
    )
