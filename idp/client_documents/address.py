"""A client_id that is the address of a document: which are, and which may be asked (§3).

Nothing is normalised: two addresses that differ in one byte are two clients. What browsers and
servers read differently is refused instead, so that the host people are shown is the one asked.
"""

import re
from urllib.parse import urlsplit

from django.conf import settings

from core.errors import Refusal
from idp.registration import addresses

PREFIX = "https://"
MAX_LENGTH = 255
ANY = "*"
NETLOC = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*(:[1-9][0-9]{0,4})?")


def is_address(client_id: str) -> bool:
    """Whether this is no identifier that we have made."""
    return client_id[: len(PREFIX)].lower() == PREFIX


def host_of(client_id: str) -> str:
    """The host as it is asked: ASCII, in punycode where it has other letters."""
    return urlsplit(client_id).hostname or ""


def origin_of(uri: str) -> str:
    """`scheme://host[:port]`, as it stands there."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}"


def is_allowed(client_id: str) -> bool:
    """Whether such clients are taken at all, and those of this host."""
    if not settings.CLIENT_DOCUMENTS_ORGANISATION:
        return False
    host = host_of(client_id)
    for wanted in settings.CLIENT_DOCUMENTS_HOSTS:
        if wanted in {ANY, host} or (wanted.startswith("*.") and host.endswith(wanted[1:])):
            return True
    return False


def check(client_id: str) -> None:
    """Refuses INVALID_CLIENT for an address that cannot be a client_id here."""
    fault = _fault_of(client_id)
    if fault:
        raise Refusal("invalid_client", f"The client_id {fault}.")
    if not is_allowed(client_id):
        raise Refusal("invalid_client", "We do not know this application.")


def _fault_of(client_id: str) -> str:
    if len(client_id) > MAX_LENGTH:
        return f"is longer than {MAX_LENGTH} characters"
    fault = addresses.fault_of(client_id, is_asked=True)
    if fault:
        return fault
    parts = urlsplit(client_id)
    if not client_id.startswith(PREFIX) or not NETLOC.fullmatch(parts.netloc):
        return "must name its host in lower-case ASCII, and a port in plain digits or not at all"
    if not parts.path:
        return "must have a path"
    if addresses.DOT_SEGMENT.search(parts.path):
        return "must have no dot segments"
    return ""
