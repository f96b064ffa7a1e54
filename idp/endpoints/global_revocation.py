"""Global Token Revocation (draft-parecki-oauth-global-token-revocation).

A security tool signs a person out everywhere. The person is named by a subject identifier
(RFC 9493 §3.2) of the formats that mean something here.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from accounts.models import User
from audit.events import Event
from audit.recorder import record
from core import clock, strict_json
from core.errors import Refusal
from core.limits import spend
from idp.clients.authentication import MachineClient, same_client
from idp.endpoints.callers import authenticated_by_header
from idp.limits import GLOBAL_REVOCATIONS
from idp.machine.wire import NO_STORE, Answer, Request
from idp.models import Client
from idp.tokens.subject import user_of
from sessions.flows import sign_out_everywhere
from sessions.models import EndReason

AUTH_METHODS = ("client_secret_basic", "private_key_jwt")
FORMATS = {"email": ("email",), "iss_sub": ("iss", "sub"), "opaque": ("id",)}
MAX_BODY_SIZE_BYTES = 4096
MAX_VALUE_LENGTH = 512


def revoke_globally(request: Request) -> Answer:
    """POST /oauth/global-token-revocation: 204 when nothing of the person is signed in any more.

    For clients that an administrator has let do so, about people of their own organisation;
    others do not exist (404). Asking again is answered alike. Who may not, or names nobody, is
    written down: it has authenticated, and pays for each try.
    """
    client = authenticated_by_header(request)
    if client.token_endpoint_auth_method not in AUTH_METHODS:
        raise Refusal.invalid_client()
    now = clock.now()
    spend(GLOBAL_REVOCATIONS, client.client_id, now=now)
    if not client.metadata.may_sign_people_out:
        refusal = Refusal("unauthorized_client", "This client may not sign people out.", 403)
        raise _noted(refusal, client, now=now)
    named = _subject_identifier(request)
    with transaction.atomic():
        rows = Client.objects.within_id(client.organisation_id).filter(
            pk=client.id, organisation__is_active=True
        )
        same_client(client, rows.values_list("changed_at", flat=True).first())
        user = _find(client, named)
        if user is not None:
            sign_out_everywhere(
                user=user,
                reason=EndReason.ENDED_BY_CLIENT,
                now=now,
                actor=f"idp.Client:{client.id}",
            )
    if user is None:
        raise _noted(Refusal.not_found(), client, now=now, form=named["format"])
    return Answer(204, b"", [*NO_STORE])


def _subject_identifier(request: Request) -> Mapping[str, str]:
    """The one member of the body, with its format and exactly what that needs (RFC 9493 §3)."""
    if request.query:
        raise Refusal.invalid_request("Parameters belong into the body.")
    if request.content_type.partition(";")[0].strip().lower() != "application/json":
        raise Refusal.invalid_request("The body must be application/json.")
    if len(request.body) > MAX_BODY_SIZE_BYTES:
        raise Refusal("invalid_request", "The body is too large.", 413)
    try:
        members = strict_json.parse_object(request.body)
    except ValueError as error:
        raise Refusal.invalid_request("The body is not a plain JSON object.") from error
    named = members.get("sub_id")
    if members.keys() != {"sub_id"} or not isinstance(named, dict):
        raise Refusal.invalid_request("The body has one member, sub_id, which is an object.")
    form = named.get("format")
    if not isinstance(form, str) or form not in FORMATS:
        raise Refusal.invalid_request(f"The format of sub_id is one of {', '.join(FORMATS)}.")
    if named.keys() != {"format", *FORMATS[form]} or not all(map(_is_name, named.values())):
        raise Refusal.invalid_request(f"{form} needs {' and '.join(FORMATS[form])}, and no more.")
    return named


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_VALUE_LENGTH and value.isprintable()


def _find(client: MachineClient, named: Mapping[str, str]) -> User | None:
    people = User.objects.within_id(client.organisation_id)
    if named["format"] == "email":
        return people.filter(email=named["email"].lower()).first()
    if named["format"] == "iss_sub" and named["iss"] != settings.ISSUER:
        return None
    user_id = user_of(client, named["sub"] if named["format"] == "iss_sub" else named["id"])
    return people.filter(pk=user_id).first() if user_id else None


def _noted(
    refusal: Refusal, client: MachineClient, *, now: datetime, form: str | None = None
) -> Refusal:
    """The refusal, once it is written down. Whom the client named is nobody's business."""
    record(
        Event.GLOBAL_REVOCATION_REFUSED,
        organisation_id=client.organisation_id,
        actor=f"idp.Client:{client.id}",
        subject=f"idp.Client:{client.id}",
        now=now,
        error=refusal.code,
        format=form,
    )
    return refusal
