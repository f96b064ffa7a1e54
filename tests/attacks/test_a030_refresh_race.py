"""A030: one refresh token is used by many at once: one successor, ever."""

from datetime import timedelta

import pytest

from audit.events import Event
from audit.models import AuditEvent
from idp.grants.refresh_token import RefreshTokenGrant
from idp.models import RefreshFamily
from tests.support import oauth
from tests.support.racing import race

pytestmark = pytest.mark.django_db(transaction=True)

RUNNERS, TIMES = 20, 25


@pytest.fixture(autouse=True)
def _however_slow_this_machine_is(settings):
    """A lost answer may be asked for again for so long; later than that it would be a replay."""
    settings.REFRESH_RETRY_WINDOW = timedelta(hours=1)


@pytest.mark.parametrize("uses", [0, 1], ids=["new to the process", "seen by it"])
def test_all_get_the_same_successor(acme_web, tokens, uses):
    for _ in range(uses):
        tokens = oauth.refresh(acme_web, tokens["refresh_token"]).json

    def use(_: int) -> list[oauth.Reply]:
        return [oauth.refresh(acme_web, tokens["refresh_token"]) for _ in range(TIMES)]

    replies = [reply for some in race(use, runners=RUNNERS) for reply in some]

    assert {reply.status for reply in replies} == {200}
    assert len({reply.json["refresh_token"] for reply in replies}) == 1
    family = RefreshFamily.unscoped.get()
    assert family.generation == uses + 1
    assert family.revoked_at is None, "a lost answer signs nobody out"
    rotations = AuditEvent.objects.filter(event=Event.REFRESH_TOKEN_ROTATED)
    assert rotations.filter(facts__is_retry=False).count() == uses + 1


def test_the_one_successor_goes_on(acme_web, tokens):
    race(lambda _: oauth.refresh(acme_web, tokens["refresh_token"]), runners=10)
    successor = oauth.refresh(acme_web, tokens["refresh_token"]).json["refresh_token"]

    assert oauth.refresh(acme_web, successor).status == 200


def test_a_rotation_between_the_look_and_the_rotation_wins(acme_web, tokens, monkeypatch):
    """The same once more, whatever the order in which threads run."""
    rotate, first = RefreshTokenGrant._rotate, []

    def overtaken(self, client, presented):
        if not first:
            first.append(None)
            first[:] = race(lambda _: oauth.refresh(acme_web, tokens["refresh_token"]), runners=1)
        return rotate(self, client, presented)

    monkeypatch.setattr(RefreshTokenGrant, "_rotate", overtaken)

    second = oauth.refresh(acme_web, tokens["refresh_token"])

    assert [reply.status for reply in (*first, second)] == [200, 200]
    assert first[0].json["refresh_token"] == second.json["refresh_token"]
    assert RefreshFamily.unscoped.get().generation == 1
    assert RefreshFamily.unscoped.get().revoked_at is None
