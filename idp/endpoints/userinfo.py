"""The userinfo endpoint (OpenID Connect Core 1.0 §5.3)."""

from core.errors import Refusal
from idp.endpoints.standing import is_good, row_behind
from idp.tokens import claims, verify
from idp.wire import Answer, Request, json_answer
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
    return json_answer(claims.userinfo(row, scopes, subject=token_claims["sub"]))
