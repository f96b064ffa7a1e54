"""Judges whatever an OAuth endpoint answers: never a 500, an error of its specification, nothing by half."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

from django.core.cache import cache
from django.db import connection
from django.test import Client as Browser

from tests import cast
from tests.support import oauth

TABLES = (
    "idp_client", "idp_authorizationrequest", "idp_pushedrequest", "idp_authorizationcode",
    "idp_refreshfamily", "idp_consent", "idp_deviceauthorization", "idp_revokedtoken",
    "idp_backchannelauthentication", "idp_pingdelivery",
    "idp_logoutdelivery", "idp_signingkey", "idp_sessions_loginsession", "accounts_user",
)  # fmt: skip
COUNTS = (
    "SELECT "
    + ", ".join(f"(SELECT count(*) FROM {table})" for table in TABLES)
    + ", (SELECT sum(uses_left) FROM idp_initialaccesstoken)"
    + ", (SELECT count(*) FROM idp_authorizationcode WHERE used_at IS NOT NULL)"
    + ", (SELECT sum(generation) FROM idp_refreshfamily)"
    + ", (SELECT count(*) FROM idp_client WHERE is_active)"
)
# RFC 6749 §5.2, §4.1.2.1; RFC 8628 §3.5; RFC 8693 §2.2.2; RFC 8707 §2; RFC 9396 §5; RFC 9449 §5, §8.
AT_THE_TOKEN_ENDPOINT = {
    "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client",
    "unsupported_grant_type", "invalid_scope", "invalid_target", "invalid_dpop_proof",
    "use_dpop_nonce", "invalid_authorization_details", "authorization_pending", "slow_down",
    "access_denied", "expired_token",
}  # fmt: skip
# Also OpenID Connect Core §3.1.2.6; RFC 9101 §6.
AT_THE_AUTHORIZATION_ENDPOINT = {
    "invalid_request", "unauthorized_client", "access_denied", "unsupported_response_type",
    "invalid_scope", "interaction_required", "login_required",
    "account_selection_required", "consent_required", "invalid_request_uri",
    "invalid_request_object", "request_not_supported", "request_uri_not_supported",
    "registration_not_supported", "invalid_target", "invalid_authorization_details",
    "unmet_authentication_requirements", "invalid_dpop_proof", "use_dpop_nonce",
}  # fmt: skip
AT_A_RESOURCE = {  # RFC 6750 §3.1
    "invalid_request", "invalid_token", "insufficient_scope", "invalid_dpop_proof",
    "use_dpop_nonce",
}  # fmt: skip
AT_REGISTRATION = AT_A_RESOURCE | {  # RFC 7591 §3.2.2
    "invalid_redirect_uri", "invalid_client_metadata", "invalid_software_statement",
    "unapproved_software_statement",
}  # fmt: skip
ERRORS = {
    "/oauth/token": AT_THE_TOKEN_ENDPOINT,
    "/oauth/par": AT_THE_AUTHORIZATION_ENDPOINT | {"invalid_client"},
    "/oauth/device_authorization": AT_THE_TOKEN_ENDPOINT,
    "/oauth/bc-authorize": {  # CIBA Core 1.0 §13
        "invalid_request", "invalid_client", "invalid_scope", "invalid_target", "unknown_user_id",
        "invalid_authorization_details", "invalid_binding_message", "unauthorized_client",
    },
    "/oauth/introspect": {"invalid_request", "invalid_client"},
    "/oauth/revoke": {"invalid_request", "invalid_client"},
    "/oauth/userinfo": AT_A_RESOURCE,
    "/oauth/register": AT_REGISTRATION,
    "/oauth/global-token-revocation": {
        "invalid_request", "invalid_client", "unauthorized_client",
    },
}  # fmt: skip


def counts() -> tuple[int, ...]:
    with connection.cursor() as cursor:
        cursor.execute(COUNTS)
        return tuple(cursor.fetchone())


def ask(path: str, body: str, *, method: str = "POST", **environ: Any) -> oauth.Reply:
    """Send it, and judge the answer as a client of any kind would."""
    cache.clear()
    before = counts()
    reply = oauth.send(method, path, form=body, **environ)

    said = (reply.status, reply.body[:300])
    assert reply.status < 500, said
    if reply.status >= 400:
        assert reply.headers["Content-Type"] == "application/json", said
        assert "no-store" in reply.headers["Cache-Control"]
        errors = ERRORS[path if path in ERRORS else "/oauth/register"] | {"not_found"}
        assert set(reply.json) == {"error", "error_description"}
        assert reply.error in errors, said
        assert all(" " <= letter <= "~" for letter in reply.json["error_description"])
        assert counts() == before, f"a refusal has written something: {said}"
    return reply


def visit(
    browser: Browser,
    method: str,
    path: str,
    query: str,
    body: str = "",
    *,
    home: str = cast.REDIRECT_URI,
) -> Any:
    """Open it, and judge the answer: a page of ours, or a way back to a registered address.

    home: the registered address.
    """
    cache.clear()
    before = counts()
    if method == "GET":
        response = browser.get(path, QUERY_STRING=query)
    else:
        response = browser.generic(
            "POST", path, body.encode("latin-1"), QUERY_STRING=query,
            content_type="application/x-www-form-urlencoded",
        )  # fmt: skip
    said = (response.status_code, response.content[:300])
    assert response.status_code < 500, said
    location = response.headers.get("Location", "")
    is_refused = response.status_code >= 400
    if is_refused:
        assert response["Content-Type"].startswith("text/html"), said
        assert not location
    elif location and not location.startswith("/"):
        assert location.startswith((f"{home}?", f"{home}#")), location
        parts = urlsplit(location)
        values = dict(parse_qsl(parts.query or parts.fragment))
        if "response" in values:
            values = oauth.claims_of(values["response"])
        assert values["iss"] == "http://localhost:8000"
        is_refused = "error" in values
        assert values.get("error", "access_denied") in AT_THE_AUTHORIZATION_ENDPOINT, values
    if is_refused:
        assert counts() == before, f"a refusal has written something: {said}"
    return response
