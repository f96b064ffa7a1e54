"""An authorization request on its way through sign-in, step-up and consent.

It is found again by its id and a secret that only the browser holds which brought it; whatever the
pages send back, its values come from the row (libraries know this trap as consent by query string).
"""

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings

from core import clock
from core.errors import Refusal
from core.ids import digest
from idp.authorization import checks
from idp.client_documents.flows import find_client
from idp.models import AuthorizationRequest, Client
from idp.requests.parameters import AuthorizationParams


def save(
    params: AuthorizationParams, *, client: Client, browser: str, now: datetime
) -> AuthorizationRequest:
    """Keep a checked request for half an hour. browser: the secret of the browser's session."""
    lifetime: timedelta = settings.AUTHORIZATION_REQUEST_LIFETIME
    return AuthorizationRequest.objects.create(
        organisation_id=client.organisation_id,
        client=None if client.is_unkept else client,
        browser_digest=digest(browser),
        parameters=params.to_json(),
        created_at=now,
        expires_at=now + lifetime,
    )


def find(request_id: UUID, *, browser: str, address: str, now: datetime) -> AuthorizationRequest:
    """The request of this browser, with its client, even if that has no row yet.

    address: the browser's network address, which pays for what has to be asked of others. Refuses
    NOT_FOUND for another browser's, CONFLICT for one that was answered or has run out, and what the
    client may no longer ask since its registration changed.
    """
    pending = (
        AuthorizationRequest.unscoped.select_related("client__organisation")
        .filter(id=request_id, browser_digest=digest(browser))
        .first()
    )
    if pending is None:
        raise Refusal.not_found("This browser has not begun this sign-in.")
    if pending.used_at is not None:
        raise Refusal.conflict("This sign-in is already finished.")
    if now >= pending.expires_at:
        raise Refusal.conflict("This sign-in took too long and has run out.")
    if pending.client is None:
        asking = params_of(pending).client_id
        pending.client = find_client(asking, asked_by=address, now=now)
    client = pending.client
    if not client.is_active or not client.organisation.is_active:
        raise Refusal("invalid_client", "We do not know this application any more.")
    params = params_of(pending)
    checks.check_redirect_uri(params, client)
    checks.check_response_type(params, client)
    return pending


def params_of(pending: AuthorizationRequest) -> AuthorizationParams:
    return AuthorizationParams.from_json(pending.parameters)


def note_answer(pending: AuthorizationRequest, *prompts: str) -> None:
    """The user has answered these prompts: they are not asked again for this request."""
    params = params_of(pending)
    for prompt in prompts:
        params = params.answered(prompt)
    AuthorizationRequest.objects.within_id(pending.organisation_id).filter(
        id=pending.id, used_at=None
    ).update(parameters=params.to_json())


def claim(pending: AuthorizationRequest) -> None:
    """Take the one answer that this request gets; refuses CONFLICT when somebody was faster.

    One conditional statement by the database's clock, for the transaction of the caller.
    """
    claimed = (
        AuthorizationRequest.objects.within_id(pending.organisation_id)
        .filter(id=pending.id, used_at=None, expires_at__gt=clock.sql_now())
        .update(used_at=clock.sql_now())
    )
    if not claimed:
        raise Refusal.conflict("This sign-in is already finished.")
