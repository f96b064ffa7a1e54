"""Tokens that the authorization endpoint gives out itself: hybrid and implicit flow.

OpenID Connect Core 1.0 §3.2.2, §3.3.2. Only for clients that have registered such a response type.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import orjson
from django.conf import settings

from audit.events import Event
from audit.recorder import record
from core.ids import digest, new_id, new_token
from core.prepared import Row
from idp.clients import authentication
from idp.clients.authentication import MachineClient, StaleClient, same_client
from idp.grants import proof
from idp.grants.wanted import Wanted
from idp.models import Client, RefreshFamily
from idp.requests.parameters import AuthorizationParams
from idp.storage import database
from idp.storage.tokens import FIND_SESSION
from idp.tokens import claims, standard_claims
from idp.tokens.encryption import id_token_recipient
from idp.tokens.mint import mint_at_front
from policy.facts import Trigger
from sessions import evaluation
from sessions.models import LoginSession


class SessionRefused(Exception):  # noqa: N818 - carries an answer
    """Policy, or by now its user, does not let this session have an answer."""

    def __init__(self, reasons: tuple[str, ...]) -> None:
        super().__init__()
        self.reasons = reasons


def ask_for_keys(client: Client) -> None:
    """Whatever the client's own keys are needed for is asked for before the transaction begins."""
    machine = authentication.find_client(client.client_id)
    if machine is not None:
        id_token_recipient(machine)


def issue_tokens(
    params: AuthorizationParams,
    *,
    client: Client,
    user: Any,
    session: LoginSession,
    code: str | None,
    terms: Mapping[str, Any],
    now: datetime,
) -> dict[str, str]:
    """The tokens that response_type names, judged as the token endpoint does.

    An access token stands on a family of its own without refresh tokens, so that whatever ends
    those ends it. For the transaction of the caller; raises SessionRefused.
    """
    lifetime: timedelta = settings.ACCESS_TOKEN_LIFETIME
    scope = " ".join(params.scope)
    family = new_id()
    query = {
        "family": family,
        "client": client.id,
        "session": session.id,
        "scope": scope,
        "terms": orjson.dumps(terms).decode(),
        "lifetime": lifetime,
        **evaluation.fact_params(),
    }
    row = database.one(FIND_SESSION, query)
    if row is None:
        raise SessionRefused(("session_gone",))
    machine = _same_client(client, row)
    resource = claims.resource_of(row)
    decision = evaluation.judge(row, trigger=Trigger.TOKEN, resource=resource)
    if not decision.is_allowed:
        raise SessionRefused(decision.reasons)
    words = params.response_words
    if "token" in words:
        RefreshFamily.objects.create(
            id=family,
            organisation_id=client.organisation_id,
            client=client,
            user=user,
            session=session,
            scope=scope,
            terms=terms,
            issues_refresh=False,
            current=digest(new_token()),  # of a token that nobody has
            created_at=now,
            expires_at=row["family_expires_at"],
        )
    authorization = proof.authorize(
        machine,
        row,
        decision=decision,
        scope=scope,
        wanted=_granted(terms),
        cnf=None,
        nonce=params.nonce or "",
    )
    if words == {"id_token"}:  # there is no userinfo without an access token (Core §5.4)
        person = standard_claims.of_row(
            row, standard_claims.names_of(params.scope), roles=authorization.roles or ()
        )
        authorization = authorization._replace(person={**person, **(authorization.person or {})})
    record(
        Event.TOKEN_ISSUED,
        organisation_id=client.organisation_id,
        actor=user,
        subject=client,
        session_id=session.id,
        now=now,
        grant_type="implicit",
        response_type=params.response_type,
        scope=decision.scope_of(scope),
        family=str(family) if "token" in words else None,
        withheld=sorted(decision.withheld_scopes | decision.withheld_roles),
    )
    return mint_at_front(authorization, words=words, code=code)


def _granted(terms: Mapping[str, Any]) -> Wanted:
    return Wanted(tuple(terms.get("resource", ())), tuple(terms.get("authorization_details", ())))


def _same_client(client: Client, row: Row) -> MachineClient:
    """The client as the token endpoint knows it, and no older than its row."""
    for _ in range(2):
        machine = authentication.find_client(client.client_id)
        if machine is None:
            break
        try:
            same_client(machine, row["client_changed_at"])
        except StaleClient:
            continue
        return machine
    raise SessionRefused(("client_changed",))
