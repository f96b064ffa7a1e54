"""The two example APIs against real tokens: what they let in, and what they say otherwise."""

import base64
import hashlib
import os
import re
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import httpx
import pytest
from django.conf import settings
from django.db import connections
from django.test import Client as Browser
from joserfc import jwt
from joserfc.jwk import ECKey

from accounts.models import Organisation
from core import clock
from core.ids import new_token
from examples.protected_api.guard import Keys, StatusLists
from examples.protected_api.guard import Refused as GuardRefused
from idp.models import Client
from idp.tokens import mint
from idp.tokens.status_lists import encode
from tests import cast
from tests.cast import Person
from tests.support.authorize import answer, authorize
from tests.support.instance import free_port
from tests.support.oauth import VERIFIER, basic, claims_of, redeem, send

pytestmark = pytest.mark.django_db(transaction=True)
APIS = [("wsgi", "django_api"), ("asgi", "starlette_api")]
STARTS_WITHIN_SECONDS = 20
STATUS_TYPE = "statuslist+jwt"


def packed(places: bytes) -> str:
    return base64.urlsafe_b64encode(zlib.compress(places)).rstrip(b"=").decode()


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def provider() -> Iterator[str]:
    """The product's key set over HTTP."""
    from config.wsgi import application

    def serve(environ: Any, start_response: Any) -> Any:
        try:
            return application(environ | {"HTTP_HOST": "localhost"}, start_response)
        finally:
            connections.close_all()

    server = make_server("127.0.0.1", 0, serve, handler_class=_Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/oauth/jwks"
    server.shutdown()
    server.server_close()


@pytest.fixture(params=APIS, ids=[name for _, name in APIS])
def api(request: pytest.FixtureRequest, provider: str) -> Iterator[httpx.Client]:
    """One of the examples, started as its own docstring says."""
    interface, module = request.param
    port = free_port()
    base_url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "granian", "--interface", interface, "--host", "127.0.0.1"),
            *("--port", str(port), "--no-ws", f"examples.protected_api.{module}:application"),
        ],
        cwd=Path(__file__).parents[2],
        env={
            **{name: value for name, value in os.environ.items() if name in {"PATH", "HOME"}},
            "API_ISSUER": settings.ISSUER,
            "API_AUDIENCE": settings.ISSUER,
            "API_BASE_URL": base_url,
            "API_JWKS_URI": provider,
            "API_STATUS_LISTS": provider.removesuffix("/oauth/jwks"),
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with httpx.Client(base_url=base_url, timeout=10) as client:
            _wait_for(client, process)
            yield client
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(client: httpx.Client, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + STARTS_WITHIN_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            client.get("/hello")
        except httpx.TransportError:
            threading.Event().wait(0.05)
        else:
            return
    pytest.fail("the example did not start")


@pytest.fixture
def listed(acme: Organisation) -> Client:
    metadata = {"access_token_status_list": True}
    return cast.client("listed", acme, is_first_party=True, metadata=metadata)


def token(client: Client, who: Person, *, acr: str = "aal2", **asked: str) -> str:
    browser = Browser()
    cast.sign_in(browser, who, acr=acr)
    granted = redeem(client, answer(authorize(browser, client, **asked))["code"]).json
    return str(granted["access_token"])


def test_a_token_opens_what_its_sign_in_is_good_for(
    api: httpx.Client, acme_web: Client, employee: Person
) -> None:
    strong, weak = token(acme_web, employee), token(acme_web, employee, acr="aal1")

    assert api.get("/hello", headers=bearer(weak)).json() == {"hello": str(employee.user.pk)}
    assert api.get("/transfer", headers=bearer(strong)).json()["done"] is True
    refused = api.get("/transfer", headers=bearer(weak))
    assert refused.status_code == 401
    challenge = refused.headers["WWW-Authenticate"]
    assert 'error="insufficient_user_authentication"' in challenge
    assert 'acr_values="aal2 phr phrh"' in challenge
    assert 'max_age="300"' in challenge


def test_what_is_no_token_for_this_api_is_refused(
    api: httpx.Client, acme_web: Client, acme_machine: Client, employee: Person
) -> None:
    browser = Browser()
    cast.sign_in(browser, employee)
    granted = redeem(acme_web, answer(authorize(browser, acme_web))["code"]).json
    good = granted["access_token"]
    head, body, signature = good.split(".")
    machine = send(
        "POST",
        "/oauth/token",
        form={"grant_type": "client_credentials"},
        authorization=basic(acme_machine.client_id),
    ).json["access_token"]

    assert api.get("/hello").status_code == 401
    assert api.get("/hello").headers["WWW-Authenticate"].startswith("Bearer")
    for wrong in (
        granted["id_token"],
        granted["refresh_token"],
        f"{head}.{body}.{signature[:-4]}AAAA",
        f"{head}.{body}.",
        "x" * 9000,
        "a.b.c",
    ):
        refused = api.get("/hello", headers=bearer(wrong))
        assert refused.status_code == 401, wrong[:40]
        assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"]
    assert api.get("/hello", headers={"Authorization": f"DPoP {good}"}).status_code == 401
    unscoped = api.get("/hello", headers=bearer(machine))
    assert unscoped.status_code == 403
    assert 'error="insufficient_scope"' in unscoped.headers["WWW-Authenticate"]


def test_a_bound_token_needs_its_key(api: httpx.Client, acme_web: Client, employee: Person) -> None:
    key = ECKey.generate_key("P-256")
    browser = Browser()
    cast.sign_in(browser, employee)
    code = answer(authorize(browser, acme_web))["code"]
    granted = send(
        "POST",
        "/oauth/token",
        form={
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": cast.REDIRECT_URI,
            "code_verifier": VERIFIER,
        },
        authorization=basic(acme_web.client_id),
        HTTP_DPOP=proof(key, "POST", f"{settings.ISSUER}/oauth/token"),
    ).json
    assert granted["token_type"] == "DPoP"
    bound = granted["access_token"]
    url = f"{api.base_url}/hello"

    def ask(proven: str) -> httpx.Response:
        return api.get("/hello", headers={"Authorization": f"DPoP {bound}", "DPoP": proven})

    good = proof(key, "GET", url, token=bound)
    assert ask(good).status_code == 200
    assert ask(good).status_code == 401, "a proof is good once"
    assert api.get("/hello", headers=bearer(bound)).status_code == 401
    for wrong in (
        proof(ECKey.generate_key("P-256"), "GET", url, token=bound),
        proof(key, "POST", url, token=bound),
        proof(key, "GET", url + "x", token=bound),
        proof(key, "GET", url, token="another"),
        proof(key, "GET", url, token=bound, iat=int(clock.now().timestamp()) - 3600),
    ):
        assert ask(wrong).status_code == 401
        assert ask(wrong).headers["WWW-Authenticate"].startswith("DPoP")


def revoke(client: Client, token: str) -> None:
    send(
        "POST",
        "/oauth/revoke",
        form={"token": token},
        authorization=basic(client.client_id),
    )


def test_a_revoked_token_is_refused_by_its_status_list(
    api: httpx.Client, listed: Client, employee: Person
) -> None:
    good, revoked = token(listed, employee), token(listed, employee)
    revoke(listed, revoked)

    assert api.get("/hello", headers=bearer(good)).status_code == 200
    refused = api.get("/hello", headers=bearer(revoked))
    assert refused.status_code == 401
    assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"]


class TestStatusLists:
    """What an API makes of lists, with fetch replaced."""

    @pytest.fixture
    def claims(self, listed: Client, employee: Person) -> dict[str, Any]:
        return claims_of(token(listed, employee))

    def lists(self, answer: Any) -> StatusLists:
        keys = Keys("", lambda _: send("GET", "/oauth/jwks").json)
        return StatusLists(settings.ISSUER, keys, fetch=answer)

    def test_a_list_is_kept_for_its_time_to_live(self, claims: dict[str, Any]) -> None:
        asked: list[str] = []

        def fetch(uri: str) -> str:
            asked.append(uri)
            return send("GET", uri.removeprefix(settings.ISSUER)).body.decode()

        statuses = self.lists(fetch)
        for _ in range(3):
            statuses.check(claims)

        assert asked == [claims["status"]["status_list"]["uri"]]

    @pytest.mark.parametrize(
        ("changed", "typ"),
        [
            ({}, "at+jwt"),
            ({"sub": "https://other"}, STATUS_TYPE),
            ({"iss": "https://other"}, STATUS_TYPE),
            ({"exp": 1}, STATUS_TYPE),
            ({"status_list": {"bits": 2, "lst": encode([])}}, STATUS_TYPE),
            ({"status_list": {"bits": 1, "lst": "eJwDAAAAAAE"}}, STATUS_TYPE),
            ({"status_list": {"bits": 1, "lst": "AAAA"}}, STATUS_TYPE),
            ({"status_list": {"bits": 1, "lst": packed(bytes(10**7))}}, STATUS_TYPE),
            ({"status_list": {}}, STATUS_TYPE),
        ],
        ids=[
            "type", "subject", "issuer", "expired", "bits", "short", "no_zlib", "bomb", "nothing",
        ],
    )  # fmt: skip
    def test_what_is_no_list_lets_nobody_in(
        self, claims: dict[str, Any], changed: dict[str, Any], typ: str
    ) -> None:
        uri = claims["status"]["status_list"]["uri"]
        said = claims_of(send("GET", uri.removeprefix(settings.ISSUER)).body.decode())
        text = mint.sign(said | changed, typ=typ, alg="ES256")

        with pytest.raises(GuardRefused):
            self.lists(lambda _: text).check(claims)

    def test_a_good_one_does(self, claims: dict[str, Any]) -> None:
        uri = claims["status"]["status_list"]["uri"]
        said = claims_of(send("GET", uri.removeprefix(settings.ISSUER)).body.decode())

        self.lists(lambda _: mint.sign(said, typ=STATUS_TYPE, alg="ES256")).check(claims)

    def test_only_the_issuer_is_asked(self, claims: dict[str, Any]) -> None:
        claims["status"]["status_list"]["uri"] = "https://elsewhere.example/1"

        with pytest.raises(GuardRefused):
            self.lists(lambda _: pytest.fail("asked somebody")).check(claims)

    def test_a_list_that_cannot_be_had_lets_nobody_in(self, claims: dict[str, Any]) -> None:
        def fetch(_: str) -> str:
            raise httpx.ConnectError("away")

        with pytest.raises(GuardRefused):
            self.lists(fetch).check(claims)


def test_a_challenge_leads_to_the_metadata_of_what_was_asked(
    api: httpx.Client, acme_web: Client, employee: Person
) -> None:
    weak = token(acme_web, employee, acr="aal1")
    for path, headers in (
        ("/hello", {}),
        ("/hello", bearer("nonsense")),
        ("/transfer", {"Authorization": "DPoP nonsense"}),
        ("/transfer", bearer(weak)),
    ):
        refused = api.get(path, headers=headers)
        assert refused.status_code == 401
        found = re.search('resource_metadata="([^"]+)"', refused.headers["WWW-Authenticate"])
        assert found is not None
        metadata = httpx.get(found[1]).json()
        assert metadata["resource"] == f"{api.base_url}{path}"
        assert metadata["authorization_servers"] == [settings.ISSUER]
        assert metadata["scopes_supported"] == ["openid"]
        assert metadata["bearer_methods_supported"] == ["header"]
        assert "ES256" in metadata["dpop_signing_alg_values_supported"]


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def proof(key: ECKey, method: str, url: str, *, token: str | None = None, **said: Any) -> str:
    claims = {
        "jti": new_token(),
        "htm": method,
        "htu": url,
        "iat": int(clock.now().timestamp()),
    } | said
    if token is not None:
        digest = hashlib.sha256(token.encode()).digest()
        claims["ath"] = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": key.as_dict(private=False)}
    return jwt.encode(header, claims, key)
