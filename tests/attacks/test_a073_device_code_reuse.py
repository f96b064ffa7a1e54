"""A073: a device code is redeemed twice, by fifty at once, by another client, or late."""

import pytest
from django.test import Client as Browser

from audit.events import Event
from audit.models import AuditEvent
from audit.recorder import ref
from idp.models import Client, RefreshFamily
from tests.support import device, oauth
from tests.support.racing import race

pytestmark = pytest.mark.django_db


@pytest.fixture
def tv(acme) -> Client:
    return device.television(acme)


@pytest.fixture
def approved(client: Browser, session, tv) -> str:
    """A device code that its owner has allowed."""
    codes = device.start(tv).json
    device.decide(client, codes["user_code"])
    return codes["device_code"]


def redeemed() -> int:
    return AuditEvent.objects.filter(event=Event.DEVICE_AUTHORIZATION_REDEEMED).count()


def test_the_second_time_ends_what_the_first_gave(tv, approved):
    tokens = device.poll(tv, approved).json

    assert device.poll(tv, approved).error == "invalid_grant"

    assert (RefreshFamily.unscoped.count(), redeemed()) == (1, 1)
    assert RefreshFamily.unscoped.get().revoke_reason == "code_replayed"
    assert oauth.refresh(tv, tokens["refresh_token"]).error == "invalid_grant"
    assert AuditEvent.objects.filter(event=Event.DEVICE_CODE_REPLAYED).count() == 1
    assert AuditEvent.objects.get(event=Event.REFRESH_FAMILY_REVOKED).actor == ref(tv)


@pytest.mark.django_db(transaction=True)
def test_of_fifty_at_once_one_wins(tv, approved):
    replies = race(lambda _: device.poll(tv, approved), runners=50)

    assert sorted(reply.status for reply in replies) == [200] + [400] * 49
    assert {reply.error for reply in replies if reply.status == 400} == {"invalid_grant"}
    assert (RefreshFamily.unscoped.count(), redeemed()) == (1, 1)


@pytest.mark.parametrize("other", ["another-tv", "globex-tv"])
def test_another_client_gets_nothing_and_spoils_nothing(acme, globex, tv, approved, other):
    thief = device.television(globex if other == "globex-tv" else acme, other)

    assert device.poll(thief, approved).error == "invalid_grant"

    assert AuditEvent.objects.filter(event=Event.DEVICE_CODE_MISUSED).count() == 1
    assert redeemed() == 0
    assert device.poll(tv, approved).status == 200


def test_late_is_never(tv, approved, later):
    later(minutes=10)

    assert device.poll(tv, approved).error == "expired_token"
    assert redeemed() == 0


@pytest.mark.parametrize("code", ["x", "x" * 43, "é", "\u202e"])
def test_a_made_up_code(tv, code):
    assert device.poll(tv, code).error == "invalid_grant"
    assert not RefreshFamily.unscoped.exists()
