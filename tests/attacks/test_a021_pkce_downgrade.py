"""A021: a code_verifier is shown for a code that had no challenge, or none for one that had."""

import pytest

from audit.events import Event
from audit.models import AuditEvent
from idp.models import AuthorizationCode, RefreshFamily
from tests.support import oauth

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("challenge", "verifier", "error"),
    [
        ("", oauth.VERIFIER, "invalid_grant"),
        ("", None, "invalid_request"),
        (oauth.s256(oauth.VERIFIER), None, "invalid_request"),
        (oauth.s256(oauth.VERIFIER), "w" * 64, "invalid_grant"),
        (oauth.VERIFIER[:43], oauth.VERIFIER[:43], "invalid_grant"),
        (oauth.s256(oauth.VERIFIER), "v" * 42, "invalid_grant"),
        (oauth.s256(oauth.VERIFIER), "v" * 129, "invalid_grant"),
        (oauth.s256(oauth.VERIFIER), "é" * 64, "invalid_grant"),
    ],
    ids=[
        "no challenge", "neither", "no verifier", "another verifier", "plain", "too short",
        "too long", "not ascii",
    ],
)  # fmt: skip
def test_only_the_verifier_of_the_challenge_redeems(acme_web, session, challenge, verifier, error):
    code = oauth.issue_code(acme_web, session, challenge=challenge)

    reply = oauth.redeem(acme_web, code, code_verifier=verifier)

    assert (reply.status, reply.error) == (400, error)
    assert AuthorizationCode.unscoped.get().used_at is None
    assert not RefreshFamily.unscoped.exists()
    if error == "invalid_grant" and verifier and verifier.isascii() and 43 <= len(verifier) <= 128:
        assert AuditEvent.objects.filter(event=Event.CODE_MISUSED).count() == 1
