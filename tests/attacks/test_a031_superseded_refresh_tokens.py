"""A031: a refresh token is shown that others have taken the place of."""

import pytest

from audit.events import Event
from audit.models import AuditEvent
from audit.recorder import ref
from idp.models import RefreshFamily
from tests.support import oauth
from tests.support.own_tokens import is_worth_nothing

pytestmark = pytest.mark.django_db


def rotate(client, tokens, times):
    """All answers, the first one included."""
    answers = [tokens]
    for _ in range(times):
        answers.append(oauth.refresh(client, answers[-1]["refresh_token"]).json)
    return answers


@pytest.mark.parametrize("generations_back", [2, 5])
@pytest.mark.parametrize("seconds", [0, 5, 3_600])
def test_an_old_one_ends_the_family_even_within_the_window(
    acme_web, tokens, later, generations_back, seconds
):
    answers = rotate(acme_web, tokens, generations_back)
    later(seconds=seconds)

    reply = oauth.refresh(acme_web, answers[0]["refresh_token"])

    assert (reply.status, reply.error) == (400, "invalid_grant")
    everything_is_over(acme_web, answers, live=generations_back)


def everything_is_over(client, answers, *, live):
    family = RefreshFamily.unscoped.get()
    assert (family.revoke_reason, family.generation) == ("replayed", live)
    for answer in answers:
        assert is_worth_nothing(answer["access_token"])
        assert oauth.refresh(client, answer["refresh_token"]).error == "invalid_grant"
    event = AuditEvent.objects.filter(event=Event.REFRESH_TOKEN_REPLAYED).order_by("id").first()
    assert event is not None
    assert (event.facts["generation"], event.facts["live_generation"]) == (0, live)
    revoked = AuditEvent.objects.get(event=Event.REFRESH_FAMILY_REVOKED)
    assert revoked.actor == ref(client)


def test_the_last_one_after_the_window(acme_web, tokens, later):
    answers = rotate(acme_web, tokens, 1)
    later(seconds=11)

    assert oauth.refresh(acme_web, tokens["refresh_token"]).error == "invalid_grant"
    everything_is_over(acme_web, answers, live=1)


def test_the_last_one_within_the_window_once_its_successor_is_used(acme_web, tokens):
    answers = rotate(acme_web, tokens, 2)

    assert oauth.refresh(acme_web, tokens["refresh_token"]).error == "invalid_grant"
    everything_is_over(acme_web, answers, live=2)


def test_within_the_window_it_brings_the_same_successor_and_nothing_newer(acme_web, tokens):
    answers = rotate(acme_web, tokens, 1)

    again = oauth.refresh(acme_web, tokens["refresh_token"]).json

    assert again["refresh_token"] == answers[1]["refresh_token"]
    assert RefreshFamily.unscoped.get().generation == 1
