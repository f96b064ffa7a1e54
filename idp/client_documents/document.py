"""What a client's document says, as far as it counts here (§4).

It is written for every server at once, so what this one does not offer is passed over. Whatever we
would lead people to or ask belongs to the origin of the client_id: a document speaks for its own
place alone (§8.1).
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from accounts.models import Organisation
from core.errors import Refusal
from idp.client_documents.address import host_of, origin_of
from idp.dynamic_registration import document
from idp.dynamic_registration.document import Registration
from idp.dynamic_registration.permission import DEFAULT_SCOPES, Permission
from idp.registration import addresses, credentials, rules, sectors
from idp.registration.metadata import ClientMetadata

METHODS = frozenset({"none", "private_key_jwt"})
GRANT_TYPES = frozenset({"authorization_code", "refresh_token"})
SECRETS = frozenset({"client_secret", "client_secret_expires_at"})
LEFT_OUT = frozenset({"sector_identifier_uri", "request_uris"})  # more to ask
OF_ITS_ORIGIN = ("jwks_uri", "backchannel_logout_uri", "frontchannel_logout_uri")


def read(client_id: str, members: Mapping[str, Any], organisation: Organisation) -> Registration:
    """What the client is; refuses INVALID_CLIENT_METADATA and INVALID_REDIRECT_URI."""
    if members.get("client_id") != client_id:
        raise _refusal("client_id of the document is not its address.")
    if SECRETS & members.keys():
        raise _refusal("A document that everybody can read holds no secret.")
    sent = {name: value for name, value in members.items() if name not in LEFT_OUT}
    if not _is_at(client_id, sent.get("logo_uri")):  # often on a host for pictures: none, then
        sent.pop("logo_uri", None)
    sent.setdefault("token_endpoint_auth_method", "none")
    method = sent["token_endpoint_auth_method"]
    if not isinstance(method, str) or method not in METHODS:
        raise _refusal("token_endpoint_auth_method is none or private_key_jwt.")
    _pass_over(sent, "grant_types", GRANT_TYPES)
    if isinstance(sent.get("scope"), str):
        sent["scope"] = " ".join(word for word in sent["scope"].split() if word in DEFAULT_SCOPES)
    read = document.read(sent, Permission(organisation, GRANT_TYPES, DEFAULT_SCOPES, True))
    known = ClientMetadata.from_json(read.values["metadata"])
    credentials.check_method(read.values["token_endpoint_auth_method"], known)
    rules.check_way_back(read.values["grant_types"], read.values["redirect_uris"])
    if known.require_pushed_authorization_requests:  # only a client that has a row can push
        raise _refusal("A client that nobody has allowed yet cannot push its requests.")
    for uri in (*read.values["redirect_uris"], *read.values["post_logout_redirect_uris"]):
        _check_place(client_id, uri)
    for name in OF_ITS_ORIGIN:
        uri = getattr(known, name)
        if uri and origin_of(uri) != origin_of(client_id):
            raise _refusal(f"{name} is not at the origin of the client_id.")
    sectors.check(known, read.values["redirect_uris"], None)
    return read


def _is_at(client_id: str, uri: Any) -> bool:
    return (
        isinstance(uri, str)
        and not addresses.fault_of(uri)
        and origin_of(uri) == origin_of(client_id)
    )


def _pass_over(sent: dict[str, Any], name: str, known: frozenset[str]) -> None:
    """What is no text at all is left, to be refused."""
    if isinstance(sent.get(name), list):
        sent[name] = [value for value in sent[name] if not isinstance(value, str) or value in known]


def _check_place(client_id: str, uri: str) -> None:
    """The origin of the client_id, this computer itself, or a scheme that is the host's (RFC 8252).

    `com.example.app:/` belongs to example.com and its subdomains.
    """
    parts = urlsplit(uri)
    if parts.scheme == "https":
        is_its_own = origin_of(uri) == origin_of(client_id)
    elif parts.scheme == "http":
        is_its_own = True  # loopback: the rules of registration allow no other
    else:
        reverse = ".".join(reversed(host_of(client_id).split(".")))
        is_its_own = f"{parts.scheme}.".startswith(f"{reverse}.")
    if not is_its_own:
        raise Refusal(
            "invalid_redirect_uri", "A redirect URI does not belong to the host of the client_id."
        )


def _refusal(detail: str) -> Refusal:
    return Refusal("invalid_client_metadata", detail)
