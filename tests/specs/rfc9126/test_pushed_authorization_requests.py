"""RFC 9126, OAuth 2.0 Pushed Authorization Requests."""

from typing import Any

import pytest
from django.test import Client as Browser

from idp.models import Client, PushedRequest
from tests.support import oauth
from tests.support.authorize import is_error_page, parameters
from tests.support.push import open_pushed, push, pushed

pytestmark = pytest.mark.django_db


def test_section_2_2_it_answers_201_with_a_reference_and_its_lifetime(acme_web: Client) -> None:
    reply = push(acme_web)

    assert reply.status == 201
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.json.keys() == {"request_uri", "expires_in"}
    assert reply.json["expires_in"] == 60
    assert len(reply.json["request_uri"].removeprefix("urn:ietf:params:oauth:request_uri:")) == 43


def test_section_2_1_the_client_authenticates_as_at_the_token_endpoint(
    acme_web: Client, acme_spa: Client
) -> None:
    assert push(acme_spa).status == 201
    wrong = push(acme_web, authorization=oauth.basic("acme-web", "wrong"))
    assert (wrong.status, wrong.error) == (401, "invalid_client")
    none = oauth.send("POST", "/oauth/par", form=parameters(acme_web))
    assert (none.status, none.error) == (401, "invalid_client")
    assert PushedRequest.unscoped.count() == 1


def test_section_2_1_the_client_is_who_authenticates(acme_web: Client, acme_spa: Client) -> None:
    reply = push(acme_web, client_id="acme-spa")

    assert reply.error in {"invalid_request", "invalid_client"}
    assert not PushedRequest.unscoped.exists()


def test_section_2_1_request_uri_is_refused(acme_web: Client) -> None:
    reply = push(acme_web, request_uri=pushed(acme_web))

    assert (reply.status, reply.error) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"redirect_uri": None}, "invalid_request"),
        ({"redirect_uri": "https://evil.example/"}, "invalid_request"),
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unauthorized_client"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"scope": "admin"}, "invalid_scope"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"max_age": "soon"}, "invalid_request"),
        ({"nonce": "n" * 513}, "invalid_request"),
        ({"state": ["a", "b"]}, "invalid_request"),
        ({"state": "\0"}, "invalid_request"),
        ({"id_token_hint": "x.y.z"}, "invalid_request"),
        ({"dpop_jkt": "short"}, "invalid_request"),
    ],
)
def test_section_2_3_what_the_authorization_endpoint_would_refuse_is_refused_at_once(
    acme_web: Client, changes: dict[str, Any], error: str
) -> None:
    reply = push(acme_web, **changes)

    assert (reply.status, reply.error) == (400, error)
    assert reply.headers["Content-Type"] == "application/json"
    assert not PushedRequest.unscoped.exists()


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_section_2_3_other_methods_get_405(db: None, method: str) -> None:
    reply = oauth.send(method, "/oauth/par")

    assert reply.status == 405
    assert reply.headers["Allow"] == "POST"


def test_section_2_3_a_large_body_gets_413(db: None) -> None:
    assert oauth.send("POST", "/oauth/par", form={"state": "s" * 70_000}).status == 413


def test_section_4_the_reference_needs_its_client(acme_web: Client) -> None:
    reference = pushed(acme_web)

    assert is_error_page(Browser().get("/oauth/authorize", {"request_uri": reference}))
    assert is_error_page(open_pushed(Browser(), "nobody", reference))


def test_section_5_metadata_names_the_endpoint(db: None) -> None:
    document = oauth.send("GET", "/.well-known/openid-configuration").json

    assert document["pushed_authorization_request_endpoint"].endswith("/oauth/par")
    assert document["require_pushed_authorization_requests"] is False
