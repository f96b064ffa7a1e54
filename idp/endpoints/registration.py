"""Dynamic client registration (RFC 7591) and its management (RFC 7592)."""

from typing import Any

from django.conf import settings

from core import clock, strict_json
from core.errors import Refusal
from core.ids import digest
from core.limits import spend
from idp.dynamic_registration import document, flows, permission
from idp.dynamic_registration.permission import Permission
from idp.limits import REGISTRATION_CALLS, REGISTRATIONS
from idp.machine.wire import NO_STORE, Answer, Request, json_answer
from idp.models import Client

PATH = "/oauth/register"
MANAGED = f"{PATH}/"


def register(request: Request) -> Answer:
    """POST /oauth/register: JSON in, 201 with everything that is registered."""
    now = clock.now()
    spend(REGISTRATIONS, request.address, now=now)
    token_text = ""
    allowed: Permission | None = None
    try:
        if not request.authorization:
            allowed = permission.where_open()
        if allowed is None:
            token_text = request.bearer()
            spend(REGISTRATIONS, digest(token_text).hex(), now=now)
            allowed = permission.by_token(token_text, now=now)
        members = _members(request)
        made = flows.register(members=members, allowed=allowed, now=now)
    except Refusal as refusal:
        if refusal.status in {400, 401}:
            _note_refusal(refusal, token_text, allowed)
        raise
    answer = _answer(made.client, made.registration_token)
    if "software_statement" in members:
        answer["software_statement"] = members["software_statement"]
    if made.secret is not None:
        answer |= {"client_secret": made.secret, "client_secret_expires_at": 0}
    return json_answer(answer, status=201)


def manage(request: Request) -> Answer:
    """GET, PUT and DELETE /oauth/register/<client_id> by the registration access token."""
    now = clock.now()
    spend(REGISTRATION_CALLS, request.address, now=now)
    client_id = request.path.removeprefix(MANAGED)
    client: Client | None = None
    try:
        text = request.bearer()
        client = flows.find_registered(client_id=client_id, registration_token=text)
        if request.method == "DELETE":
            flows.remove(client=client, now=now)
            return Answer(204, b"", [*NO_STORE])
        if request.method == "PUT":
            client = flows.replace(client=client, members=_members(request), now=now)
    except Refusal as refusal:
        if request.authorization and refusal.status in {400, 401}:
            flows.note_refusal(
                refusal,
                now=now,
                organisation=client.organisation if client else None,
                actor=client,
                client_id=client_id,
            )
        raise
    return json_answer(_answer(client, text))


def _members(request: Request) -> dict[str, Any]:
    if request.content_type.partition(";")[0].strip().lower() != "application/json":
        raise Refusal("invalid_client_metadata", "The body must be application/json.")
    try:
        return strict_json.parse_object(request.body)
    except ValueError as error:
        raise Refusal("invalid_client_metadata", "The body is not a plain JSON object.") from error


def _answer(client: Client, registration_token: str) -> dict[str, Any]:
    """RFC 7591 §3.2.1, RFC 7592 §3."""
    return document.write(client) | {
        "registration_client_uri": f"{settings.ISSUER}{MANAGED}{client.client_id}",
        "registration_access_token": registration_token,
    }


def _note_refusal(refusal: Refusal, token_text: str, allowed: Permission | None) -> None:
    """Whoever brings nothing at all leaves no trace; a token, known or not, does."""
    token = permission.find_token(token_text) if token_text else None
    if token is None and not token_text and allowed is None:
        return
    organisation = token.organisation if token else allowed.organisation if allowed else None
    flows.note_refusal(refusal, now=clock.now(), organisation=organisation, actor=token)
