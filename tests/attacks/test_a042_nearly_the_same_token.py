"""A042: an opaque token or code is shown cut, padded, in another case or with a space."""

from collections.abc import Callable

import pytest

from audit.models import AuditEvent
from idp.models import AuthorizationCode, Client, InitialAccessToken, RefreshFamily
from tests.support import device, oauth
from tests.support.registering import initial_token, manage, register

pytestmark = pytest.mark.django_db


def other_case(text: str) -> str:
    return text.swapcase()


def last_bits(text: str) -> str:
    """The last character carries bits that a lax decoder drops."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return text[:-1] + alphabet[alphabet.index(text[-1]) ^ 1]


TWISTS: dict[str, Callable[[str], str]] = {
    "cut at the end": lambda text: text[:-1],
    "cut at the front": lambda text: text[1:],
    "half": lambda text: text[: len(text) // 2],
    "padded": lambda text: f"{text}=",
    "longer": lambda text: f"{text}A",
    "space before": lambda text: f" {text}",
    "space behind": lambda text: f"{text} ",
    "newline behind": lambda text: f"{text}\n",
    "tab": lambda text: f"{text}\t",
    "other case": other_case,
    "last bits": last_bits,
    "twice": lambda text: text * 2,
    "standard alphabet": lambda text: text.replace("-", "+").replace("_", "/") + "+",
    "zero width": lambda text: f"{text}\u200b",
}
twists = pytest.mark.parametrize("twist", TWISTS.values(), ids=TWISTS)


@twists
def test_a_code(acme_web: Client, code: str, twist: Callable[[str], str]) -> None:
    assert oauth.redeem(acme_web, twist(code)).error == "invalid_grant"
    assert AuthorizationCode.unscoped.get().used_at is None
    assert not RefreshFamily.unscoped.exists()


@twists
def test_a_refresh_token(acme_web: Client, tokens: dict, twist: Callable[[str], str]) -> None:
    token = twist(tokens["refresh_token"])

    assert oauth.refresh(acme_web, token).error == "invalid_grant"
    revoked = oauth.send(
        "POST", "/oauth/revoke", form={"token": token},
        authorization=oauth.basic(acme_web.client_id),
    )  # fmt: skip
    assert revoked.status == 200
    family = RefreshFamily.unscoped.get()
    assert (family.generation, family.revoked_at) == (0, None)
    assert not AuditEvent.objects.filter(event="idp.refresh_token.replayed").exists()


@twists
def test_a_device_code(acme, client, session, twist: Callable[[str], str]) -> None:
    tv = device.television(acme)
    codes = device.start(tv).json
    device.decide(client, codes["user_code"])

    assert device.poll(tv, twist(codes["device_code"])).error == "invalid_grant"
    assert not RefreshFamily.unscoped.exists()


@twists
def test_tokens_of_registration(acme, twist: Callable[[str], str]) -> None:
    token = initial_token(acme)
    registered = register(token).json
    before = Client.unscoped.count()
    left = InitialAccessToken.unscoped.get().uses_left

    # Spaces around a header's value are no part of it (RFC 9110 §5.5).
    shown, own = twist(token), twist(registered["registration_access_token"])
    if shown.strip(" \t\r\n") == token or not shown.isascii():
        return
    assert register(shown).error == "invalid_token"
    assert manage("GET", registered, own).error == "invalid_token"
    assert Client.unscoped.count() == before
    assert InitialAccessToken.unscoped.get().uses_left == left


@twists
def test_a_client_secret(acme_web: Client, tokens: dict, twist: Callable[[str], str]) -> None:
    from tests import cast

    secret = twist(cast.SECRET)
    if not secret.isascii():
        return
    reply = oauth.send(
        "POST", "/oauth/token", form={"grant_type": "refresh_token", "refresh_token": "x"},
        authorization=oauth.basic(acme_web.client_id, secret.replace("+", "%2B")),
    )  # fmt: skip

    assert (reply.status, reply.error) == (401, "invalid_client")
