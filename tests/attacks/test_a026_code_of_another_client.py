"""A026: client A's code is redeemed as client B, confidential or public."""

import pytest

from audit.events import Event
from audit.models import AuditEvent
from idp.models import AuthorizationCode, RefreshFamily
from tests import cast
from tests.support import oauth

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("kind", ["confidential", "public"])
def test_the_wrong_client_gets_nothing_and_spends_nothing(acme, acme_web, code, kind):
    thief = cast.client("thief", acme, kind=kind)

    reply = oauth.redeem(thief, code)

    assert (reply.status, reply.error) == (400, "invalid_grant")
    assert AuthorizationCode.unscoped.get().used_at is None
    assert not RefreshFamily.unscoped.exists()
    assert AuditEvent.objects.filter(event=Event.CODE_MISUSED).count() == 1
    assert oauth.redeem(acme_web, code).status == 200


def test_a_client_cannot_pass_as_public_to_skip_its_secret(acme_web, code):
    reply = oauth.send(
        "POST",
        "/oauth/token",
        form={
            "grant_type": "authorization_code",
            "client_id": acme_web.client_id,
            "code": code,
            "redirect_uri": cast.REDIRECT_URI,
            "code_verifier": oauth.VERIFIER,
        },
    )

    assert (reply.status, reply.error) == (401, "invalid_client")
    assert AuthorizationCode.unscoped.get().used_at is None


@pytest.mark.parametrize("uri", [None, "https://evil.example/", cast.REDIRECT_URI + "/"])
def test_another_redirect_uri_redeems_nothing(acme_web, code, uri):
    reply = oauth.redeem(acme_web, code, redirect_uri=uri)

    assert reply.status == 400
    assert not RefreshFamily.unscoped.exists()


def test_a_refresh_token_shown_by_another_client_has_leaked(acme, acme_web, tokens):
    thief = cast.client("thief", acme)

    assert oauth.refresh(thief, tokens["refresh_token"]).error == "invalid_grant"
    assert RefreshFamily.unscoped.get().revoke_reason == "replayed"
    assert AuditEvent.objects.filter(event=Event.REFRESH_TOKEN_REPLAYED).count() == 1
