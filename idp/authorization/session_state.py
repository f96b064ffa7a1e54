"""`session_state` (OpenID Connect Session Management 1.0 §2, §3): what a client's page asks by.

A salted hash over the client, the place of its redirect_uri and the browser's state, so that it
tells nothing and is of no use to another client or another site. The frame at check_session_iframe
computes it anew (static/js/check_session.js).
"""

from uuid import UUID

from django.conf import settings

from core.http import origin_of
from core.ids import digest, new_token
from idp.requests.parameters import AuthorizationParams
from sessions import browser_state

SALT_SIZE_BYTES = 16


def parameters(params: AuthorizationParams, *, client_id: str, session_id: UUID) -> dict[str, str]:
    """What an authentication response says beside its tokens; nothing where this is off."""
    if not settings.SESSION_MANAGEMENT or "openid" not in params.scope:
        return {}
    origin = origin_of(params.redirect_uri)
    if not origin:  # a native application has no page that could ask
        return {}
    salt = new_token(SALT_SIZE_BYTES)
    state = browser_state.state_of(session_id)
    return {"session_state": f"{digest(f'{client_id} {origin} {state} {salt}').hex()}.{salt}"}
