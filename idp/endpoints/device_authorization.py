"""The device authorization endpoint (RFC 8628 §3.1)."""

from urllib.parse import urlencode

from core import clock, user_codes
from core.errors import Refusal
from core.limits import spend
from idp import device
from idp.clients.authentication import MachineClient
from idp.endpoints.callers import authenticated
from idp.limits import DEVICE_AUTHORIZATIONS
from idp.machine.wire import Answer, Request, json_answer


def authorize_device(request: Request) -> Answer:
    """POST /oauth/device_authorization, for clients that are registered for the grant type."""
    client, fields = authenticated(request)
    if not client.check_grant_type(device.GRANT_TYPE):
        raise Refusal.unauthorized_client("The client may not use this grant type.")
    spend(DEVICE_AUTHORIZATIONS, request.address, now=clock.now())
    started = device.start(
        client=client,
        scope=_scope(client, fields),
        address=request.address,
        user_agent=request.user_agent,
    )
    user_code, address = user_codes.shown(started.user_code), device.verification_uri()
    return json_answer(
        {
            "device_code": started.device_code,
            "user_code": user_code,
            "verification_uri": address,
            "verification_uri_complete": f"{address}?{urlencode({'user_code': user_code})}",
            "expires_in": int(device.LIFETIME.total_seconds()),
            "interval": device.INTERVAL_SECONDS,
        }
    )


def _scope(client: MachineClient, fields: dict[str, str]) -> str:
    """The scope as it will be granted; each word must be registered (RFC 6749 §3.3)."""
    wanted = list(dict.fromkeys(fields.get("scope", "").split()))
    if not wanted:
        raise Refusal.invalid_scope("scope is missing.")
    if not set(wanted) <= set(client.scopes):
        raise Refusal.invalid_scope("A scope is unknown, or not one that this client may ask for.")
    return " ".join(wanted)
