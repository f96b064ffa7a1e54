"""A022: a challenge was sent, and the verifier is missing, empty, too short, too long or wrong."""

import pytest

from audit.events import Event
from audit.models import AuditEvent
from idp.models import AuthorizationCode, RefreshFamily
from tests.support import oauth
from tests.support.authorize import answer, authorize

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
