"""Drives the device authorization grant: the device's side, and the person's in a browser."""

from typing import Any
from urllib.parse import urlencode

from django.test import Client as Browser

from accounts.models import Organisation
from idp.models import Client
from idp.models.client import DEVICE_CODE
from tests import cast
from tests.support import oauth
from tests.support.authorize import path

SCOPE = "openid profile"


def television(of: Organisation, name: str = "acme-tv", **fields: Any) -> Client:
    """A public client without a browser of its own, of a third party."""
    values = {"grant_types": [DEVICE_CODE, "refresh_token"], "redirect_uris": []}
    return cast.client(name, of, kind="public", **(values | fields))


def start(client: Client, **changes: Any) -> oauth.Reply:
    """Ask for codes; `changes` replace or (None) drop fields."""
    form = {"scope": SCOPE} | changes
    form = {name: value for name, value in form.items() if value is not None}
    if client.kind == Client.Kind.PUBLIC:
        form = {"client_id": client.client_id} | form
        return oauth.send("POST", "/oauth/device_authorization", form=form)
    authorization = oauth.basic(client.client_id)
    return oauth.send("POST", "/oauth/device_authorization", form=form, authorization=authorization)


def poll(client: Client, device_code: str, **changes: Any) -> oauth.Reply:
    form = {"grant_type": DEVICE_CODE, "device_code": device_code}
    return oauth.token(client, form | changes)


def enter(browser: Browser, user_code: str) -> Any:
    return browser.post("/device/", {"user_code": user_code})


def asked(browser: Browser, user_code: str) -> str:
    """Enter a code; the address of the page that asks."""
    response = enter(browser, user_code)
    assert path(response) == "/device/confirm/"
    return str(response["Location"])


def decide(browser: Browser, user_code: str, decision: str = "allow") -> Any:
    return browser.post(asked(browser, user_code), {"decision": decision})


def prefilled(user_code: str) -> str:
    return f"/device/?{urlencode({'user_code': user_code})}"
