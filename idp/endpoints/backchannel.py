"""The backchannel authentication endpoint (CIBA Core 1.0 §7)."""

import json
import re
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.http import QueryDict

from accounts.models import User
from audit.events import Event
from core import clock
from core.assurance import Level
from core.errors import Refusal
from core.limits import spend
from idp import backchannel, polled_requests
from idp.backchannel import Wanted
from idp.clients import rows
from idp.clients.assertions import claim_jti
from idp.clients.authentication import MachineClient
from idp.endpoints.callers import as_parameters, authenticated
from idp.limits import BACKCHANNEL_AUTHENTICATIONS
from idp.machine.wire import Answer, Request, json_answer
from idp.models import Client
from idp.models.client import CIBA
from idp.registration.backchannel import PING
from idp.registration.metadata import ClientMetadata
from idp.requests import authorization_details, request_objects, resources
from idp.requests.parameters import BACKCHANNEL, BackchannelParams
from idp.tokens import subject, verify
from sessions.models import LoginSession

MAX_BINDING_MESSAGE_LENGTH = 64
MIN_LIFETIME, MAX_LIFETIME = timedelta(seconds=10), timedelta(minutes=30)
EXPIRY = re.compile(r"[0-9]{1,9}")
# RFC 6750 §2.1. 22 letters of base64 are 132 bits; CIBA Core 1.0 §7.1 wants 128.
NOTIFICATION_TOKEN = re.compile(r"(?=.{22,1024}$)[A-Za-z0-9\-._~+/]+=*")


def authenticate_backchannel(request: Request) -> Answer:
    """POST /oauth/bc-authorize, for confidential clients that are registered for the grant type."""
    caller, fields = authenticated(request)
    if not (caller.check_grant_type(CIBA) and caller.is_confidential):
        raise Refusal.unauthorized_client("The client may not use this grant type.")
    now = clock.now()
    spend(BACKCHANNEL_AUTHENTICATIONS, caller.client_id, now=now)
    client = rows.read(caller)
    params = BackchannelParams.parse(_parameters(request, fields, caller, now))
    wanted = Wanted(
        scope=_scope(params, client),
        terms=_terms(params, caller),
        notification_token=_notification_token(params, caller),
        binding_message=_binding_message(params),
        lifetime=_lifetime(params),
        acr_values=[
            acr
            for acr in params.acr_values or caller.metadata.default_acr_values
            if Level.from_acr(acr) is not Level.NONE
        ],
        person=_person(params, client),
        address=request.address,
        user_agent=request.user_agent,
    )
    auth_req_id = backchannel.start(wanted, client=client, now=now)
    return json_answer(
        {
            "auth_req_id": auth_req_id,
            "expires_in": int(wanted.lifetime.total_seconds()),
            "interval": polled_requests.INTERVAL_SECONDS,
        }
    )


def _parameters(
    request: Request, fields: dict[str, str], caller: MachineClient, now: datetime
) -> QueryDict:
    """What is asked for: inside the signed request if there is one, else as sent (§7.1.1)."""
    registered = caller.metadata
    text = fields.get("request")
    if "request_uri" in fields:
        raise Refusal.invalid_request("Requests by reference do not exist here.")
    if text is None:
        if (
            registered.is_fapi2
            or registered.require_signed_request_object
            or registered.backchannel_authentication_request_signing_alg
        ):
            raise Refusal.invalid_request("This client must sign its requests.")
        return as_parameters(fields)
    if fields.keys() & {*BACKCHANNEL}:
        raise Refusal.invalid_request("With a signed request, all parameters are inside of it.")
    try:
        signed = request_objects.read_backchannel(
            text, client_id=caller.client_id, registered=registered, now=now
        )
    except Refusal as refusal:  # CIBA Core 1.0 §13 has no error of its own for it
        raise Refusal.invalid_request(refusal.detail) from refusal
    if not claim_jti(
        caller,
        request,
        signed.jti,
        signed.expires_at,
        event=Event.REQUEST_OBJECT_REPLAYED,
        kind="backchannel|",
    ):
        raise Refusal.invalid_request("The signed request was used before.")
    return signed.parameters


def _scope(params: BackchannelParams, client: Client) -> str:
    if "openid" not in params.scope:
        raise Refusal.invalid_scope("scope must hold openid.")
    if not set(params.scope) <= set(client.scopes):
        raise Refusal.invalid_scope("A scope is unknown, or not one that this client may ask for.")
    return " ".join(params.scope)


def _terms(params: BackchannelParams, caller: MachineClient) -> dict[str, Any]:
    """What is asked for beyond scope, as `RefreshFamily.terms` keeps it."""
    registered = caller.metadata
    terms: dict[str, Any] = {}
    if params.resource:
        resources.check(params.resource, registered=registered.resources, audience=caller.audience)
        terms["resource"] = list(params.resource)
    if params.authorization_details is not None:
        types = registered.authorization_details_types
        authorization_details.parse(params.authorization_details, types=types)
        terms["authorization_details"] = json.loads(params.authorization_details)
    return terms


def _notification_token(params: BackchannelParams, caller: MachineClient) -> str:
    """Required for ping, without a meaning for poll (§7.1)."""
    if caller.metadata.backchannel_token_delivery_mode != PING:
        return ""
    token = params.client_notification_token or ""
    if not NOTIFICATION_TOKEN.fullmatch(token):
        raise Refusal.invalid_request(
            "client_notification_token is a bearer token of 22 to 1024 characters."
        )
    return token


def _binding_message(params: BackchannelParams) -> str:
    message = params.binding_message
    if len(message) > MAX_BINDING_MESSAGE_LENGTH or not message.isprintable():
        raise Refusal(
            "invalid_binding_message",
            f"binding_message is at most {MAX_BINDING_MESSAGE_LENGTH} characters that can be seen.",
        )
    return message


def _lifetime(params: BackchannelParams) -> timedelta:
    """As it was asked for, within bounds; a number or a text of digits (§7.1)."""
    asked = params.requested_expiry
    if asked is None:
        return polled_requests.LIFETIME
    if not EXPIRY.fullmatch(asked) or int(asked) == 0:
        raise Refusal.invalid_request("requested_expiry is a positive number of seconds.")
    return min(max(timedelta(seconds=int(asked)), MIN_LIFETIME), MAX_LIFETIME)


def _person(params: BackchannelParams, client: Client) -> User:
    """Whom exactly one hint names, among the people of the client's own organisation.

    Refuses UNKNOWN_USER_ID: the same for nobody and for anybody of another organisation.
    """
    if params.login_hint_token is not None:
        raise Refusal.invalid_request("login_hint_token is not supported.")
    if (params.login_hint is None) == (params.id_token_hint is None):
        raise Refusal.invalid_request("Exactly one of login_hint and id_token_hint is needed.")
    people = User.objects.within_id(client.organisation_id).filter(is_active=True)
    if params.login_hint is not None:
        found = people.filter(email=params.login_hint.strip().lower()).first()
    else:
        user_id = _hinted_user(params.id_token_hint or "", client)
        found = people.filter(pk=user_id).first() if user_id is not None else None
    if found is None:
        raise Refusal("unknown_user_id", "We do not know this person.")
    return found


def _hinted_user(text: str, client: Client) -> UUID | None:
    """Whom an ID token of ours names; it may be expired, but not made for another client.

    A pairwise `sub` leads to nobody: the person is that of its session, if that is still known.
    """
    claims = verify.id_token_hint(text)
    audience = claims.get("aud")
    if client.client_id not in (audience if isinstance(audience, list) else [audience]):
        raise Refusal.invalid_request("The id_token_hint was made for another client.")
    if ClientMetadata.from_json(client.metadata).subject_type != subject.PAIRWISE:
        return _id(claims.get("sub"))
    session_id = _id(claims.get("sid"))
    if session_id is None:
        return None
    sessions = LoginSession.objects.within_id(client.organisation_id)
    session = sessions.filter(id=session_id).first()
    if session is None or subject.subject_of(client, session.user_id) != claims.get("sub"):
        return None
    user_id: UUID = session.user_id
    return user_id


def _id(value: Any) -> UUID | None:
    try:
        return UUID(str(value))
    except ValueError:
        return None
