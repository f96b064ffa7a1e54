"""The addresses in a client's metadata: those that people are led to, and those that we ask.

All are https, name a plain host and have no user part; who is behind a host is judged when it is
asked (`core.outbound`), since a name may lead elsewhere by then. What plainly points inside is
refused here already, so that whoever registers it learns of it.
"""

import ipaddress
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from django.conf import settings

from core import http, outbound
from core.errors import Refusal
from idp.registration.metadata import ClientMetadata

MAX_LENGTH = 1_000
CHARACTERS = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?|[0-9a-f:.]+:[0-9a-f:.]*", re.IGNORECASE)
DOT_SEGMENT = re.compile(r"(^|/)(\.|%2e){1,2}(/|;|$)", re.IGNORECASE)
# People follow these, or their browsers do: we never ask them.
SHOWN = (
    "client_uri", "policy_uri", "tos_uri", "initiate_login_uri",
)  # fmt: skip
ASKED = (
    "jwks_uri", "sector_identifier_uri", "logo_uri", "backchannel_logout_uri",
    "backchannel_client_notification_endpoint",
)  # fmt: skip


def check(known: ClientMetadata) -> None:
    """Refuses INVALID_CLIENT_METADATA for an address that cannot be registered."""
    is_plain: bool = settings.OUTBOUND_PLAIN_HTTP
    for name in SHOWN:
        _check(name, getattr(known, name))
    for name in ASKED:
        _check(name, getattr(known, name), is_asked=True, may_be_local=is_plain)
    _check("frontchannel_logout_uri", known.frontchannel_logout_uri, may_be_local=True)
    for uri in known.request_uris:  # a fragment is the digest of what is there (Core §6.2)
        _check("request_uris", uri.partition("#")[0], is_asked=True, may_be_local=is_plain)


def check_front_channel(known: ClientMetadata, redirect_uris: Sequence[str]) -> None:
    """Refuses a frontchannel_logout_uri that is not where a redirect URI is (§2 of its spec).

    Browsers of people who sign out load it, so it may be nobody else's.
    """
    uri = known.frontchannel_logout_uri
    if uri and http.origin_of(uri) not in {http.origin_of(each) for each in redirect_uris}:
        raise Refusal(
            "invalid_client_metadata",
            "frontchannel_logout_uri needs scheme, host and port of one of the redirect_uris.",
        )


def origin_of(uri: str) -> str:
    """`https://host[:port]` of an address that may be registered, or nothing."""
    if fault_of(uri):
        return ""
    return f"https://{urlsplit(uri).netloc}"


def _check(name: str, uri: str, *, is_asked: bool = False, may_be_local: bool = False) -> None:
    fault = fault_of(uri, is_asked=is_asked, may_be_local=may_be_local) if uri else ""
    if fault:
        raise Refusal("invalid_client_metadata", f"{name} {fault}.")


def fault_of(uri: str, *, is_asked: bool = False, may_be_local: bool = False) -> str:
    """Why this address cannot be registered, empty when it can; the end of a sentence."""
    if len(uri) > MAX_LENGTH:
        return f"is longer than {MAX_LENGTH} characters"
    if not CHARACTERS.fullmatch(uri):
        return "holds characters that a URI may not have"
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "is not a URI"
    if parts.scheme != "https" and not (
        may_be_local and parts.scheme == "http" and host in LOOPBACK_HOSTS
    ):
        return "must begin with https://"
    if "@" in parts.netloc:
        return "must have no user part"
    if "#" in uri:
        return "must have no fragment"
    if not host or not HOST.fullmatch(host) or port == 0:
        return "must name a host"
    if is_asked and _is_inside(host):
        return "points to an address that is not asked"
    return ""


def _is_inside(host: str) -> bool:
    """Whether a host is plainly an address that `core.outbound` does not ask.

    A name whose last label is a number is read as an IPv4 address by some (127.1, 0x7f.1).
    """
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        name = "127.0.0.1"
    try:
        return not outbound.is_open(ipaddress.ip_address(name))
    except ValueError:
        return NUMBER.fullmatch(name.rpartition(".")[2]) is not None
