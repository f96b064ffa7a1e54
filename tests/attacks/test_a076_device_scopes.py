"""A076: a device is allowed by whoever may not, or gets more than was allowed."""

import pytest
from django.test import Client as Browser

from audit.events import Event
from audit.models import AuditEvent
from core import clock
from idp.models import Client, DeviceAuthorization, RefreshFamily
from tests import cast
from tests.support import device, oauth

pytestmark = pytest.mark.django_db


@pytest.fixture
def tv(acme) -> Client:
    return device.television(acme)


@pytest.fixture
def codes(tv) -> dict:
    return device.start(tv).json


def test_somebody_of_another_organisation_does_not_find_it(outsider, tv, codes):
    browser = Browser()
    cast.sign_in(browser, outsider)

    response = device.enter(browser, codes["user_code"])

    assert "That code is wrong" in response.content.decode()
    assert "Acme" not in response.content.decode()
    assert DeviceAuthorization.unscoped.get().approved_at is None
    event = AuditEvent.objects.get(event=Event.DEVICE_CODE_MISTYPED)
    assert event.organisation_id == outsider.user.organisation_id
    assert device.poll(tv, codes["device_code"]).error == "authorization_pending"


def test_what_was_asked_of_one_person_another_cannot_answer(client, session, outsider, codes):
    """The address of the page, taken to the browser of somebody else."""
    address = device.asked(client, codes["user_code"])
    browser = Browser()
    cast.sign_in(browser, outsider)

    assert browser.post(address, {"decision": "allow"}).status_code == 409
    assert DeviceAuthorization.unscoped.get().approved_at is None


@pytest.mark.parametrize("where", ["poll", "form"])
def test_scopes_are_those_that_were_shown(client, session, tv, codes, where):
    address = device.asked(client, codes["user_code"])
    more = {"scope": "openid profile email roles"} if where == "form" else {}
    client.post(address, {"decision": "allow"} | more)

    changes = {"scope": "openid profile email roles"} if where == "poll" else {}
    reply = device.poll(tv, codes["device_code"], **changes)

    assert reply.json["scope"] == "openid profile"
    assert oauth.claims_of(reply.json["access_token"])["scope"] == "openid profile"
    assert RefreshFamily.unscoped.get().scope == "openid profile"


def test_a_client_registered_for_more_since_gets_no_more(client, session, tv, codes):
    device.decide(client, codes["user_code"])
    Client.unscoped.filter(pk=tv.pk).update(
        scopes=["openid", "profile", "email", "vault"], changed_at=clock.now()
    )

    assert device.poll(tv, codes["device_code"]).json["scope"] == "openid profile"


def test_a_client_that_asks_for_two_factors_is_not_opened_by_one(newcomer, acme):
    tv = device.television(acme, "acme-vault", required_acr="aal2")
    codes = device.start(tv).json
    browser = Browser()
    cast.sign_in(browser, newcomer, acr="aal1")

    response = browser.post(device.asked(browser, codes["user_code"]), {"decision": "allow"})

    assert response["Location"].startswith("/step-up/")
    assert device.poll(tv, codes["device_code"]).error == "authorization_pending"
