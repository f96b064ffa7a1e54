"""The introspection endpoint (RFC 7662)."""

from core import clock
from core.errors import Refusal
from idp import storage
from idp.client_auth import MachineClient, same_client
from idp.endpoints.callers import authenticated
from idp.endpoints.standing import is_good, row_behind
from idp.tokens import refresh_token, verify
from idp.tokens.mint import token_type
from idp.tokens.subject import subject_of
from idp.wire import Answer, Request, json_answer
from policy.facts import Trigger

INACTIVE = {"active": False}


def introspect(request: Request) -> Answer:
    """POST /oauth/introspect (RFC 7662). For confidential clients of the token's organisation."""
    client, fields = authenticated(request)
    if not client.is_confidential:
        raise Refusal.invalid_client()
    text = fields.get("token")
    if text is None:
        raise Refusal.invalid_request("token is missing.")
    presented = refresh_token.parse(text)
    if presented is not None:
        return _introspect_refresh_token(client, presented)
    try:
        token_claims = verify.access_token(text)
    except Refusal:
        return json_answer(INACTIVE)
    row = row_behind(token_claims, caller=client)
    if (
        row is None
        or row["organisation_id"] != client.organisation_id
        or not is_good(token_claims, row, Trigger.INTROSPECT)
    ):
        return json_answer(INACTIVE)
    same_client(client, row["caller_changed_at"])
    answer = {"active": True, "token_type": token_type(token_claims.get("cnf")), **token_claims}
    if "sid" in token_claims:
        answer["username"] = row["email"]
    return json_answer(answer)


def _introspect_refresh_token(
    client: MachineClient, presented: refresh_token.RefreshToken
) -> Answer:
    """A refresh token is shown only to the client that owns it."""
    row = storage.one(
        storage.FIND_TOKEN,
        {
            "family": presented.family_id,
            "jti": "",
            "caller": client.id,
            "clock_offset": clock.offset(),
        },
    )
    if (
        row is None
        or row["client_id"] != client.id
        or bytes(row["current"]) != presented.digest
        or not is_good({"client_id": client.client_id, "sid": ""}, row, Trigger.INTROSPECT)
    ):
        return json_answer(INACTIVE)
    same_client(client, row["caller_changed_at"])
    return json_answer(
        {
            "active": True,
            "client_id": client.client_id,
            "sub": subject_of(client, row["user_id"]),
            "scope": row["scope"],
            "sid": str(row["session_id"]),
            "exp": int(row["family_expires_at"].timestamp()),
        }
    )
