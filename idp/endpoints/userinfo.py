"""The userinfo endpoint (OpenID Connect Core 1.0 §5.3)."""

from core.errors import Refusal
from idp.endpoints.standing import is_good, row_behind
from idp.tokens import claims, userinfo_answer, verify
from idp.wire import NO_STORE, Answer, Request, json_answer
from policy.facts import Trigger


def userinfo(request: Request) -> Answer:
    """GET or POST /oauth/userinfo (OpenID Connect Core 1.0 §5.3). The row decides, not the JWT."""
    token_claims = verify.access_token(request.bearer())
    scopes = str(token_claims.get("scope", "")).split()
    if "sid" not in token_claims or "openid" not in scopes:
        raise Refusal.insufficient_scope("openid")
    row = row_behind(token_claims)
    if row is None or not is_good(token_claims, row, Trigger.USERINFO):
        raise Refusal.invalid_token("The access token is no longer good.")
    told = claims.userinfo(row, scopes, subject=token_claims["sub"])
    if row["userinfo_is_jwt"]:
        text = userinfo_answer.as_jwt(
            told, client_id=token_claims["client_id"], changed_at=row["client_changed_at"]
        )
        return Answer(200, text.encode(), [("Content-Type", "application/jwt"), *NO_STORE])
    return json_answer(told)
