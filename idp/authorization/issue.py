"""The answer to an authorization request: a code, tokens or an error.

RFC 6749 §4.1.2, §4.1.2.1; OpenID Connect Core 1.0 §3.2.2.5, §3.3.2.5. How it travels is said by
`reply.py`.
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
from core.assurance import Level
from core.errors import Refusal
from core.ids import digest, new_token
from idp import keys
from idp.authorization import front_channel, reply, session_state
from idp.authorization import pending as pending_requests
from idp.authorization.reply import Reply
from idp.models import AuthorizationCode, AuthorizationRequest, Client, Consent
from idp.requests import pushed_requests, request_objects
from idp.requests.parameters import AuthorizationParams
from sessions.models import LoginSession

# RFC 6749 §4.1.2.1: printable ASCII without the double quote and the backslash.
NOT_IN_DESCRIPTION = re.compile(r"[^ !#-\[\]-~]")
WRITTEN_DOWN = frozenset({"access_denied", "unmet_authentication_requirements"})


def issue(
    params: AuthorizationParams,
    *,
    client: Client,
    user: Any,
    session: LoginSession,
    pending: AuthorizationRequest | None,
    now: datetime,
) -> Reply:
    """Answer with what the response_type names.

    pending: the stored request, answered hereby; None when nothing had to be asked.
    Refuses CONFLICT when that request was answered already.
    """
    if reply.has_tokens(params):
        keys.signing_key(client.signing_alg)  # made before the transaction begins, if at all
        front_channel.ask_for_keys(client)
    try:
        values = _issue(params, client=client, user=user, session=session, pending=pending, now=now)
    except front_channel.SessionRefused as refused:
        return deny(
            params,
            Refusal.access_denied("The sign-in does not meet this server's policy."),
            client=client,
            user=user,
            session=session,
            pending=pending,
            reasons=refused.reasons,
            now=now,
        )
    values |= session_state.parameters(params, client_id=client.client_id, session_id=session.id)
    return reply.make(params, values, client=client, now=now)


@transaction.atomic
def _issue(
    params: AuthorizationParams,
    *,
    client: Client,
    user: Any,
    session: LoginSession,
    pending: AuthorizationRequest | None,
    now: datetime,
) -> dict[str, str]:
    if pending is not None:
        pending_requests.claim(pending)
    pushed_requests.claim(params, client=client)
    request_objects.claim(params)
    values: dict[str, str] = {}
    if "code" in params.response_words:
        values["code"] = _issue_code(params, client=client, user=user, session=session, now=now)
    if reply.has_tokens(params):
        values |= front_channel.issue_tokens(
            params,
            client=client,
            user=user,
            session=session,
            code=values.get("code"),
            terms=terms_of(params, session.level),
            now=now,
        )
    _hold_consent(params, client=client, user=user)
    return values


def _hold_consent(params: AuthorizationParams, *, client: Client, user: Any) -> None:
    """Let nobody withdraw what this answer rests on before it stands; raises SessionRefused.

    Asked last, so that a withdrawal after this finds what was issued.
    """
    if client.is_first_party:
        return
    rows = Consent.objects.within_id(client.organisation_id).select_for_update(no_key=True)
    agreed = rows.filter(user=user, client=client, revoked_at=None).values_list("scopes", flat=True)
    if not set(params.consent_scopes) <= set(agreed.first() or ()):
        raise front_channel.SessionRefused(("consent_withdrawn",))


def _issue_code(
    params: AuthorizationParams, *, client: Client, user: Any, session: LoginSession, now: datetime
) -> str:
    """Make a one-time code of 256 bits, kept as its digest."""
    code, terms = new_token(), terms_of(params, session.level)
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
        terms=terms,
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
        **_named(terms),
    )
    return code


def _named(terms: dict[str, Any]) -> dict[str, Any]:
    """What audit says of the terms: which APIs, and which types of details; not what these say."""
    facts: dict[str, Any] = {}
    if "resource" in terms:
        facts["resource"] = terms["resource"]
    if "authorization_details" in terms:
        types = [detail["type"] for detail in terms["authorization_details"]]
        facts["authorization_details_types"] = list(dict.fromkeys(types))
    return facts


def terms_of(params: AuthorizationParams, level: Level) -> dict[str, Any]:
    """What is granted beyond scope, as `RefreshFamily.terms` keeps it; absent unless used.

    level: of the session. Of the `acr` values that were demanded or wished for, the first that it
    meets is what tokens will say.
    """
    terms: dict[str, Any] = {}
    asked = (*params.required_acr, *params.acr_values)
    met = [acr for acr in asked if Level.NONE < Level.from_acr(acr) <= level]
    if met:
        terms["acr"] = met[0]
    if params.resource:
        terms["resource"] = list(params.resource)
    if params.authorization_details is not None:
        terms["authorization_details"] = json.loads(params.authorization_details)
    if params.claims is not None:
        terms["claims"] = json.loads(params.claims)
    if params.dpop_jkt is not None:
        terms["dpop_jkt"] = params.dpop_jkt
    return terms


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
) -> Reply:
    """Answer with an error.

    A denial of somebody who is signed in is written to audit. "Please sign in first" is not: it is
    how applications ask quietly, every few minutes, whether somebody is there.
    """
    with transaction.atomic():
        if pending is not None:
            pending_requests.claim(pending)
        pushed_requests.claim(params, client=client)
        request_objects.claim(params)
        if session is not None and refusal.code in WRITTEN_DOWN:
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
    return error(params, refusal, client=client, now=now)


def error(params: AuthorizationParams, refusal: Refusal, *, client: Client, now: datetime) -> Reply:
    """An error for the client, once it and its redirect_uri are known to be right."""
    description = NOT_IN_DESCRIPTION.sub(" ", refusal.detail)
    values = {"error": refusal.code, "error_description": description}
    return reply.make(params, values, client=client, now=now)
