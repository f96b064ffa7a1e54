"""A044: a signed access token that has not expired, after what it stands on has ended."""

from typing import Any

import pytest
from django.test import Client as Browser

from accounts import flows as accounts
from accounts.models import Organisation
from core import clock
from idp import flows
from idp.models import Client, RefreshFamily
from sessions import flows as sessions
from sessions.current import current_session_id
from sessions.models import EndReason, LoginSession
from tests.cast import Person
from tests.support import oauth
from tests.support.own_tokens import is_worth_nothing

pytestmark = pytest.mark.django_db


def revoke(tokens: dict, name: str) -> None:
    reply = oauth.send(
        "POST", "/oauth/revoke", form={"token": tokens[name]},
        authorization=oauth.basic("acme-web"),
    )  # fmt: skip
    assert reply.status == 200


CHANGES = {
    "revoked itself": lambda tokens, who, client: revoke(tokens, "access_token"),
    "refresh token revoked": lambda tokens, who, client: revoke(tokens, "refresh_token"),
    "signed out": lambda tokens, who, client: sessions.end_session(
        session=LoginSession.unscoped.get(), reason=EndReason.SIGNED_OUT, now=clock.now()
    ),
    "account closed": lambda tokens, who, client: accounts.deactivate_user(
        user=who.user, now=clock.now()
    ),
    "password changed elsewhere": lambda tokens, who, client: (
        current_session_id.set(None),
        accounts.rotate_security_stamp(user=who.user, now=clock.now()),
    ),
    "consent withdrawn": lambda tokens, who, client: flows.revoke_consent(
        user=who.user, client=client, session_id=None, now=clock.now()
    ),
    "client switched off": lambda tokens, who, client: flows.deactivate_client(
        client=client, now=clock.now(), actor=who.user
    ),
    "organisation closed": lambda tokens, who, client: Organisation.objects.update(is_active=False),
    "family replayed": lambda tokens, who, client: RefreshFamily.unscoped.update(
        revoked_at=clock.now(), revoke_reason="replayed"
    ),
    "account locked": lambda tokens, who, client: sessions.lock_account(
        user=who.user, now=clock.now()
    ),
    "person deleted": lambda tokens, who, client: who.user.delete(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_it_is_inactive_at_once(
    acme_web: Client, globex_web: Client, employee: Person, tokens: dict, change: Any
) -> None:
    assert not is_worth_nothing(tokens["access_token"])

    change(tokens, employee, acme_web)

    userinfo = oauth.send(
        "GET", "/oauth/userinfo", authorization=f"Bearer {tokens['access_token']}"
    )
    assert (userinfo.status, userinfo.error) == (401, "invalid_token")
    told = oauth.send(
        "POST", "/oauth/introspect", form={"token": tokens["access_token"]},
        authorization=oauth.basic("acme-web"),
    )  # fmt: skip
    assert told.json == {"active": False} or told.error == "invalid_client"


def test_by_the_button_as_well(acme_web: Client, client: Browser, tokens: dict) -> None:
    client.post("/accounts/logout/")

    assert is_worth_nothing(tokens["access_token"])


def test_a_machines_own_token_ends_with_it(acme_machine: Client, acme_web: Client) -> None:
    text = oauth.token(acme_machine, {"grant_type": "client_credentials"}).json["access_token"]

    def look() -> oauth.Reply:
        form = {"token": text}
        return oauth.send(
            "POST", "/oauth/introspect", form=form, authorization=oauth.basic("acme-web")
        )

    assert look().json["active"] is True
    flows.deactivate_client(client=acme_machine, now=clock.now())

    assert look().json == {"active": False}


def test_a_revoked_token_stays_so_when_the_cache_is_lost(acme_web: Client, tokens: dict) -> None:
    from django.core.cache import cache

    from idp.clients import authentication

    revoke(tokens, "access_token")
    cache.clear()
    authentication.forget()

    assert is_worth_nothing(tokens["access_token"])
    assert oauth.refresh(acme_web, tokens["refresh_token"]).status == 200
