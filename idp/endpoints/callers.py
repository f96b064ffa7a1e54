"""Who asks: the form with its Basic credentials, and the client that it authenticates."""

from core import clock
from core.errors import Refusal
from core.limits import spend
from idp import client_auth
from idp.client_auth import MachineClient
from idp.wire import Request


def read_fields(request: Request) -> dict[str, str]:
    """The form, with Basic credentials judged: one way of client authentication, and readable."""
    fields = request.form()
    basic = client_auth.read_basic(request.authorization) if request.authorization else None
    if request.authorization and basic is None:
        raise Refusal.invalid_client("Use HTTP Basic, or parameters in the body.")
    if basic is not None:
        if "client_secret" in fields:
            raise Refusal.invalid_request("Authenticate in one way only.")
        if fields.setdefault("client_id", basic[0]) != basic[0]:
            raise Refusal.invalid_request("client_id contradicts the Authorization header.")
    return fields


def authenticated(request: Request) -> tuple[MachineClient, dict[str, str]]:
    """The client, by whatever method it has registered, and the form; refuses invalid_client."""
    fields = read_fields(request)
    try:
        client = client_auth.authenticate(request, fields)
    except Refusal as refusal:
        if refusal.code == "invalid_client":
            count_failure(request, fields)
        raise
    return client, fields


def count_failure(request: Request, fields: dict[str, str]) -> None:
    key = f"{fields.get('client_id', '')[:64]}|{request.address}"
    spend(client_auth.FAILURES, key, now=clock.now())
