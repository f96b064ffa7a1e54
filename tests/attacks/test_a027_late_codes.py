"""A027: a code is redeemed late, or after what it stood on has gone."""

import pytest

from accounts import flows as accounts
from audit.events import Event
from audit.models import AuditEvent
from core import clock
from idp import flows
from idp.models import Client, RefreshFamily
from sessions.current import current_session_id
from sessions.models import LoginSession
from tests import cast
from tests.support import oauth

pytestmark = pytest.mark.django_db


def nothing_came_of_it() -> bool:
    return (
        not RefreshFamily.unscoped.exists()
        and not AuditEvent.objects.filter(event=Event.CODE_REDEEMED).exists()
    )


@pytest.mark.parametrize("seconds", [60, 61, 3_600])
def test_after_a_minute_it_is_over(acme_web, code, later, seconds):
    later(seconds=seconds)

    assert oauth.redeem(acme_web, code).error == "invalid_grant"
    assert nothing_came_of_it()
    assert AuditEvent.objects.filter(event=Event.CODE_MISUSED).count() == 1


def test_until_then_it_is_good(acme_web, code, later):
    later(seconds=58)

    assert oauth.redeem(acme_web, code).status == 200


def close_the_account(who: cast.Person, client: Client) -> None:
    accounts.deactivate_user(user=who.user, now=clock.now())


def reset_the_password(who: cast.Person, client: Client) -> None:
    current_session_id.set(None)  # by a link of a mail, in no session
    accounts.rotate_security_stamp(user=who.user, now=clock.now())


def withdraw_consent(who: cast.Person, client: Client) -> None:
    flows.revoke_consent(user=who.user, client=client, session_id=None, now=clock.now())


def end_the_session(who: cast.Person, client: Client) -> None:
    LoginSession.unscoped.filter(user=who.user).update(ended_at=clock.now())


def switch_the_client_off(who: cast.Person, client: Client) -> None:
    flows.deactivate_client(client=client, now=clock.now(), actor=who.user)


def take_the_role(who: cast.Person, client: Client) -> None:
    """A client that asks for two factors, of a session that has but one left."""
    Client.unscoped.filter(pk=client.pk).update(required_acr="aal2")
    LoginSession.unscoped.filter(user=who.user).update(acr="aal1")


@pytest.mark.parametrize(
    "change",
    [
        close_the_account, reset_the_password, withdraw_consent, end_the_session,
        switch_the_client_off, take_the_role,
    ],
)  # fmt: skip
def test_after_a_change_it_brings_nothing(acme_web, employee, code, change):
    change(employee, acme_web)

    reply = oauth.redeem(acme_web, code)

    assert reply.error in {"invalid_grant", "invalid_client"}
    assert reply.status in {400, 401}
    assert nothing_came_of_it()
    if reply.error == "invalid_grant":
        noted = AuditEvent.objects.filter(event__in=[Event.TOKEN_REFUSED, Event.CODE_MISUSED])
        assert noted.count() == 1
