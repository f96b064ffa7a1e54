"""A024: one code is redeemed twice in sequence."""

import pytest

from audit.events import Event
from audit.models import AuditEvent
from audit.recorder import ref
from idp.models import RefreshFamily
from tests.support import oauth

pytestmark = pytest.mark.django_db


def test_the_second_use_revokes_what_the_first_produced(acme_web, code, tokens):
    replay = oauth.redeem(acme_web, code)

    assert (replay.status, replay.error) == (400, "invalid_grant")
    assert oauth.refresh(acme_web, tokens["refresh_token"]).error == "invalid_grant"
    reply = oauth.send("GET", "/oauth/userinfo", authorization=f"Bearer {tokens['access_token']}")
    assert reply.error == "invalid_token"
    assert RefreshFamily.unscoped.get().revoke_reason == "code_replayed"
    assert AuditEvent.objects.filter(event=Event.CODE_REPLAYED).count() == 1
    event = AuditEvent.objects.get(event=Event.REFRESH_FAMILY_REVOKED)
    assert event.actor == ref(acme_web)


def test_an_expired_code_is_refused(acme_web, code, later):
    later(seconds=60)

    assert oauth.redeem(acme_web, code).error == "invalid_grant"
    assert not RefreshFamily.unscoped.exists()
