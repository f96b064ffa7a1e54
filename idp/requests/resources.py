"""Which APIs a token is for (Resource Indicators, RFC 8707)."""

import re
from collections.abc import Sequence

from core.errors import Refusal

# An absolute URI without fragment (RFC 8707 §2; the characters of RFC 3986 §2 and §3.1).
RESOURCE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]+")


def check(wanted: Sequence[str], *, registered: Sequence[str], audience: str) -> None:
    """Refuses INVALID_TARGET for what is no absolute URI, or not registered for the client.

    audience: the client's own, which it may always name. Compared byte for byte.
    """
    for resource in wanted:
        if not RESOURCE.fullmatch(resource):
            raise _refusal("A resource must be an absolute URI without a fragment.")
        if resource not in registered and resource != audience:
            raise _refusal("A resource is unknown, or not one that this client may ask for.")


def narrow(
    wanted: Sequence[str],
    *,
    granted: Sequence[str],
    registered: Sequence[str],
    audience: str,
) -> tuple[str, ...]:
    """What one access token is for (RFC 8707 §2.2): some of what was granted, or all of it.

    Where nothing was named when it was granted, any registered one may be named now.
    """
    if not wanted:
        return tuple(granted)
    if granted and not set(wanted) <= set(granted):
        raise _refusal("A resource was not granted.")
    check(wanted, registered=registered, audience=audience)
    return tuple(wanted)


def _refusal(detail: str) -> Refusal:
    return Refusal("invalid_target", detail)
