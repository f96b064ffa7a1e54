"""The introspection endpoint (RFC 7662), which answers JSON or a signed JWT (RFC 9701)."""

from collections.abc import Mapping
from typing import Any

from core.errors import Refusal
from core.prepared import Row
from idp.clients.authentication import MachineClient, same_client
from idp.clients.elevated import held_of
from idp.endpoints.callers import authenticated
from idp.endpoints.standing import judge, row_behind
from idp.machine.wire import NO_STORE, Answer, Request, json_answer
from idp.storage import database
from idp.storage.tokens import FIND_TOKEN_TO_TELL
from idp.tokens import introspection_answer, mapped_claims, refresh_token, verify
from idp.tokens.introspection_answer import INACTIVE
from idp.tokens.mint import token_type
from idp.tokens.subject import subject_of
from policy.decision import Decision
from policy.facts import Trigger
from sessions import evaluation
from sessions.rights import rights_of


def introspect(request: Request) -> Answer:
    """POST /oauth/introspect (RFC 7662). For confidential clients of the token's organisation."""
    client, fields = authenticated(request)
    if not client.is_confidential:
        raise Refusal.invalid_client()
    text = fields.get("token")
    if text is None:
        raise Refusal.invalid_request("token is missing.")
    presented = refresh_token.parse(text)
    if presented is None:
        told = _of_access_token(client, text)
    else:
        told = _of_refresh_token(client, presented)
    if not introspection_answer.is_wanted(request.accept):
        return json_answer(told)
    signed = introspection_answer.as_jwt(told, client)
    content_type = ("Content-Type", introspection_answer.MEDIA_TYPE)
    return Answer(200, signed.encode(), [content_type, *NO_STORE])


def _of_access_token(client: MachineClient, text: str) -> Mapping[str, Any]:
    try:
        token_claims = verify.access_token(text)
    except Refusal:
        return INACTIVE
    row = row_behind(token_claims, caller=client, statement=FIND_TOKEN_TO_TELL)
    if row is None or row["organisation_id"] != client.organisation_id:
        return INACTIVE
    decision = judge(token_claims, row, Trigger.INTROSPECT)
    if not decision.is_allowed:
        return INACTIVE
    same_client(client, row["caller_changed_at"])
    told = {"active": True, "token_type": token_type(token_claims.get("cnf")), **token_claims}
    told["scope"] = decision.scope_of(token_claims["scope"])
    live = _live_roles(token_claims, row, decision)
    told = mapped_claims.told_now(told, row["claim_mappings"], live)
    if "roles" in token_claims:
        told["roles"] = [role for role in token_claims["roles"] if role in live]
    if "sid" in token_claims:
        told["username"] = row["email"]
    return told


def _live_roles(token_claims: Mapping[str, Any], row: Row, decision: Decision) -> tuple[str, ...]:
    """The roles that whoever the token speaks for holds now: a person, or the client itself."""
    if "sid" not in token_claims:
        return held_of(row, address=None).roles
    return rights_of(row).without(decision.withheld_roles).roles


def _of_refresh_token(
    client: MachineClient, presented: refresh_token.RefreshToken
) -> Mapping[str, Any]:
    """A refresh token is shown only to the client that owns it."""
    row = database.one(
        FIND_TOKEN_TO_TELL,
        {
            "family": presented.family_id,
            "jti": "",
            "caller": client.id,
            **evaluation.fact_params(),
        },
    )
    if row is None or row["client_id"] != client.id or bytes(row["current"]) != presented.digest:
        return INACTIVE
    of_client = {"client_id": client.client_id, "sid": "", "scope": row["scope"]}
    decision = judge(of_client, row, Trigger.INTROSPECT)
    if not decision.is_allowed:
        return INACTIVE
    same_client(client, row["caller_changed_at"])
    return {
        "active": True,
        "client_id": client.client_id,
        "sub": subject_of(client, row["user_id"]),
        "scope": decision.scope_of(row["scope"]),
        "sid": str(row["session_id"]),
        "exp": int(row["family_expires_at"].timestamp()),
    }
