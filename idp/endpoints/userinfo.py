"""The userinfo endpoint (OpenID Connect Core 1.0 §5.3)."""

from core.errors import Refusal
from idp.endpoints import presented
from idp.endpoints.standing import judge, row_behind
from idp.machine import protected_resource
from idp.machine.wire import NO_STORE, Answer, Request, json_answer
from idp.registration.metadata import FAPI2
from idp.tokens import claims, dpop, userinfo_answer, verify
from policy.facts import Trigger
from sessions.rights import rights_of


def userinfo(request: Request) -> Answer:
    """GET or POST /oauth/userinfo (OpenID Connect Core 1.0 §5.3). The row decides, not the JWT."""
    try:
        return _userinfo(request)
    except Refusal as refusal:
        raise protected_resource.pointed(refusal, request) from refusal


def _userinfo(request: Request) -> Answer:
    shown = presented.read(request)
    token_claims = verify.access_token(shown.text)
    scopes = str(token_claims.get("scope", "")).split()
    if "sid" not in token_claims or "openid" not in scopes:
        raise Refusal.insufficient_scope("openid")
    row = row_behind(token_claims)
    decision = None if row is None else judge(token_claims, row, Trigger.USERINFO)
    if row is None or decision is None or not decision.is_allowed:
        raise Refusal.invalid_token("The access token is no longer good.")
    scopes = decision.scope_of(" ".join(scopes)).split()
    if "openid" not in scopes:
        raise Refusal.insufficient_scope("openid")
    is_fapi2 = row["security_profile"] == FAPI2
    presented.check_sender(request, shown, token_claims, is_fapi2=is_fapi2)
    told = claims.userinfo(
        row,
        scopes,
        subject=token_claims["sub"],
        roles=rights_of(row).without(decision.withheld_roles).roles,
    )
    if row["userinfo_is_jwt"]:
        text = userinfo_answer.as_jwt(
            told, client_id=token_claims["client_id"], changed_at=row["client_changed_at"]
        )
        answer = Answer(200, text.encode(), [("Content-Type", "application/jwt"), *NO_STORE])
    else:
        answer = json_answer(told)
    answer.headers.extend(dpop.nonce_headers(request))
    return answer
