"""Whatever is sent to an OAuth endpoint: never a 500, an error of its specification, nothing by half."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client as Browser
from hypothesis import given
from hypothesis import strategies as st

from idp.models import BackchannelAuthentication, Client
from idp.models.client import DEVICE_CODE, TOKEN_EXCHANGE
from idp.requests import BACKCHANNEL
from tests import cast
from tests.cast import Person
from tests.support import assertions, ciba, device, dpop, exchange, oauth, request_objects
from tests.support.authorize import parameters
from tests.support.hostile import (
    ODD_JSON,
    Change,
    body_of,
    bounded,
    changed,
    changed_members,
    changes,
    headers,
    jose,
    json_values,
    texts,
)
from tests.support.registering import initial_token
from tests.support.registering import register as register_with

pytestmark = pytest.mark.django_db

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


@pytest.fixture
def app(acme: Any) -> Client:
    """A client that may do everything."""
    return cast.client(
        "acme-web",
        acme,
        is_first_party=True,
        grant_types=[
            "authorization_code", "refresh_token", "client_credentials", DEVICE_CODE,
            TOKEN_EXCHANGE,
        ],
        scopes=["openid", "profile", "email", "roles", "offline_access", "reports"],
        audience=exchange.LEDGER,
        metadata={
            "jwks": request_objects.jwks(), "resources": [exchange.ARCHIVE],
            "authorization_details_types": ["payment"],
        },
    )  # fmt: skip


@pytest.fixture
def person(client: Browser, employee: cast.Person) -> Any:
    return cast.sign_in(client, employee)


@pytest.fixture
def asks(app: Client, person: Any, client: Browser) -> dict[str, Callable[[], dict[str, str]]]:
    """What makes a good form for each endpoint and grant type, by name."""
    tokens = oauth.redeem(app, oauth.issue_code(app, person)).json
    codes = device.start(app).json
    pushed = {name: str(value) for name, value in parameters(app).items()}
    return {
        "code": lambda: {
            "grant_type": "authorization_code",
            "code": oauth.issue_code(app, person),
            "redirect_uri": cast.REDIRECT_URI,
            "code_verifier": oauth.VERIFIER,
        },
        "refresh": lambda: {
            "grant_type": "refresh_token",
            "refresh_token": oauth.redeem(app, oauth.issue_code(app, person)).json["refresh_token"],
            "scope": "openid",
        },
        "client": lambda: {"grant_type": "client_credentials", "scope": "reports"},
        "device": lambda: {"grant_type": DEVICE_CODE, "device_code": codes["device_code"]},
        "exchange": lambda: {
            "grant_type": TOKEN_EXCHANGE,
            "subject_token": tokens["access_token"],
            "subject_token_type": exchange.ACCESS_TOKEN,
            "resource": exchange.ARCHIVE,
        },
        "push": lambda: pushed,
        "start": lambda: {"scope": "openid profile"},
        "introspect": lambda: {"token": tokens["access_token"], "token_type_hint": "access_token"},
        "revoke": lambda: {"token": tokens["access_token"], "token_type_hint": "access_token"},
    }


PATHS = {
    "push": "/oauth/par", "start": "/oauth/device_authorization",
    "introspect": "/oauth/introspect", "revoke": "/oauth/revoke",
}  # fmt: skip
OF_THE_CLIENT = ["client_id", "client_secret", "client_assertion", "client_assertion_type"]
AT_AUTHORIZE = [
    "client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce",
    "code_challenge", "code_challenge_method", "prompt", "max_age", "acr_values", "id_token_hint",
    "login_hint", "request", "request_uri", "claims", "resource", "authorization_details",
    "dpop_jkt", "ui_locales", "display",
]  # fmt: skip
NAMES = {
    "code": ["grant_type", "code", "redirect_uri", "code_verifier", "resource", *OF_THE_CLIENT],
    "refresh": ["grant_type", "refresh_token", "scope", "authorization_details", *OF_THE_CLIENT],
    "client": ["grant_type", "scope", "resource", "authorization_details", *OF_THE_CLIENT],
    "device": ["grant_type", "device_code", "scope", *OF_THE_CLIENT],
    "exchange": [
        "grant_type", "subject_token", "subject_token_type", "actor_token", "actor_token_type",
        "requested_token_type", "scope", "resource", "audience",
    ],
    "push": [*AT_AUTHORIZE, *OF_THE_CLIENT],
    "start": ["scope", *OF_THE_CLIENT],
    "introspect": ["token", "token_type_hint", *OF_THE_CLIENT],
    "revoke": ["token", "token_type_hint", *OF_THE_CLIENT],
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_no_form_breaks_a_machine_endpoint(name: str, app: Client, asks: Any) -> None:
    @bounded(60)
    @given(changes(NAMES[name], texts))
    def attempt(wanted: list[Change]) -> None:
        body = body_of(changed(asks[name](), wanted))
        ask(PATHS.get(name, "/oauth/token"), body, authorization=oauth.basic(app.client_id))

    attempt()


latin = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=40)


@pytest.mark.parametrize("name", ["code", "client", "push"])
def test_nor_does_anything_around_the_form(name: str, app: Client, asks: Any) -> None:
    @bounded(60)
    @given(
        st.fixed_dictionaries(
            {},
            optional={
                "authorization": latin
                | latin.map(lambda text: f"Basic {text}")
                | st.sampled_from(
                    ["Basic", "Basic Og==", "Basic " + "A" * 60_000, "Bearer x", "Basic /w=="]
                ),
                "query": latin | st.just("client_id=acme-web"),
                "content_type": latin
                | st.sampled_from(
                    ["", "application/json", "multipart/form-data; boundary=x",
                     "application/x-www-form-urlencoded; charset=utf-7"]
                ),
                "method": st.sampled_from(["GET", "PUT", "DELETE", "PATCH", "TRACE", "X", "HEAD"]),
                "HTTP_DPOP": latin | jose(),
                "HTTP_HOST": latin,
                "HTTP_X_FORWARDED_FOR": latin,
                "HTTP_USER_AGENT": latin,
                "REMOTE_ADDR": latin,
                "CONTENT_LENGTH": st.sampled_from(["", "-1", "x", "1e3", "0", "99999999999", "5"]),
            },
        ),
        st.none() | latin | st.binary(max_size=60).map(lambda raw: raw.decode("latin-1")),
    )  # fmt: skip
    def attempt(around: dict[str, Any], body: str | None) -> None:
        text = body_of(changed(asks[name](), [])) if body is None else body
        ask(
            PATHS.get(name, "/oauth/token"),
            text,
            **({"authorization": oauth.basic(app.client_id)} | around),
        )

    attempt()


CLAIMS = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"]


def test_nor_does_a_request_object_that_its_client_has_signed(app: Client) -> None:
    @bounded(100)
    @given(changes([*AT_AUTHORIZE, *CLAIMS], json_values | texts), headers, st.booleans())
    def attempt(wanted: list[Change], header: dict[str, Any], is_plain: bool) -> None:
        inside = changed_members(request_objects.claims(app), wanted)
        head = {} if is_plain else {n: v for n, v in header.items() if n not in {"alg", "b64"}}
        form = {"request": request_objects.sign(inside, header=head)}
        ask("/oauth/par", body_of(list(form.items())), authorization=oauth.basic(app.client_id))

    attempt()


@pytest.mark.parametrize("is_signed", [False, True], ids=["plain", "signed"])
def test_nor_does_a_backchannel_request(acme: Any, employee: Person, is_signed: bool) -> None:
    metadata = {"authorization_details_types": ["payment"], "resources": [exchange.ARCHIVE]}
    bank = ciba.asker(acme, metadata=metadata | ({"jwks": request_objects.jwks()}))

    @bounded(100)
    @given(changes([*BACKCHANNEL, *(CLAIMS if is_signed else ())], json_values | texts), headers)
    def attempt(wanted: list[Change], header: dict[str, Any]) -> None:
        BackchannelAuthentication.unscoped.all().delete()  # or the person is asked too often
        inside = changed_members(ciba.claims(bank), wanted)
        if is_signed:
            head = {n: v for n, v in header.items() if n not in {"alg", "b64"}}
            inside = {"request": request_objects.sign(inside, header=head)}
        form = [(name, str(value)) for name, value in inside.items()]
        ask(ciba.PATH, body_of(form), authorization=oauth.basic(bank.client_id))

    attempt()


def test_nor_does_an_assertion_that_its_client_has_signed(acme: Any) -> None:
    assertions.client(acme)

    @bounded(100)
    @given(changes(CLAIMS, json_values | texts), headers, st.booleans())
    def attempt(wanted: list[Change], header: dict[str, Any], is_plain: bool) -> None:
        inside = changed_members(assertions.claims(), wanted)
        head = {} if is_plain else {n: v for n, v in header.items() if n not in {"alg", "b64"}}
        signed = request_objects.sign(inside, by=assertions.ec_key(), header={"typ": None, **head})
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": assertions.TYPE,
            "client_assertion": signed,
        }
        ask("/oauth/token", body_of(list(form.items())))

    attempt()


def test_nor_does_a_proof_that_its_key_has_signed(app: Client, person: Any) -> None:
    key = dpop.new_key()
    bound = dpop.redeem(app, oauth.issue_code(app, person), dpop.proof(key)).json["access_token"]
    parts = ["htm", "htu", "iat", "jti", "nonce", "ath", "exp", "nbf"]

    @bounded(100)
    @given(changes(parts, json_values | texts), headers, st.booleans(), st.booleans())
    def attempt(
        wanted: list[Change], header: dict[str, Any], is_plain: bool, is_at_userinfo: bool
    ) -> None:
        claims = changed_members({}, [w for w in wanted if w[0] == "set"])
        head = {} if is_plain else header
        if is_at_userinfo:
            shown = dpop.proof(
                key, method="GET", path=dpop.USERINFO, token=bound, header=head, **claims
            )
            ask("/oauth/userinfo", "", method="GET", authorization=f"DPoP {bound}", HTTP_DPOP=shown)
        else:
            form = {"grant_type": "client_credentials", "scope": "reports"}
            ask(
                "/oauth/token",
                body_of(list(form.items())),
                authorization=oauth.basic(app.client_id),
                HTTP_DPOP=dpop.proof(key, header=head, **claims),
            )

    attempt()


def test_nor_does_any_access_token(app: Client, person: Any) -> None:
    good = oauth.redeem(app, oauth.issue_code(app, person)).json["access_token"]
    places = st.sampled_from(["Bearer ", "bearer ", "DPoP ", "Basic ", "", "form", "query"])
    tokens = latin | jose() | st.just(good) | st.integers(0, len(good)).map(lambda end: good[:end])

    @bounded(80)
    @given(places, tokens, st.sampled_from(["GET", "POST"]))
    def attempt(place: str, text: str, method: str) -> None:
        environ: dict[str, Any] = {"authorization": f"{place}{text}"}
        form = urlencode({"access_token": text})
        if place in {"form", "query"}:
            environ = {"query": form} if place == "query" else {}
        ask("/oauth/userinfo", form if place == "form" else "", method=method, **environ)

    attempt()


MEMBERS = [
    "redirect_uris", "response_types", "grant_types", "application_type", "contacts", "client_name",
    "logo_uri", "client_uri", "policy_uri", "tos_uri", "jwks_uri", "jwks", "sector_identifier_uri",
    "subject_type", "id_token_signed_response_alg", "id_token_encrypted_response_alg",
    "userinfo_signed_response_alg", "userinfo_encrypted_response_enc", "request_object_signing_alg",
    "token_endpoint_auth_method", "token_endpoint_auth_signing_alg", "default_max_age",
    "require_auth_time", "default_acr_values", "initiate_login_uri", "request_uris", "scope",
    "post_logout_redirect_uris", "backchannel_logout_uri", "backchannel_logout_session_required",
    "frontchannel_logout_uri", "software_statement", "tls_client_auth_subject_dn", "client_id",
    "dpop_bound_access_tokens", "authorization_details_types", "registration_access_token",
    "require_pushed_authorization_requests", "client_name#ja", "security_profile", "is_first_party",
]  # fmt: skip
GOOD_MEMBERS = {
    "redirect_uris": [cast.REDIRECT_URI],
    "client_name": "Wiki",
    "grant_types": ["authorization_code", "refresh_token"],
    "scope": "openid profile",
}
bodies = st.one_of(
    st.sampled_from(ODD_JSON), json_values.map(json.dumps), latin,
    st.sampled_from(["", "[]", "null", "{", '{"redirect_uris":"x"}', "\xff\xfe{}"]),
)  # fmt: skip


def test_nor_does_any_registration(acme: Any) -> None:
    token = initial_token(acme, uses=1_000)

    @bounded(150)
    @given(changes(MEMBERS, json_values | texts), st.none() | bodies)
    def attempt(wanted: list[Change], body: str | None) -> None:
        members = json.dumps(changed_members(GOOD_MEMBERS, wanted))
        ask(
            "/oauth/register",
            members if body is None else body.encode("utf-8", "replace").decode("latin-1"),
            authorization=f"Bearer {token}",
            content_type="application/json",
        )

    attempt()


def test_nor_does_any_change_of_one(acme: Any) -> None:
    registered = register_with(initial_token(acme)).json
    own = urlsplit(registered["registration_client_uri"]).path
    good = GOOD_MEMBERS | {"client_id": registered["client_id"]}
    paths = st.sampled_from([own, own, own, f"{own}x", "/oauth/register/nobody"])
    authorizations = st.sampled_from(
        [f"Bearer {registered['registration_access_token']}"] * 4 + ["Bearer x", "Basic x", ""]
    )

    @bounded(80)
    @given(
        changes(MEMBERS, json_values | texts), st.none() | bodies,
        st.sampled_from(["PUT", "PUT", "PUT", "GET"]), paths, authorizations,
    )  # fmt: skip
    def attempt(
        wanted: list[Change], body: str | None, method: str, path: str, authorization: str
    ) -> None:
        members = json.dumps(changed_members(good, wanted))
        ask(
            path,
            members if body is None else body.encode("utf-8", "replace").decode("latin-1"),
            method=method,
            authorization=authorization,
            content_type="application/json",
        )

    attempt()


@pytest.mark.parametrize(
    "path",
    ["/oauth/jwks", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"],
)
def test_what_is_published_is_the_same_for_everybody(path: str, app: Client) -> None:
    good = oauth.send("GET", path)

    @bounded(25)
    @given(latin, latin, latin)
    def attempt(query: str, authorization: str, address: str) -> None:
        before = counts()
        reply = oauth.send(
            "GET", path, query=query, authorization=authorization, HTTP_X_FORWARDED_FOR=address
        )
        assert (reply.status, reply.body) == (200, good.body)
        assert counts() == before

    attempt()


# --- the endpoints that browsers come to ----------------------------------------------------------


def visit(browser: Browser, method: str, path: str, query: str, body: str = "") -> Any:
    """Open it, and judge the answer: a page of ours, or a way back to a registered address."""
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
        assert location.startswith((f"{cast.REDIRECT_URI}?", f"{cast.REDIRECT_URI}#")), location
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


@pytest.fixture(params=["stranger", "employee"])
def visitor(request: pytest.FixtureRequest, app: Client) -> Browser:
    browser = Browser(raise_request_exception=False)
    if request.param == "employee":
        cast.sign_in(browser, request.getfixturevalue("employee"))
    return browser


def test_no_request_breaks_the_authorization_endpoint(visitor: Browser, app: Client) -> None:
    hints = st.sampled_from(["none", "login", "consent", "select_account", "none login"])

    @bounded(90)
    @given(changes(AT_AUTHORIZE, texts | hints), st.sampled_from(["GET", "GET", "POST"]))
    def attempt(wanted: list[Change], method: str) -> None:
        text = body_of(changed(parameters(app), wanted))
        in_query = method == "GET"
        visit(
            visitor, method, "/oauth/authorize",
            query=text if in_query else "", body="" if in_query else text,
        )  # fmt: skip

    attempt()


def test_nor_does_a_signed_request(visitor: Browser, app: Client) -> None:
    @bounded(50)
    @given(changes([*AT_AUTHORIZE, *CLAIMS], json_values | texts))
    def attempt(wanted: list[Change]) -> None:
        inside = changed_members(request_objects.claims(app), wanted)
        query = {
            "client_id": app.client_id,
            "redirect_uri": cast.REDIRECT_URI,
            "request": request_objects.sign(inside),
        }
        visit(visitor, "GET", "/oauth/authorize", query=urlencode(query))

    attempt()


STEPS = {
    "/oauth/authorize/resume": ["id"],
    "/oauth/authorize/account": ["id", "request", "decision"],
    "/oauth/consent": ["id", "request", "decision"],
    "/oauth/end-session": [
        "id_token_hint", "client_id", "post_logout_redirect_uri", "state", "logout_hint", "decision",
    ],
    "/device/": ["user_code"],
}  # fmt: skip


@pytest.mark.parametrize("path", STEPS)
def test_nor_does_any_step_on_the_way(visitor: Browser, app: Client, path: str) -> None:
    good = {"client_id": app.client_id} if path == "/oauth/end-session" else {}

    @bounded(30)
    @given(changes(STEPS[path], texts), st.sampled_from(["GET", "POST"]))
    def attempt(wanted: list[Change], method: str) -> None:
        text = body_of(changed(good, wanted))
        in_query = method == "GET"
        visit(visitor, method, path, query=text if in_query else "", body="" if in_query else text)

    attempt()
