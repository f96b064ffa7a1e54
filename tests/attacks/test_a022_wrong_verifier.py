"""A022: a challenge was sent, and the verifier is missing, empty, too short, too long or wrong."""

import pytest

from audit.events import Event
from audit.models import AuditEvent
from idp.models import AuthorizationCode, RefreshFamily
from idp.storage.codes import MAX_WRONG_VERIFIERS
from tests import cast
from tests.support import oauth
from tests.support.authorize import answer, authorize
from tests.support.racing import race

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("verifier", [None, "", "v" * 42, "v" * 129, "w" * 64, "v" * 63 + "\0"])
def test_nothing_is_given_and_it_is_written_down(client, session, acme_web, verifier):
    code = answer(authorize(client, acme_web))["code"]

    reply = oauth.redeem(acme_web, code, code_verifier=verifier)

    assert reply.status == 400
    assert reply.error == ("invalid_request" if verifier and "\0" in verifier else "invalid_grant")
    assert AuthorizationCode.unscoped.get().used_at is None
    assert not RefreshFamily.unscoped.exists()
    if reply.error == "invalid_grant":
        event = AuditEvent.objects.get(event=Event.CODE_MISUSED)
        assert event.organisation_id == acme_web.organisation_id


@pytest.mark.parametrize("verifier", [None, "", "v" * 42, "v" * 129, "w" * 64])
def test_the_third_ends_the_code(client, session, acme_web, verifier):
    code = answer(authorize(client, acme_web))["code"]

    for tries in range(1, MAX_WRONG_VERIFIERS + 1):
        assert oauth.redeem(acme_web, code, code_verifier=verifier).error == "invalid_grant"
        assert AuthorizationCode.unscoped.get().wrong_verifiers == tries

    assert oauth.redeem(acme_web, code).error == "invalid_grant"
    assert AuthorizationCode.unscoped.get().used_at is None
    assert not RefreshFamily.unscoped.exists()
    events = AuditEvent.objects.filter(event=Event.CODE_MISUSED).order_by("id")
    assert [event.facts["wrong_verifiers"] for event in events] == [1, 2, 3, 3]


def test_before_that_the_right_one_is_still_good(acme_web, code):
    for _ in range(MAX_WRONG_VERIFIERS - 1):
        oauth.redeem(acme_web, code, code_verifier="w" * 64)

    assert oauth.redeem(acme_web, code).status == 200
    assert RefreshFamily.unscoped.count() == 1


@pytest.mark.parametrize(
    "changes", [{"redirect_uri": "https://evil.example/"}, {"client": "thief"}]
)
def test_other_mistakes_are_not_counted(acme, acme_web, code, changes):
    """Else whoever has no more than the code could spoil it for its owner."""
    who = cast.client("thief", acme) if "client" in changes else acme_web
    uri = changes.get("redirect_uri", cast.REDIRECT_URI)
    for _ in range(MAX_WRONG_VERIFIERS + 1):
        assert oauth.redeem(who, code, code_verifier="w" * 64, redirect_uri=uri).status == 400

    assert AuthorizationCode.unscoped.get().wrong_verifiers == 0
    assert oauth.redeem(acme_web, code).status == 200


@pytest.mark.django_db(transaction=True)
def test_guesses_at_the_same_time_are_counted_one_by_one(acme_web, code):
    replies = race(
        lambda number: oauth.redeem(acme_web, code, code_verifier=f"{number:064d}"), runners=20
    )

    assert {(reply.status, reply.error) for reply in replies} == {(400, "invalid_grant")}
    assert AuthorizationCode.unscoped.get().wrong_verifiers == MAX_WRONG_VERIFIERS
    assert oauth.redeem(acme_web, code).error == "invalid_grant"
    assert not RefreshFamily.unscoped.exists()
    assert AuditEvent.objects.filter(event=Event.CODE_MISUSED).count() == 21
