"""OpenID Connect Dynamic Client Registration 1.0, as its conformance plans ask for it."""

from typing import Any

import pytest
from django.test import Client as Browser

from accounts.models import Organisation
from idp import tasks
from idp.models import Client
from tests import cast
from tests.cast import Person
from tests.support import oauth, pictures
from tests.support.authorize import authorize, query
from tests.support.elsewhere import Elsewhere
from tests.support.registering import initial_token, manage, register


@pytest.fixture
def token(acme: Organisation) -> str:
    return initial_token(acme, uses=20)


def test_discovery_names_the_endpoint(db: None) -> None:
    document = oauth.send("GET", "/.well-known/openid-configuration").json

    assert document["registration_endpoint"] == f"{document['issuer']}/oauth/register"


def test_the_answer_and_its_address_agree(token: str) -> None:
    """R1 to R4."""
    reply = register(token)

    assert reply.status == 201
    assert {"client_id", "client_secret", "client_secret_expires_at"} <= reply.json.keys()
    assert reply.json["registration_client_uri"].endswith(reply.json["client_id"])
    assert manage("GET", reply.json).json["redirect_uris"] == [cast.REDIRECT_URI]
    assert manage("DELETE", reply.json).status == 204


def test_everything_that_plans_register_is_accepted_and_echoed(token: str) -> None:
    """R5: what is not for us to keep may be missing from the answer, but is no error."""
    members = {
        "client_name": "Plan", "contacts": ["certification@acme.example"],
        "logo_uri": "https://app.acme.example/logo.png", "policy_uri": "https://app.acme.example/p",
        "tos_uri": "https://app.acme.example/tos",
        "initiate_login_uri": "https://app.acme.example/login",
        "post_logout_redirect_uris": ["https://app.acme.example/out"],
        "id_token_signed_response_alg": "RS256", "subject_type": "public",
        "response_types": ["code"], "grant_types": ["authorization_code"],
        "application_type": "web",
    }  # fmt: skip
    reply = register(
        token,
        **members,
        backchannel_logout_uri="https://app.acme.example/bc",
        backchannel_logout_session_required=True,
        frontchannel_logout_uri="https://app.acme.example/fc",
        frontchannel_logout_session_required=True,
        request_uris=["https://app.acme.example/request#digest"],
    )

    assert reply.status == 201, reply.json
    assert members.items() <= reply.json.items()
    assert members.items() <= manage("GET", reply.json).json.items()


def test_a_fragment_is_refused(token: str) -> None:
    """R7."""
    reply = register(token, redirect_uris=["https://app.acme.example/cb#frag"])

    assert (reply.status, reply.error) == (400, "invalid_redirect_uri")


@pytest.mark.parametrize(
    "name", ["initiate_login_uri", "logo_uri", "policy_uri", "tos_uri", "client_uri"]
)
@pytest.mark.parametrize(
    "uri",
    [
        "http://app.acme.example/", "javascript:alert(1)", "https://a@app.acme.example/", "https://",
        "https://app.acme.example/#a", "https://app.acme.example/\n", "//app.acme.example/",
        "https://app.acme.example;script-src/", "https://*.acme.example/", 'https://a"b/', "x",
    ],
)  # fmt: skip
def test_addresses_are_plain_https(token: str, name: str, uri: str) -> None:
    """R9."""
    reply = register(token, **{name: uri})

    assert (reply.status, reply.error) == (400, "invalid_client_metadata")


class TestApplicationType:
    """§2, application_type."""

    def test_a_scheme_of_its_own_is_for_native_applications(self, token: str) -> None:
        members: dict[str, Any] = {
            "redirect_uris": ["com.example.app:/cb"], "token_endpoint_auth_method": "none",
        }  # fmt: skip

        assert register(token, **members).error == "invalid_redirect_uri"
        assert register(token, **members, application_type="native").status == 201

    def test_loopback_is_for_codes(self, acme: Organisation) -> None:
        token = initial_token(acme, uses=5, grant_types=["implicit", "authorization_code"])
        local = ["http://localhost:9999/cb"]

        assert register(token, redirect_uris=local).status == 201
        reply = register(token, redirect_uris=local, response_types=["id_token"])
        assert reply.error == "invalid_redirect_uri"


def test_types_that_travel_through_the_browser_need_a_token_that_opens_them(
    acme: Organisation, token: str
) -> None:
    supported = oauth.send("GET", "/.well-known/openid-configuration").json[
        "response_types_supported"
    ]
    assert "code id_token" in supported
    both = {
        "grant_types": ["authorization_code", "implicit"], "response_types": ["id_token code"],
    }  # fmt: skip

    assert register(token, **both).error == "invalid_client_metadata"
    reply = register(initial_token(acme, grant_types=both["grant_types"]), **both)

    assert reply.status == 201, reply.json
    assert reply.json["response_types"] == ["code id_token"]
    assert reply.json["grant_types"] == ["authorization_code", "implicit"]


class TestConsentPage:
    """The modules registration-logo-uri, registration-policy-uri, registration-tos-uri."""

    @pytest.fixture
    def page(self, token: str, employee: Person, client: Browser, elsewhere: Elsewhere) -> Any:
        registered = register(
            token,
            client_name="Ledger",
            logo_uri=elsewhere.serve("/logo.png", pictures.png(), content_type="image/png"),
            policy_uri="https://app.acme.example/privacy",
            tos_uri="https://app.acme.example/terms",
        ).json
        assert tasks.fetch_client_logos() == 1
        cast.sign_in(client, employee)
        row = Client.unscoped.get(client_id=registered["client_id"])
        handle = query(authorize(client, row))["id"]
        return client.get("/oauth/consent", {"id": handle})

    def test_it_shows_logo_policy_and_terms(self, page: Any) -> None:
        text = page.content.decode()

        path = text.partition('<img class="tile logo" src="')[2].partition('"')[0]
        assert oauth.send("GET", path).body == pictures.png()
        for address, words in (("privacy", "Privacy policy of"), ("terms", "Terms of use of")):
            link = text.partition(f'href="https://app.acme.example/{address}"')[2].partition("</a>")
            assert 'rel="noopener noreferrer nofollow"' in link[0]
            assert f'{words} <span class="break">Ledger</span>' in link[0]

    def test_the_page_lets_the_browser_ask_nobody_else(
        self, page: Any, elsewhere: Elsewhere
    ) -> None:
        policy = page["Content-Security-Policy"]

        images = next(part for part in policy.split(";") if "img-src" in part)
        assert images.split()[1:] == ["'self'", "data:"]
        assert elsewhere.url() not in page.content.decode()

    def test_it_says_that_nobody_has_verified_this(self, page: Any) -> None:
        assert 'id="consent-unverified"' in page.content.decode()

    def test_a_client_of_an_administrator_is_not_called_unverified(
        self, acme_spa: Client, employee: Person, client: Browser
    ) -> None:
        cast.sign_in(client, employee)

        page = client.get("/oauth/consent", {"id": query(authorize(client, acme_spa))["id"]})

        assert 'id="consent-unverified"' not in page.content.decode()
        assert "https://" not in page["Content-Security-Policy"]
