"""A021: a code_verifier is shown for a code that had no challenge, or none for one that had."""

import pytest

from audit.events import Event
from audit.models import AuditEvent
from idp.models import AuthorizationCode, Client, RefreshFamily
from tests import cast
from tests.support import oauth
from tests.support.authorize import answer, authorize

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("challenge", "verifier", "error"),
    [
        ("", oauth.VERIFIER, "invalid_grant"),
        ("", None, "invalid_grant"),
        (oauth.s256(oauth.VERIFIER), None, "invalid_grant"),
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
    assert AuditEvent.objects.filter(event=Event.CODE_MISUSED).count() == 1


class TestAClientThatMayDoWithout:
    """metadata.require_pkce is off: for certification against plain OpenID Connect Core."""

    @pytest.fixture
    def lax(self, acme_web):
        Client.unscoped.filter(pk=acme_web.pk).update(metadata={"require_pkce": False})
        acme_web.refresh_from_db()
        return acme_web

    def test_neither_challenge_nor_verifier(self, client, session, lax):
        values = answer(authorize(client, lax, code_challenge=None, code_challenge_method=None))

        assert oauth.redeem(lax, values["code"], code_verifier=None).status == 200

    def test_a_verifier_for_a_code_without_challenge_is_a_downgrade(self, client, session, lax):
        values = answer(authorize(client, lax, code_challenge=None, code_challenge_method=None))

        reply = oauth.redeem(lax, values["code"])

        assert (reply.status, reply.error) == (400, "invalid_grant")
        assert not RefreshFamily.unscoped.exists()
        assert AuditEvent.objects.filter(event=Event.CODE_MISUSED).count() == 1

    @pytest.mark.parametrize("verifier", [None, "w" * 64])
    def test_a_challenge_that_was_sent_is_enforced(self, client, session, lax, verifier):
        values = answer(authorize(client, lax))

        reply = oauth.redeem(lax, values["code"], code_verifier=verifier)

        assert (reply.status, reply.error) == (400, "invalid_grant")
        assert not RefreshFamily.unscoped.exists()
        assert oauth.redeem(lax, values["code"]).status == 200

    @pytest.mark.parametrize(
        "changes",
        [
            {"code_challenge_method": None},
            {"code_challenge_method": "plain"},
            {"code_challenge": None},
            {"code_challenge": "short"},
        ],
    )
    def test_half_a_challenge_is_refused(self, client, session, lax, changes):
        assert answer(authorize(client, lax, **changes))["error"] == "invalid_request"

    @pytest.mark.parametrize(
        ("kind", "metadata"),
        [
            ("public", {"require_pkce": False}),
            ("confidential", {"require_pkce": False, "security_profile": "fapi2"}),
            ("confidential", {}),
        ],
    )
    def test_nobody_else_may(self, client, session, acme, kind, metadata):
        other = cast.client("other", acme, kind=kind, is_first_party=True, metadata=metadata)

        values = answer(authorize(client, other, code_challenge=None, code_challenge_method=None))
        assert values["error"] == "invalid_request"
        code = oauth.issue_code(other, session, challenge="")
        assert oauth.redeem(other, code, code_verifier=None).status == 400
        assert not RefreshFamily.unscoped.exists()
