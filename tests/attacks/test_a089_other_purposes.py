"""A089: a value that was made for one purpose, presented for another.

Every value that opens something, at every door but its own; and what our own key has signed for
another purpose, down to the same payload.
"""

import re
from collections.abc import Callable
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.core import signing
from django.core.cache import cache
from django.test import Client as Browser
from django.urls import reverse

from accounts import flows as accounts
from accounts.reset_tokens import PasswordResetTokens
from core import clock, user_codes
from idp.models import Client
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support import authorize, ciba, device, oauth, push, registering
from tests.support.machine import Machine

pytestmark = pytest.mark.django_db


class World:
    """Alice, and one value of every kind that is hers or an application's of acme."""

    def __init__(self, alice: Person, web: Client, spa: Client) -> None:
        self.alice, self.web = alice, web
        acme = alice.user.organisation
        self.browser = Browser()
        self.session: LoginSession = cast.sign_in(self.browser, alice, acr="phr")
        self.form = Browser(enforce_csrf_checks=True)
        self.bank, self.television = ciba.asker(acme), device.television(acme)
        self.machine = Machine()
        self.machine.enrolled_by(alice.user)
        self.uid = user_pk_to_url_str(alice.user)
        self.address = EmailAddress.objects.create(user=alice.user, email="new@acme.example")
        _, invitation = accounts.invite(
            organisation=acme, email="ivy@acme.example", now=clock.now()
        )
        started = device.start(self.television).json
        tokens = oauth.redeem(web, oauth.issue_code(web, self.session)).json
        self.registered = registering.register(registering.initial_token(acme)).json
        asked = authorize.authorize(self.browser, spa)["Location"]
        self.values = {
            "cookie session": self.browser.cookies[settings.SESSION_COOKIE_NAME].value,
            "form": _form_token(self.form),
            "confirmation": EmailConfirmationHMAC(self.address).key,
            "password reset": PasswordResetTokens().make_token(alice.user),
            "invitation": urlsplit(invitation).path.split("/")[2],
            "user code": started["user_code"],
            "device code": started["device_code"],
            "enrolment code": Machine().ask(Browser()).json()["user_code"],
            "nonce": self.machine.nonce(Browser()),
            "sign-in request": ciba.ask(self.bank).json["auth_req_id"],
            "authorization request": parse_qs(urlsplit(asked).query)["id"][0],
            "pushed request": push.push(web).json["request_uri"],
            "code": oauth.issue_code(web, self.session),
            "refresh token": tokens["refresh_token"],
            "access token": tokens["access_token"],
            "ID token": tokens["id_token"],
            "initial access token": registering.initial_token(acme),
            "registration access token": self.registered["registration_access_token"],
            "known browser": self.browser.cookies.get(settings.BROWSER_COOKIE_NAME, "-"),
        }


def _form_token(browser: Browser) -> str:
    page = browser.get(reverse("account_login")).content.decode()
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert found is not None
    return found[1]


# --- the doors: whether a value opens them --------------------------------------------------------


def by_cookie(world: World, value: str) -> bool:
    thief = Browser()
    thief.cookies[settings.SESSION_COOKIE_NAME] = value
    return thief.get("/sessions/").status_code == 200


def by_form(world: World, value: str) -> bool:
    form = {"login": "x@acme.example", "password": "x", "csrfmiddlewaretoken": value}
    return world.form.post(reverse("account_login"), form).status_code != 403


def by_confirmation(world: World, value: str) -> bool:
    world.browser.post(f"/accounts/confirm-email/{quote(value)}/")
    world.address.refresh_from_db()
    return world.address.verified


def by_reset(world: World, value: str) -> bool:
    path = f"/accounts/password/reset/key/{world.uid}-{quote(value, safe='')}/"
    page = Browser().get(path, follow=True)
    return page.status_code == 200 and not page.context.get("token_fail", False)


def by_invitation(world: World, value: str) -> bool:
    return Browser().get(f"/invitations/{quote(value, safe='')}/").status_code == 200


def by_user_code(world: World, value: str) -> bool:
    answer = device.enter(world.browser, value)
    return answer.headers.get("Location", "").startswith("/device/confirm/")


def by_enrolment_code(world: World, value: str) -> bool:
    answer = world.browser.post("/devices/enrol/", {"user_code": value})
    return answer.headers.get("Location", "").startswith("/devices/enrol/confirm/")


def by_nonce(world: World, value: str) -> bool:
    signed = world.machine.signed(world.machine.claims(value))
    return world.machine.send(Browser(), signed).status_code == 200


def by_authorization_request(world: World, value: str) -> bool:
    return world.browser.get("/oauth/consent", {"id": value}).status_code == 200


def by_pushed_request(world: World, value: str) -> bool:
    prefix = "" if value.startswith("urn:") else "urn:ietf:params:oauth:request_uri:"
    query = {"client_id": world.web.client_id, "request_uri": prefix + value}
    return world.browser.get("/oauth/authorize", query).status_code < 400


def waits(reply: oauth.Reply) -> bool:
    return reply.status == 200 or reply.error in {"authorization_pending", "slow_down"}


DOORS: dict[str, Callable[[World, str], bool]] = {
    "cookie session": by_cookie,
    "form": by_form,
    "confirmation": by_confirmation,
    "password reset": by_reset,
    "invitation": by_invitation,
    "user code": by_user_code,
    "enrolment code": by_enrolment_code,
    "nonce": by_nonce,
    "authorization request": by_authorization_request,
    "pushed request": by_pushed_request,
    "device code": lambda world, value: waits(device.poll(world.television, value)),
    "sign-in request": lambda world, value: waits(ciba.poll(world.bank, value)),
    "code": lambda world, value: oauth.redeem(world.web, value).status == 200,
    "refresh token": lambda world, value: oauth.refresh(world.web, value).status == 200,
    "access token": lambda _, value: (
        oauth.send("GET", "/oauth/userinfo", authorization=f"Bearer {value}").status == 200
    ),
    "initial access token": lambda _, value: registering.register(value).status == 201,
    "registration access token": lambda world, value: (
        registering.manage("GET", world.registered, token=value).status == 200
    ),
}


@pytest.fixture
def world(employee: Person, acme_web: Client, acme_spa: Client) -> World:
    return World(employee, acme_web, acme_spa)


@pytest.mark.parametrize("name", DOORS)
def test_only_its_own_value_opens_a_door(world: World, name: str) -> None:
    opened = []
    for kind, value in world.values.items():
        cache.clear()  # it is the value that is refused, not how often one was tried
        if kind != name and DOORS[name](world, str(value)):
            opened.append(kind)
    cache.clear()

    assert opened == []
    assert DOORS[name](world, world.values[name]), "its own does"


OTHER_PURPOSES = [
    "django.contrib.messages", "django.core.signing", "invitation", "sessions.browser_state",
    "django.contrib.auth.tokens.PasswordResetTokenGenerator", "account.", "",
]  # fmt: skip


@pytest.mark.parametrize("salt", OTHER_PURPOSES)
def test_our_own_signature_of_another_purpose_confirms_no_address(world: World, salt: str) -> None:
    forged = signing.dumps(world.address.pk, salt=salt)

    assert not by_confirmation(world, forged)
    assert by_confirmation(world, world.values["confirmation"])


@pytest.mark.parametrize("salt", OTHER_PURPOSES[:4])
def test_our_own_token_of_another_purpose_resets_no_password(
    world: World, salt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = PasswordResetTokens()
    monkeypatch.setattr(others, "key_salt", salt)

    assert not by_reset(world, others.make_token(world.alice.user))
    assert by_reset(world, world.values["password reset"])


def test_the_same_code_for_two_purposes_is_kept_as_two_digests() -> None:
    code = user_codes.new_user_code()
    purposes = ("device user code", "enrolment user code")

    assert len({user_codes.keyed_digest(code, purpose=purpose) for purpose in purposes}) == 2
