"""How an answer of the authorization endpoint travels."""

from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from idp import keys
from idp.authorization import reply
from idp.authorization.reply import MODES, Reply
from idp.models import Client
from idp.requests.parameters import AuthorizationParams
from tests import cast
from tests.support import oauth

ISSUER = "http://localhost:8000"
ODD = 'a b&c=d#e?f/g+h%20\u00e9\u2028<>"'


def asked(**changes: Any) -> AuthorizationParams:
    values = {"client_id": "acme-web", "redirect_uri": cast.REDIRECT_URI, "response_type": "code"}
    return AuthorizationParams(**(values | changes))


class TestLocation:
    @pytest.mark.parametrize("mode", ["query", "fragment"])
    def test_values_come_out_as_they_went_in(self, mode: str) -> None:
        values = {"code": "c", "state": ODD}

        parts = urlsplit(Reply(cast.REDIRECT_URI, mode, values).location)

        assert parts._replace(query="", fragment="").geturl() == cast.REDIRECT_URI
        assert dict(parse_qsl(getattr(parts, mode))) == values
        assert "+" not in getattr(parts, mode), "a fragment is not a form"

    def test_a_query_that_was_registered_stays(self) -> None:
        location = Reply("https://app.example/cb?a=1&b=", "query", {"code": "c"}).location

        assert location == "https://app.example/cb?a=1&b=&code=c"

    def test_beside_a_fragment_as_well(self) -> None:
        location = Reply("https://app.example/cb?a=1", "fragment", {"code": "c"}).location

        assert location == "https://app.example/cb?a=1#code=c"

    def test_a_form_goes_to_the_bare_address(self) -> None:
        assert Reply("https://app.example/cb?a=1", "form_post", {"code": "c"}).location == (
            "https://app.example/cb?a=1"
        )


class TestMode:
    @pytest.mark.parametrize(
        ("response_type", "default"),
        [
            ("code", "query"), ("none", "query"), (None, "query"), ("", "query"),
            ("codes", "query"), ("id_token", "fragment"), ("id_token token", "fragment"),
            ("code token", "fragment"), ("token code id_token", "fragment"),
        ],
    )  # fmt: skip
    def test_tokens_never_default_to_the_query(
        self, response_type: str | None, default: str
    ) -> None:
        params = asked(response_type=response_type)

        assert reply.default_of(params) == default
        assert reply.mode_of(params) == default
        assert reply.has_tokens(params) == (default == "fragment")

    @pytest.mark.parametrize("mode", MODES)
    def test_each_that_exists_may_be_had_for_a_code(self, mode: str) -> None:
        params = asked(response_mode=mode)

        assert reply.may_have(params)
        assert reply.mode_of(params) == mode

    @pytest.mark.parametrize("mode", MODES)
    def test_the_query_is_none_for_tokens(self, mode: str) -> None:
        params = asked(response_type="code id_token", response_mode=mode)
        is_good = mode not in {"query", "query.jwt"}

        assert reply.may_have(params) is is_good
        assert reply.mode_of(params) == (mode if is_good else "fragment")

    @pytest.mark.parametrize("mode", ["", "QUERY", "web_message", "query.", ".jwt", "query jwt"])
    def test_what_does_not_exist_is_answered_in_the_default(self, mode: str) -> None:
        params = asked(response_mode=mode)

        assert not reply.may_have(params)
        assert reply.mode_of(params) == "query"

    @pytest.mark.parametrize("mode", ["form_post", "form_post.jwt"])
    @pytest.mark.parametrize(
        "uri", ["com.acme.app:/cb", "https://[::1]/cb", "https://a_b.example/"]
    )
    def test_a_form_goes_to_a_plain_place_only(self, mode: str, uri: str) -> None:
        assert not reply.may_have(asked(redirect_uri=uri, response_mode=mode))
        assert reply.may_have(asked(redirect_uri=uri, response_mode="fragment"))


class TestPlace:
    @pytest.mark.parametrize(
        ("uri", "place"),
        [
            ("https://app.example/cb?a=1", "https://app.example"),
            ("https://app.example:8443/cb", "https://app.example:8443"),
            ("http://127.0.0.1:5000/", "http://127.0.0.1:5000"),
        ],
    )
    def test_it_is_scheme_host_and_port(self, uri: str, place: str) -> None:
        assert reply.place_of(uri) == place

    @pytest.mark.parametrize(
        "uri",
        [
            "com.acme.app:/cb", "javascript:alert(1)", "data:text/html,x", "https:///cb",
            "https://user@app.example/", "https://app.example;script-src/",
            "https://app.example 'unsafe-inline'/", "https://*/", "https://*.example/",
            "https://app.example,https://evil.example/", "https://app.example:123456/",
        ],
    )  # fmt: skip
    def test_nothing_else_gets_into_a_policy(self, uri: str) -> None:
        assert reply.place_of(uri) is None


class TestMake:
    def test_it_names_the_issuer_and_returns_the_state(
        self, acme_web: Client, now: datetime
    ) -> None:
        made = reply.make(asked(state=ODD), {"code": "c"}, client=acme_web, now=now)

        assert (made.redirect_uri, made.mode) == (cast.REDIRECT_URI, "query")
        assert made.values == {"code": "c", "state": ODD, "iss": ISSUER}

    def test_without_a_state_there_is_none(self, acme_web: Client, now: datetime) -> None:
        made = reply.make(asked(), {"error": "x"}, client=acme_web, now=now)

        assert made.values == {"error": "x", "iss": ISSUER}

    def test_an_empty_state_is_one(self, acme_web: Client, now: datetime) -> None:
        made = reply.make(asked(state=""), {"code": "c"}, client=acme_web, now=now)

        assert made.values["state"] == ""

    def test_neither_is_overwritten_by_what_is_answered(
        self, acme_web: Client, now: datetime
    ) -> None:
        values = {"iss": "https://evil.example", "state": "theirs"}

        made = reply.make(asked(state="s-1"), values, client=acme_web, now=now)

        assert made.values == {"iss": ISSUER, "state": "s-1"}
        assert values == {"iss": "https://evil.example", "state": "theirs"}

    @pytest.mark.parametrize(
        ("response_type", "mode", "travels"),
        [
            ("code", "jwt", "query"), ("code", "query.jwt", "query"),
            ("code", "fragment.jwt", "fragment"), ("code", "form_post.jwt", "form_post"),
            ("code id_token", "jwt", "fragment"),
            ("code id_token", "form_post.jwt", "form_post"),
        ],
    )  # fmt: skip
    def test_signed_it_is_one_jwt_for_this_client(
        self, acme_web: Client, now: datetime, response_type: str, mode: str, travels: str
    ) -> None:
        params = asked(response_type=response_type, response_mode=mode, state=ODD)

        made = reply.make(params, {"code": "c"}, client=acme_web, now=now)

        assert made.mode == travels
        assert made.values.keys() == {"response"}
        text = made.values["response"]
        verified = jwt.decode(text, KeySet.import_key_set(_published()), algorithms=["ES256"])
        seconds = int(now.timestamp())
        assert verified.claims == {
            "code": "c", "state": ODD, "iss": ISSUER, "aud": "acme-web", "iat": seconds,
            "exp": seconds + 300,
        }  # fmt: skip
        assert verified.header["typ"] == "oauth-authz-resp+jwt"

    @pytest.mark.parametrize(
        ("alg", "registered", "used"),
        [("ES256", "", "ES256"), ("RS256", "", "RS256"), ("ES256", "RS256", "RS256")],
    )
    def test_the_algorithm_is_the_registered_one_or_the_clients(
        self, acme: Any, now: datetime, alg: str, registered: str, used: str
    ) -> None:
        known = {"authorization_signed_response_alg": registered} if registered else {}
        client = cast.client("signed", acme, signing_alg=alg, metadata=known)

        made = reply.make(asked(response_mode="jwt"), {"code": "c"}, client=client, now=now)

        assert oauth.header_of(made.values["response"])["alg"] == used

    def test_what_may_not_be_had_is_not_signed_either(
        self, acme_web: Client, now: datetime
    ) -> None:
        params = asked(response_type="code id_token", response_mode="query.jwt")

        made = reply.make(params, {"error": "invalid_request"}, client=acme_web, now=now)

        assert made.mode == "fragment"
        assert parse_qs(urlsplit(made.location).fragment)["error"] == ["invalid_request"]


def _published() -> Any:
    import json

    return json.loads(keys.jwks())
