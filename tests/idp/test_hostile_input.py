"""Whatever is sent to an OAuth endpoint: never a 500, an error of its specification, nothing by half."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from django.test import Client as Browser
from hypothesis import given
from hypothesis import strategies as st

from idp.models import BackchannelAuthentication, Client
from idp.models.client import CIBA, DEVICE_CODE, TOKEN_EXCHANGE
from idp.requests.parameters import BACKCHANNEL
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
    encode,
    headers,
    jose,
    json_values,
    key_sets,
    texts,
)
from tests.support.judging import ask, counts, visit
from tests.support.registering import initial_token
from tests.support.registering import register as register_with

pytestmark = pytest.mark.django_db


@pytest.fixture
def app(acme: Any) -> Client:
    """A client that may do everything."""
    return cast.client(
        "acme-web",
        acme,
        is_first_party=True,
        grant_types=[
            "authorization_code", "refresh_token", "client_credentials", DEVICE_CODE,
            TOKEN_EXCHANGE, CIBA,
        ],
        scopes=["openid", "profile", "email", "roles", "offline_access", "reports"],
        audience=exchange.LEDGER,
        metadata={
            "jwks": request_objects.jwks(), "resources": [exchange.ARCHIVE],
            "authorization_details_types": ["payment"],
            "backchannel_token_delivery_mode": "ping",
            "backchannel_client_notification_endpoint": "https://app.acme.example/ping",
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
    asked = ciba.ask(app, client_notification_token=ciba.TOKEN).json

    def ask_anew() -> dict[str, str]:
        BackchannelAuthentication.unscoped.all().delete()  # or the person is asked too often
        return {
            "scope": "openid profile",
            "id_token_hint": tokens["id_token"],
            "client_notification_token": ciba.TOKEN,
            "binding_message": "W4SCT",
        }

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
        "ciba": lambda: {"grant_type": CIBA, "auth_req_id": asked["auth_req_id"]},
        "backchannel": ask_anew,
        "push": lambda: pushed,
        "start": lambda: {"scope": "openid profile"},
        "introspect": lambda: {"token": tokens["access_token"], "token_type_hint": "access_token"},
        "revoke": lambda: {"token": tokens["access_token"], "token_type_hint": "access_token"},
    }


PATHS = {
    "push": "/oauth/par", "start": "/oauth/device_authorization", "backchannel": ciba.PATH,
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
    "ciba": ["grant_type", "auth_req_id", "scope", *OF_THE_CLIENT],
    "backchannel": [*BACKCHANNEL, "request", "request_uri", *OF_THE_CLIENT],
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


@pytest.mark.parametrize("name", ["code", "client", "push", "backchannel"])
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


JWE_HEADERS = {"kid", "typ", "cty", "crit", "jku", "x5u", "x5c", "jwk", "zip", "p2c"}


def test_nor_does_one_that_is_encrypted(app: Client) -> None:
    ours = request_objects.published()
    signed = st.just(None) | texts.map(lambda text: text.encode("utf-8", "surrogatepass"))

    @bounded(120)
    @given(
        changes([*AT_AUTHORIZE, *CLAIMS], json_values | texts, most=1), signed, headers,
        st.booleans(), st.none() | st.tuples(st.integers(0, 4), latin),
    )  # fmt: skip
    def attempt(
        wanted: list[Change],
        plain: bytes | None,
        header: dict[str, Any],
        is_sealed: bool,
        broken: tuple[int, str] | None,
    ) -> None:
        inside = changed_members(request_objects.claims(app), wanted)
        head = {name: value for name, value in header.items() if name in JWE_HEADERS}
        text = request_objects.encrypt(
            request_objects.sign(inside) if plain is None else plain,
            to=ours,
            header=head if is_sealed else None,
        )
        parts = text.split(".")
        if not is_sealed and header:
            parts[0] = encode({"alg": "ECDH-ES+A256KW", "enc": "A256GCM", **header})
        if broken:
            parts[broken[0]] = broken[1]
        form = {"request": ".".join(parts)}
        ask("/oauth/par", body_of(list(form.items())), authorization=oauth.basic(app.client_id))

    attempt()


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
    @given(
        changes(MEMBERS, json_values | texts), st.none() | key_sets, st.none() | st.none() | bodies
    )
    def attempt(wanted: list[Change], jwks: Any, body: str | None) -> None:
        keys = {} if jwks is None else {"jwks": jwks}
        members = json.dumps(changed_members(GOOD_MEMBERS, wanted) | keys)
        ask(
            "/oauth/register",
            members if body is None else body.encode("utf-8", "replace").decode("latin-1"),
            authorization=f"Bearer {token}",
            content_type="application/json",
        )

    attempt()


def test_nor_does_any_removal_of_one(acme: Any) -> None:
    token = initial_token(acme, uses=1_000)
    tails = st.sampled_from(["", "", "", "x", "%00", "\0", "..", "é", "a" * 5_000])
    schemes = st.sampled_from(["Bearer ", "Bearer ", "Bearer ", "bearer ", "Basic ", "DPoP ", ""])
    tokens = st.sampled_from([None, None]) | latin | jose()

    @bounded(60)
    @given(tails, schemes, tokens, st.sampled_from(["", "{}"]) | bodies, latin)
    def attempt(tail: str, scheme: str, text: str | None, body: str, query: str) -> None:
        own = register_with(token).json
        shown = own["registration_access_token"] if text is None else text
        address = urlsplit(own["registration_client_uri"]).path
        reply = ask(
            address + tail,
            body.encode("utf-8", "replace").decode("latin-1"),
            method="DELETE",
            authorization=f"{scheme}{shown}".encode("utf-8", "replace").decode("latin-1"),
            query=query,
        )
        is_gone = not Client.unscoped.get(client_id=own["client_id"]).is_active
        assert is_gone == (reply.status == 204)
        Client.unscoped.all().delete()

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
    [
        "/oauth/jwks", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/oauth/userinfo",
    ],
)  # fmt: skip
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
