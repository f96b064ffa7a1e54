"""A030: one refresh token is used by many at once: one successor, ever."""

import pytest

from audit.events import Event
from audit.models import AuditEvent
from idp.models import RefreshFamily
from tests.support import oauth
from tests.support.racing import race

pytestmark = pytest.mark.django_db(transaction=True)

RUNNERS, TIMES = 20, 25


def test_all_get_the_same_successor(acme_web, tokens):
    def use(_: int) -> list[oauth.Reply]:
        return [oauth.refresh(acme_web, tokens["refresh_token"]) for _ in range(TIMES)]

    replies = [reply for some in race(use, runners=RUNNERS) for reply in some]

    successors = {reply.json["refresh_token"] for reply in replies if reply.status == 200}
    assert len(successors) == 1
    assert {reply.status for reply in replies} <= {200, 400}
    family = RefreshFamily.unscoped.get()
    assert family.generation == 1
    assert family.revoked_at is None, "a lost answer signs nobody out"
    rotations = AuditEvent.objects.filter(event=Event.REFRESH_TOKEN_ROTATED)
    assert rotations.filter(facts__is_retry=False).count() == 1


def test_the_one_successor_goes_on(acme_web, tokens):
    race(lambda _: oauth.refresh(acme_web, tokens["refresh_token"]), runners=10)
    successor = oauth.refresh(acme_web, tokens["refresh_token"]).json["refresh_token"]

    assert oauth.refresh(acme_web, successor).status == 200
