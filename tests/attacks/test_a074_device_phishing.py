"""A074: somebody starts a device authorization and sends its link to a victim."""

import pytest
from django.test import Client as Browser

from core import clock
from core.ids import digest, new_id
from idp.models import Client, DeviceAuthorization
from mfa.models import PasskeyFactor
from sessions.models import LoginSession
from tests.support import device
from tests.support.oauth import send

pytestmark = pytest.mark.django_db

ATTACKER = "198.51.100.66"


@pytest.fixture
def tv(acme) -> Client:
    return device.television(acme)


@pytest.fixture
def codes(tv) -> dict:
    return send(
        "POST",
        "/oauth/device_authorization",
        form={"client_id": tv.client_id, "scope": "openid email"},
        REMOTE_ADDR=ATTACKER,
    ).json


def nothing_is_allowed() -> bool:
    return DeviceAuthorization.unscoped.get().approved_at is None


def test_the_link_alone_does_nothing(client: Browser, session, codes):
    page = client.get(codes["verification_uri_complete"].partition("localhost:8000")[2])

    assert page.status_code == 200
    text = page.content.decode()
    assert "If they differ, or you have not started this, stop here" in text
    assert "Refresh" not in page.headers
    assert "<script" not in text.partition('id="device-form"')[2].partition("</form>")[0]
    assert nothing_is_allowed()


def test_the_victim_sees_who_where_and_what(client: Browser, session, codes):
    page = client.get(device.asked(client, codes["user_code"])).content.decode()

    for words in ("Acme Tv", ATTACKER, "127.0.0.1", "See your email address", "just now?"):
        assert words in page
    assert nothing_is_allowed()


def test_a_session_left_open_is_no_consent(client: Browser, session, codes, later):
    later(minutes=6)

    for answer in (
        client.get(device.prefilled(codes["user_code"])),
        device.enter(client, codes["user_code"]),
    ):
        assert answer["Location"].startswith("/step-up/?")
    assert nothing_is_allowed()


def test_whoever_has_a_passkey_has_to_use_it(client: Browser, session, employee, codes):
    """A password and a code can be passed on to the attacker's page; a passkey cannot."""
    PasskeyFactor.objects.create(
        user=employee.user,
        organisation=employee.user.organisation,
        name="Phone",
        confirmed=True,
        credential_id=b"c" * 16,
        credential_digest=digest("c" * 16),
        public_key=b"",
        aaguid=new_id(),
        backup_eligible=True,
        backed_up=True,
    )

    response = device.enter(client, codes["user_code"])
    assert response["Location"].startswith("/step-up/?")
    assert "acr=phr" in response["Location"]

    LoginSession.unscoped.update(acr="phr", auth_time=clock.now())
    assert device.enter(client, codes["user_code"])["Location"].startswith("/device/confirm/")


def test_the_attackers_page_cannot_answer(session, client: Browser, codes):
    """Without the token of our own form nothing is taken."""
    address = device.asked(client, codes["user_code"])
    client.handler.enforce_csrf_checks = True

    assert client.post(address, {"decision": "allow"}).status_code == 403
    assert client.post("/device/", {"user_code": codes["user_code"]}).status_code == 403
    assert nothing_is_allowed()


def test_it_is_over_after_ten_minutes(client: Browser, session, employee, codes, later):
    from tests import cast

    later(minutes=10)
    cast.sign_in(client, employee)

    assert "run out" in device.enter(client, codes["user_code"]).content.decode()


def test_clients_have_it_only_when_they_are_registered_for_it(acme_spa, acme_web):
    assert device.start(acme_spa).error == "unauthorized_client"
    assert device.start(acme_web).error == "unauthorized_client"
