"""RFC 8628, the device authorization grant."""

import pytest
from django.test import Client as Browser

from idp.models import Client
from idp.models.client import DEVICE_CODE
from tests import cast
from tests.cast import Person
from tests.support import device, oauth


@pytest.fixture
def tv(acme) -> Client:
    return device.television(acme)


@pytest.fixture
def alices(employee: Person) -> Browser:
    browser = Browser()
    cast.sign_in(browser, employee)
    return browser


@pytest.mark.spec("RFC 8628", "3.2", "the answer has all members, and may not be stored")
def test_the_answer(tv: Client) -> None:
    reply = device.start(tv)

    assert reply.status == 200
    assert reply.headers["Content-Type"] == "application/json"
    assert "no-store" in reply.headers["Cache-Control"]
    answer = reply.json
    assert answer["verification_uri"] == "https://id.sallyport.example/device/"
    assert (
        answer["verification_uri_complete"]
        == f"{answer['verification_uri']}?user_code={answer['user_code']}"
    )
    assert (answer["expires_in"], answer["interval"]) == (600, 5)
    assert len(answer["device_code"]) == 43


@pytest.mark.spec("RFC 8628", "3.1", "a client that authenticates has to do so here as well")
def test_authentication(acme) -> None:
    box = cast.client("acme-box", acme, grant_types=[DEVICE_CODE])

    reply = oauth.send(
        "POST",
        "/oauth/device_authorization",
        form={"scope": "openid"},
        authorization=oauth.basic(box.client_id, "wrong"),
    )

    assert (reply.status, reply.error) == (401, "invalid_client")


@pytest.mark.spec("RFC 8628", "3.1", "parameters must not be repeated")
def test_repeated_parameters(tv: Client) -> None:
    form = f"client_id={tv.client_id}&scope=openid&scope=email"

    assert oauth.send("POST", "/oauth/device_authorization", form=form).error == "invalid_request"


@pytest.mark.spec("RFC 8628", "3.5", "authorization_pending, slow_down, access_denied")
def test_what_a_device_is_told(tv: Client, alices: Browser, later) -> None:
    codes = device.start(tv).json
    told = [device.poll(tv, codes["device_code"]).error]
    told.append(device.poll(tv, codes["device_code"]).error)
    device.decide(alices, codes["user_code"], "deny")
    told.append(device.poll(tv, codes["device_code"]).error)

    assert told == ["authorization_pending", "slow_down", "access_denied"]


@pytest.mark.spec("RFC 8628", "3.5", "expired_token")
def test_it_runs_out(tv: Client, later) -> None:
    codes = device.start(tv).json
    later(seconds=600)

    reply = device.poll(tv, codes["device_code"])

    assert (reply.status, reply.error) == (400, "expired_token")


@pytest.mark.spec("RFC 8628", "3.5", "a successful answer is that of RFC 6749 section 5.1")
def test_it_succeeds(tv: Client, alices: Browser) -> None:
    codes = device.start(tv).json
    device.decide(alices, codes["user_code"])

    reply = device.poll(tv, codes["device_code"])

    assert reply.status == 200
    assert reply.json["token_type"] == "Bearer"
    assert "no-store" in reply.headers["Cache-Control"]


@pytest.mark.spec("RFC 8628", "3.4", "device_code is required")
def test_without_a_code(tv: Client) -> None:
    assert oauth.token(tv, {"grant_type": DEVICE_CODE}).error == "invalid_request"


@pytest.mark.spec("RFC 8628", "3.4", "the client must be registered for the grant type")
def test_without_the_grant_type(acme_spa: Client) -> None:
    assert device.poll(acme_spa, "x" * 43).error == "unauthorized_client"


@pytest.mark.spec("RFC 8628", "4", "the endpoint and the grant type are in the metadata")
def test_metadata(db: None) -> None:
    document = oauth.send("GET", "/.well-known/oauth-authorization-server").json

    issuer = document["issuer"]
    assert document["device_authorization_endpoint"] == f"{issuer}/oauth/device_authorization"
    assert DEVICE_CODE in document["grant_types_supported"]


@pytest.mark.spec("RFC 8628", "6.1", "case and punctuation do not matter")
def test_typing(tv: Client, alices: Browser) -> None:
    code = device.start(tv).json["user_code"]

    assert device.enter(alices, f" {code.lower().replace('-', ' . ')} ").status_code == 303
