"""Ceremonies as passkeys.js conducts them, through the pages' own addresses."""

import json
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.test import Client as Browser

from core import clock
from mfa import flows, passkeys
from mfa.models import PasskeyFactor
from tests.cast import Person
from tests.support.authenticator import SoftAuthenticator

LOGIN = ("/mfa/login/passkey/options/", "/mfa/login/passkey/")
CHALLENGE = ("/mfa/challenge/passkey/options/", "/mfa/challenge/passkey/")
STEP_UP = ("/step-up/passkey/options/", "/step-up/passkey/")
ADD = ("/mfa/passkeys/add/options/", "/mfa/passkeys/add/finish/")


def authenticator(**how: Any) -> SoftAuthenticator:
    return SoftAuthenticator(settings.ISSUER, **how)


def post(browser: Browser, url: str, body: Any) -> HttpResponse:
    return browser.post(url, json.dumps(body), content_type="application/json")


def options(browser: Browser, ceremony: tuple[str, str]) -> dict[str, Any]:
    answer = post(browser, ceremony[0], {})
    assert answer.status_code == 200, answer.content
    return answer.json()


def finish(
    browser: Browser, ceremony: tuple[str, str], credential: Any, **more: Any
) -> HttpResponse:
    return post(browser, ceremony[1], {"credential": credential, **more})


def register(who: Person, key: SoftAuthenticator, **how: Any) -> PasskeyFactor:
    """Enrol a passkey for `who` without a browser."""
    now = clock.now()
    made = passkeys.registration_options(user=who.user, browser="setup", now=now)
    return flows.add_passkey(
        user=who.user, raw=key.create(made, **how), name="", browser="setup", now=now
    )


def sign_in(browser: Browser, key: SoftAuthenticator, **how: Any) -> HttpResponse:
    """Sign in by a passkey alone."""
    return finish(browser, LOGIN, key.get(options(browser, LOGIN), **how))
