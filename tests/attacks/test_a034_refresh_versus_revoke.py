"""A034: a token is refreshed and revoked at the same time."""

import pytest

from audit.events import Event
from audit.models import AuditEvent
from idp.grants.refresh_token import RefreshTokenGrant
from idp.models import RefreshFamily
from tests.support import oauth
from tests.support.racing import race

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 40
either = pytest.mark.parametrize("uses", [0, 1], ids=["new to the process", "seen by it"])


def used(client, token, uses):
    """The token after so many uses; after one, the process judges by what it has seen."""
    for _ in range(uses):
        token = oauth.refresh(client, token).json["refresh_token"]
    return token


@either
def test_after_a_revoke_no_descendant_lives(acme_web, session, uses):
    for _ in range(ROUNDS // 2):
        token = oauth.redeem(acme_web, oauth.issue_code(acme_web, session)).json["refresh_token"]
        token = used(acme_web, token, uses)

        def act(number: int, token: str = token) -> oauth.Reply:
            if number % 2:
                return oauth.refresh(acme_web, token)
            return oauth.send(
                "POST",
                "/oauth/revoke",
                form={"token": token},
                authorization=oauth.basic(acme_web.client_id),
            )

        replies = race(act, runners=4)

        assert replies[0].status == 200
        for reply in replies[1::2]:
            if reply.status == 200:
                assert oauth.refresh(acme_web, reply.json["refresh_token"]).error == "invalid_grant"
    assert not RefreshFamily.unscoped.filter(revoked_at=None).exists()


@either
def test_a_revoke_between_the_look_and_the_rotation_wins(acme_web, tokens, monkeypatch, uses):
    token = used(acme_web, tokens["refresh_token"], uses)
    rotate = RefreshTokenGrant._rotate

    def revoke(_: int) -> oauth.Reply:
        return oauth.send(
            "POST",
            "/oauth/revoke",
            form={"token": token},
            authorization=oauth.basic(acme_web.client_id),
        )

    def overtaken(self, client, presented):
        assert race(revoke, runners=1)[0].status == 200
        return rotate(self, client, presented)

    monkeypatch.setattr(RefreshTokenGrant, "_rotate", overtaken)

    reply = oauth.refresh(acme_web, token)

    assert (reply.status, reply.error) == (400, "invalid_grant")
    assert RefreshFamily.unscoped.get().generation == uses
    assert AuditEvent.objects.filter(event=Event.REFRESH_TOKEN_ROTATED).count() == uses
