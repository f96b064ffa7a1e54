"""The pushed authorization request endpoint (RFC 9126)."""

from dataclasses import replace
from datetime import datetime

from core import clock
from core.errors import Refusal
from core.limits import spend
from idp.authorization import checks, sources
from idp.clients import rows
from idp.clients.authentication import MachineClient
from idp.endpoints.callers import as_parameters, authenticated
from idp.limits import PUSHED_REQUESTS
from idp.machine.wire import Answer, Request, json_answer
from idp.models import Client
from idp.requests import pushed_requests
from idp.requests.parameters import AuthorizationParams
from idp.tokens import dpop


def push(request: Request) -> Answer:
    """POST /oauth/par (RFC 9126 §2): all that the authorization endpoint would refuse is refused.

    The redirect_uri has to be a registered one here as well.
    """
    caller, fields = authenticated(request)
    now = clock.now()
    if not caller.is_confidential:
        spend(PUSHED_REQUESTS, request.address, now=now)
    if "request_uri" in fields:
        raise Refusal.invalid_request("request_uri cannot be pushed.")
    client = rows.of(caller)
    reference = pushed_requests.new_reference()
    asked = _asked(fields, caller, client, now)
    if request.dpop:
        asked = _bound(asked, dpop.prove(request, is_fapi2=caller.metadata.is_fapi2))
    params = pushed_requests.named(asked, reference)
    checks.check_redirect_uri(params, client)
    params = checks.run_checks(params, client)
    pushed_requests.keep(params, caller=caller)
    lifetime = int(pushed_requests.LIFETIME.total_seconds())
    answer = json_answer({"request_uri": reference, "expires_in": lifetime}, status=201)
    answer.headers.extend(dpop.nonce_headers(request))
    return answer


def _bound(params: AuthorizationParams, jkt: str) -> AuthorizationParams:
    """The code will be bound to the key of the proof (RFC 9449 §10.1)."""
    if params.dpop_jkt not in {None, jkt}:
        raise Refusal.invalid_request("dpop_jkt names another key than the proof.")
    return replace(params, dpop_jkt=jkt)


def _asked(
    fields: dict[str, str], caller: MachineClient, client: Client, now: datetime
) -> AuthorizationParams:
    """What is asked for: inside the request object if there is one, else as it was sent (§3)."""
    try:
        inside = sources.signed(
            fields.get("request"), client=client, registered=caller.metadata, now=now
        )
    except Refusal as refusal:
        if refusal.code == "request_not_supported":  # only the authorization endpoint says so
            raise Refusal("invalid_request_object", refusal.detail) from refusal
        raise
    if inside is not None:
        return replace(AuthorizationParams.parse(inside.parameters), once=inside.once)
    return AuthorizationParams.parse(as_parameters(fields | {"client_id": caller.client_id}))
