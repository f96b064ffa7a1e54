"""The revocation endpoint (RFC 7009)."""

from datetime import UTC, datetime

from audit import recorder
from audit.events import Event
from core import clock
from core.errors import Refusal
from core.prepared import Cursor
from idp.clients.authentication import MachineClient, demand_params
from idp.endpoints.callers import authenticated
from idp.grants import proof
from idp.machine.wire import Answer, Request
from idp.models.token import RevokeReason
from idp.storage import database
from idp.storage.families import FIND_FAMILY
from idp.storage.tokens import REVOKE_TOKEN
from idp.tokens import refresh_token, verify
from sessions import evaluation


def revoke(request: Request) -> Answer:
    """POST /oauth/revoke (RFC 7009): 200 whether or not there was anything to revoke."""
    client, fields = authenticated(request)
    text = fields.get("token")
    if text is None:
        raise Refusal.invalid_request("token is missing.")
    presented = refresh_token.parse(text)
    with database.unit() as unit:
        if presented is not None:
            _revoke_family(unit.cursor, client, presented)
        else:
            _revoke_access_token(unit.cursor, client, text)
    return Answer(200, b"", [("Cache-Control", "no-store"), ("Content-Length", "0")])


def _revoke_family(
    cursor: Cursor, client: MachineClient, presented: refresh_token.RefreshToken
) -> None:
    params = {
        "family": presented.family_id,
        **demand_params(client),
        **evaluation.fact_params(),
    }
    row = cursor.one(FIND_FAMILY, params)
    if row is None or row["client_id"] != client.id:
        return
    proof.revoke_family(
        cursor,
        presented.family_id,
        RevokeReason.REVOKED_BY_CLIENT,
        actor=f"idp.Client:{client.id}",
    )


def _revoke_access_token(cursor: Cursor, client: MachineClient, text: str) -> None:
    try:
        token_claims = verify.access_token(text)
    except Refusal:
        return
    if token_claims.get("client_id") != client.client_id:
        return
    expires_at = datetime.fromtimestamp(token_claims["exp"], UTC)
    params = {"jti": token_claims["jti"], "expires_at": expires_at}
    if cursor.one(REVOKE_TOKEN, params) is not None:
        recorder.insert(
            cursor,
            Event.TOKEN_REVOKED,
            organisation_id=client.organisation_id,
            actor=f"idp.Client:{client.id}",
            subject=f"idp.Client:{client.id}",
            now=clock.now(),
            facts={"jti": token_claims["jti"]},
        )
