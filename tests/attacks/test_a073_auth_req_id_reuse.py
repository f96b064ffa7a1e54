"""A073: an auth_req_id is redeemed twice, by fifty at once, by another client, or late."""

from typing import Any

import pytest
from django.test import Client as Browser

from audit.events import Event
from audit.models import AuditEvent
from idp.models import BackchannelAuthentication, Client, RefreshFamily
from tests.cast import Person
from tests.support import ciba, oauth
from tests.support.racing import race

pytestmark = pytest.mark.django_db


@pytest.fixture
def bank(acme: Any, employee: Person) -> Client:
    return ciba.asker(acme)


@pytest.fixture
def approved(client: Browser, session: Any, bank: Client) -> str:
    """An auth_req_id that its person has allowed."""
    auth_req_id = ciba.ask(bank).json["auth_req_id"]
    ciba.decide(client)
    return auth_req_id


def redeemed() -> int:
    return AuditEvent.objects.filter(event=Event.BACKCHANNEL_AUTHENTICATION_REDEEMED).count()


def test_the_second_time_ends_what_the_first_gave(bank: Client, approved: str) -> None:
    tokens = ciba.poll(bank, approved).json

    assert ciba.poll(bank, approved).error == "invalid_grant"

    assert (RefreshFamily.unscoped.count(), redeemed()) == (1, 1)
    assert RefreshFamily.unscoped.get().revoke_reason == "code_replayed"
    assert oauth.refresh(bank, tokens["refresh_token"]).error == "invalid_grant"
    assert AuditEvent.objects.filter(event=Event.AUTH_REQ_ID_REPLAYED).count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_fifty_at_once_one_wins(bank: Client, approved: str) -> None:
    replies = race(lambda _: ciba.poll(bank, approved), runners=50)

    assert sorted(reply.status for reply in replies) == [200] + [400] * 49
    assert {reply.error for reply in replies if reply.status == 400} == {"invalid_grant"}
    assert (RefreshFamily.unscoped.count(), redeemed()) == (1, 1)


@pytest.mark.parametrize("other", ["another-bank", "globex-bank"])
def test_another_client_gets_nothing_and_spoils_nothing(
    acme: Any, globex: Any, bank: Client, approved: str, other: str
) -> None:
    thief = ciba.asker(globex if other == "globex-bank" else acme, other)

    assert ciba.poll(thief, approved).error == "invalid_grant"

    assert AuditEvent.objects.filter(event=Event.AUTH_REQ_ID_MISUSED).count() == 1
    assert redeemed() == 0
    assert ciba.poll(bank, approved).status == 200


def test_another_client_cannot_poll_it_to_be_slow(acme: Any, bank: Client) -> None:
    auth_req_id = ciba.ask(bank).json["auth_req_id"]
    thief = ciba.asker(acme, "another-bank")
    for _ in range(3):
        assert ciba.poll(thief, auth_req_id).error == "invalid_grant"

    assert BackchannelAuthentication.unscoped.get().interval_seconds == 5
    assert ciba.poll(bank, auth_req_id).error == "authorization_pending"


def test_late_is_never(bank: Client, approved: str, later: Any) -> None:
    later(minutes=10)

    assert ciba.poll(bank, approved).error == "expired_token"
    assert redeemed() == 0


def test_it_is_no_device_code_and_a_device_code_is_none(bank: Client, approved: str) -> None:
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": approved}

    assert oauth.token(bank, form).error == "unauthorized_client"
    assert ciba.poll(bank, approved).status == 200


@pytest.mark.parametrize("auth_req_id", ["x", "x" * 43, "é", "\u202e"])
def test_a_made_up_one(bank: Client, auth_req_id: str) -> None:
    assert ciba.poll(bank, auth_req_id).error == "invalid_grant"
    assert not RefreshFamily.unscoped.exists()
