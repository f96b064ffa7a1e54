"""A025: one code is redeemed from fifty connections at once."""

import pytest

from audit.events import Event
from audit.models import AuditEvent
from idp.models import RefreshFamily
from tests.support import oauth
from tests.support.racing import race

pytestmark = pytest.mark.django_db(transaction=True)


def test_exactly_one_redemption_wins(acme_web, code):
    replies = race(lambda _: oauth.redeem(acme_web, code), runners=50)

    assert sorted(reply.status for reply in replies) == [200] + [400] * 49
    assert {reply.error for reply in replies if reply.status == 400} == {"invalid_grant"}
    assert RefreshFamily.unscoped.count() == 1
    assert AuditEvent.objects.filter(event=Event.CODE_REDEEMED).count() == 1
