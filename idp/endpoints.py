"""The machine endpoints: token, introspection, revocation, userinfo. Values in, values out."""

from datetime import UTC, datetime
from typing import Any

from audit import recorder
from audit.events import Event
from core import clock
from core.errors import Refusal
from core.limits import spend
from idp import client_auth, storage
from idp.client_auth import MachineClient, same_client
from idp.grants import proof
from idp.grants.authorization_code import AuthorizationCodeGrant
from idp.grants.client_credentials import ClientCredentialsGrant
from idp.grants.refresh_token import RefreshTokenGrant
from idp.models.token import RevokeReason
from idp.server import Refused, Server, TokenRequest, to_refusal
from idp.storage import Row
from idp.tokens import claims, refresh_token, verify
from idp.wire import Answer, Request, json_answer
from policy.facts import Trigger
from sessions import evaluation
from sessions.evaluation import Resource

server = Server()
server.register_grant(AuthorizationCodeGrant)
server.register_grant(RefreshTokenGrant)
server.register_grant(ClientCredentialsGrant)

GRANT_TYPES = {"authorization_code", "refresh_token", "client_credentials"}
INACTIVE = {"active": False}


def token(request: Request) -> Answer:
    """POST /oauth/token (RFC 6749 §3.2)."""
    fields = _fields(request)
    grant_type = fields.get("grant_type")
    if grant_type is None:
        raise Refusal.invalid_request("grant_type is missing.")
    if grant_type not in GRANT_TYPES:
        raise Refusal.unsupported_grant_type("The grant type is not supported.")
    with storage.unit() as unit:
        work = TokenRequest(request, fields, unit)
        answer: Answer = server.create_token_response(work)
    for trace in work.traces:
        with storage.unit() as unit:
            trace(unit.cursor)
    if answer.status == 401:  # noqa: PLR2004 - invalid_client
        _count_failure(request, fields)
    return answer


def introspect(request: Request) -> Answer:
    """POST /oauth/introspect (RFC 7662). For confidential clients of the token's organisation."""
    client, fields = _authenticated(request)
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
    row = _row_behind(token_claims, caller=client)
    if (
        row is None
        or row["organisation_id"] != client.organisation_id
        or not _is_good(token_claims, row, Trigger.INTROSPECT)
    ):
        return json_answer(INACTIVE)
    same_client(client, row["caller_changed_at"])
    answer = {"active": True, "token_type": "Bearer", **token_claims}
    if "sid" in token_claims:
        answer["username"] = row["email"]
    return json_answer(answer)


def userinfo(request: Request) -> Answer:
    """GET or POST /oauth/userinfo (OpenID Connect Core 1.0 §5.3). The row decides, not the JWT."""
    token_claims = verify.access_token(request.bearer())
    scopes = str(token_claims.get("scope", "")).split()
    if "sid" not in token_claims or "openid" not in scopes:
        raise Refusal.insufficient_scope("openid")
    row = _row_behind(token_claims)
    if row is None or not _is_good(token_claims, row, Trigger.USERINFO):
        raise Refusal.invalid_token("The access token is no longer good.")
    return json_answer(claims.userinfo(row, scopes))


def revoke(request: Request) -> Answer:
    """POST /oauth/revoke (RFC 7009): 200 whether or not there was anything to revoke."""
    client, fields = _authenticated(request)
    text = fields.get("token")
    if text is None:
        raise Refusal.invalid_request("token is missing.")
    presented = refresh_token.parse(text)
    with storage.unit() as unit:
        if presented is not None:
            _revoke_family(unit.cursor, client, presented)
        else:
            _revoke_access_token(unit.cursor, client, text)
    return Answer(200, b"", [("Cache-Control", "no-store"), ("Content-Length", "0")])


def _fields(request: Request) -> dict[str, str]:
    """The form, with Basic credentials judged: one way of client authentication, and readable."""
    fields = request.form()
    basic = client_auth.read_basic(request.authorization) if request.authorization else None
    if request.authorization and basic is None:
        raise Refusal.invalid_client("Use HTTP Basic, or parameters in the body.")
    if basic is not None:
        if "client_secret" in fields:
            raise Refusal.invalid_request("Authenticate in one way only.")
        if fields.setdefault("client_id", basic[0]) != basic[0]:
            raise Refusal.invalid_request("client_id contradicts the Authorization header.")
    return fields


def _authenticated(request: Request) -> tuple[MachineClient, dict[str, str]]:
    fields = _fields(request)
    methods = ["client_secret_basic", "client_secret_post", "none"]
    work = TokenRequest(request, fields, storage.Unit())
    try:
        client: MachineClient = server.authenticate_client(work, methods)
    except Refused:
        raise
    except Exception as error:
        if not hasattr(error, "error"):
            raise
        _count_failure(request, fields)
        raise to_refusal(error) from error
    return client, fields


def _count_failure(request: Request, fields: dict[str, str]) -> None:
    key = f"{fields.get('client_id', '')[:64]}|{request.address}"
    spend(client_auth.FAILURES, key, now=clock.now())


def _row_behind(token_claims: dict[str, Any], caller: MachineClient | None = None) -> Row | None:
    """The rows that an access token stands on, by one statement."""
    stem = claims.stem_of(str(token_claims.get("jti", "")))
    if stem is None:
        return None
    params = {
        "family": stem,
        "client": stem,
        "jti": token_claims["jti"],
        "caller": caller.id if caller else None,
        "clock_offset": clock.offset(),
    }
    query = storage.FIND_TOKEN if "sid" in token_claims else storage.FIND_MACHINE_TOKEN
    return storage.one(query, params)


def _is_good(token_claims: dict[str, Any], row: Row, trigger: Trigger) -> bool:
    if row["is_revoked"] or row["client_name"] != token_claims["client_id"]:
        return False
    if "sid" not in token_claims:
        return bool(row["client_is_active"])
    if row["revoked_at"] is not None or row["family_expires_at"] <= row["now"]:
        return False
    resource = Resource(
        client_is_active=row["client_is_active"], required_level=claims.level_of(row)
    )
    return evaluation.judge(row, trigger=trigger, resource=resource).is_allowed


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
        or not _is_good({"client_id": client.client_id, "sid": ""}, row, Trigger.INTROSPECT)
    ):
        return json_answer(INACTIVE)
    same_client(client, row["caller_changed_at"])
    return json_answer(
        {
            "active": True,
            "client_id": client.client_id,
            "sub": str(row["user_id"]),
            "scope": row["scope"],
            "sid": str(row["session_id"]),
            "exp": int(row["family_expires_at"].timestamp()),
        }
    )


def _revoke_family(
    cursor: storage.Cursor, client: MachineClient, presented: refresh_token.RefreshToken
) -> None:
    row = cursor.one(
        storage.FIND_FAMILY, {"family": presented.family_id, "clock_offset": clock.offset()}
    )
    if row is None or row["client_id"] != client.id:
        return
    proof.revoke_family(
        cursor,
        presented.family_id,
        RevokeReason.REVOKED_BY_CLIENT,
        Event.REFRESH_FAMILY_REVOKED,
    )


def _revoke_access_token(cursor: storage.Cursor, client: MachineClient, text: str) -> None:
    try:
        token_claims = verify.access_token(text)
    except Refusal:
        return
    if token_claims.get("client_id") != client.client_id:
        return
    expires_at = datetime.fromtimestamp(token_claims["exp"], UTC)
    params = {"jti": token_claims["jti"], "expires_at": expires_at}
    if cursor.one(storage.REVOKE_TOKEN, params) is not None:
        recorder.insert(
            cursor,
            Event.TOKEN_REVOKED,
            organisation_id=client.organisation_id,
            actor=f"idp.Client:{client.id}",
            subject=f"idp.Client:{client.id}",
            now=clock.now(),
            facts={"jti": token_claims["jti"]},
        )
