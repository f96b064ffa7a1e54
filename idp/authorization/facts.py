"""What is known about the browser that an authorization request came from."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from core.assurance import Level
from idp.authorization.next_step import (
    Agreement,
    SignedIn,
    Step,
    next_step,
    preferred_level,
    required_level,
)
from idp.models import Client, Consent
from idp.requests.parameters import AuthorizationParams
from idp.tokens.subject import subject_of
from mfa.flows import strongest_level
from policy.decision import Decision
from policy.facts import Trigger
from sessions import evaluation
from sessions.evaluation import Resource
from sessions.models import LoginSession


@dataclass(frozen=True)
class Standing:
    """The facts of one look, and the step that follows from them."""

    step: Step
    decision: Decision | None
    agreed_scopes: frozenset[str]


def look(
    params: AuthorizationParams,
    *,
    client: Client,
    user: Any,
    session: LoginSession | None,
    asked_at: datetime,
    now: datetime,
) -> Standing:
    """Judge the session for this client, and decide what comes next.

    user, session: of this browser; session is None when nobody is signed in. At most three
    statements, none for a stranger.
    """
    if session is None:
        agreement = Agreement(client.is_first_party)
        step = next_step(params, None, None, agreement, asked_at=asked_at)
        return Standing(step, None, frozenset())
    decision = evaluation.evaluate(
        session_id=session.id,
        trigger=Trigger.AUTHORIZE,
        resource=Resource(
            client_is_active=client.is_active,
            required_level=client.required_level,
            max_age=_max_age(params, session, asked_at),
            client_name=client.client_id,
            required_tier=client.required_tier,
            scope_tiers=client.scope_tiers,
        ),
        now=now,
    )
    signed_in = SignedIn(
        subject=subject_of(client, session.user_id),
        is_of_organisation=session.organisation_id == client.organisation_id,
        level=session.level,
        reachable=_reachable(params, session, user),
        auth_time=session.auth_time,
    )
    agreement = Agreement(client.is_first_party, _agreed_scopes(client, session))
    step = next_step(params, signed_in, decision, agreement, asked_at=asked_at)
    return Standing(step, decision, agreement.scopes)


def _max_age(
    params: AuthorizationParams, session: LoginSession, asked_at: datetime
) -> timedelta | None:
    """A sign-in since the request arrived is recent enough, or max_age=0 would ask for ever."""
    seconds = params.max_age_seconds
    if seconds is None or session.auth_time >= asked_at:
        return None
    return timedelta(seconds=seconds)


def _reachable(params: AuthorizationParams, session: LoginSession, user: Any) -> Level:
    if max(preferred_level(params), required_level(params)) <= session.level:
        return session.level
    return strongest_level(user)


def _agreed_scopes(client: Client, session: LoginSession) -> frozenset[str]:
    if client.is_first_party or session.organisation_id != client.organisation_id:
        return frozenset()
    scopes = (
        Consent.objects.within_id(client.organisation_id)
        .filter(user_id=session.user_id, client=client, revoked_at=None)
        .values_list("scopes", flat=True)
        .first()
    )
    return frozenset(scopes or ())
