"""What a browser that speaks DBSC is told of its session (W3C DBSC §9.6)."""

from typing import Any

from django.conf import settings
from django.urls import reverse

from sessions.binding import cookie
from sessions.models import BoundKey

# What takes no cookie of ours needs no refresh before it.
OUT_OF_SCOPE = ("/static/", "/dbsc/", "/.well-known/", "/healthz", "/readyz")


def of(key: BoundKey) -> dict[str, Any]:
    """The session that this key makes.

    Any site may send a browser here that has to refresh on its way, since that is what
    applications do when somebody signs in. The cookie is `SameSite=Lax`, so only whole pages do:
    a request that another site could measure carries no cookie, and is not held up.
    """
    return {
        "session_identifier": str(key.id),
        "refresh_url": reverse("sessions:dbsc_refresh"),
        "scope": {
            "origin": settings.ISSUER,
            "include_site": False,
            "scope_specification": [{"type": "exclude", "path": path} for path in OUT_OF_SCOPE],
        },
        "credentials": [
            {
                "type": "cookie",
                "name": settings.BOUND_COOKIE_NAME,
                "attributes": cookie.attributes(),
            }
        ],
        "allowed_refresh_initiators": ["*"],
    }


def over(identifier: str) -> dict[str, Any]:
    """That the session is no more: the browser forgets it."""
    return {"session_identifier": identifier, "continue": False}
