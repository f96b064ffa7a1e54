"""The answer to an authorization request: the address that the browser goes back to.

RFC 6749 §4.1.2, §4.1.2.1; RFC 9207 §2: `iss` goes with every answer, errors too, and comes from
settings, never from the request.
"""

import json
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from audit.events import Event
from audit.recorder import record
from core.errors import Refusal
from core.ids import digest, new_token
from idp import pushed_requests
from idp.authorization import pending as pending_requests
from idp.models import AuthorizationCode, AuthorizationRequest, Client
from idp.requests import AuthorizationParams, with_query
from sessions.models import LoginSession

# RFC 6749 §4.1.2.1: printable ASCII without the double quote and the backslash.
NOT_IN_DESCRIPTION = re.compile(r"[^ !#-\[\]-~]")


@transaction.atomic
def issue_code(
    params: AuthorizationParams,
    *,
    client: Client,
    user: Any,
    session: LoginSession,
    pending: AuthorizationRequest | None,
    now: datetime,
) -> str:
    """Make a one-time code of 256 bits, kept as its digest; returns where the browser goes.

    pending: the stored request, answered hereby; None when nothing had to be asked.
    Refuses CONFLICT when that request was answered already.
    """
    if pending is not None:
        pending_requests.claim(pending)
    pushed_requests.claim(params, client=client)
    code = new_token()
    lifetime: timedelta = settings.AUTHORIZATION_CODE_LIFETIME
    AuthorizationCode.objects.create(
        digest=digest(code),
        organisation_id=client.organisation_id,
        client=client,
        user=user,
        session=session,
        redirect_uri=params.redirect_uri,
        challenge=params.code_challenge or "",
        nonce=params.nonce or "",
        scope=" ".join(params.scope),
        terms=terms_of(params),
        created_at=now,
        expires_at=now + lifetime,
    )
    record(
        Event.CODE_ISSUED,
        organisation_id=client.organisation_id,
        actor=user,
        subject=client,
        session_id=session.id,
        now=now,
        client_id=client.client_id,
        scope=" ".join(params.scope),
    )
    return answer_location(params, code=code)


def terms_of(params: AuthorizationParams) -> dict[str, Any]:
    """What is granted beyond scope, as `RefreshFamily.terms` keeps it; absent unless used."""
    terms: dict[str, Any] = {}
    if params.resource:
        terms["resource"] = list(params.resource)
    if params.authorization_details is not None:
        terms["authorization_details"] = json.loads(params.authorization_details)
    if params.claims is not None:
        terms["claims"] = json.loads(params.claims)
    if params.dpop_jkt is not None:
        terms["dpop_jkt"] = params.dpop_jkt
    return terms


@transaction.atomic
def deny(
    params: AuthorizationParams,
    refusal: Refusal,
    *,
    client: Client,
    user: Any,
    session: LoginSession | None,
    pending: AuthorizationRequest | None,
    reasons: Sequence[str] = (),
    now: datetime,
) -> str:
    """Answer with an error; returns where the browser goes.

    A denial of somebody who is signed in is written to audit. "Please sign in first" is not: it is
    how applications ask quietly, every few minutes, whether somebody is there.
    """
    if pending is not None:
        pending_requests.claim(pending)
    pushed_requests.claim(params, client=client)
    if session is not None and refusal.code == "access_denied":
        record(
            Event.AUTHORIZATION_DENIED,
            organisation_id=client.organisation_id,
            actor=user,
            subject=client,
            session_id=session.id,
            now=now,
            client_id=client.client_id,
            scope=" ".join(params.scope),
            detail=refusal.detail,
            reasons=list(reasons),
        )
    return error_location(params, refusal)


def error_location(params: AuthorizationParams, refusal: Refusal) -> str:
    """Where an error goes once client and redirect_uri are known to be right."""
    description = NOT_IN_DESCRIPTION.sub(" ", refusal.detail)
    return answer_location(params, error=refusal.code, error_description=description)


def answer_location(params: AuthorizationParams, **answer: str) -> str:
    """The registered address as it is, with the answer added to its query."""
    if params.state is not None:
        answer["state"] = params.state
    answer["iss"] = settings.ISSUER
    return with_query(params.redirect_uri, answer)
