"""Somebody leaves: what they had is over at its next use, everywhere."""

import pytest

from accounts import flows
from audit.models import AuditEvent
from core import clock
from idp.models import Client
from sessions.current import current_session_id
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.journeys.story import introspect, sign_in, userinfo
from tests.journeys.visitor import Visitor
from tests.support import oauth


@pytest.mark.parametrize("what", ["the account", "the organisation"])
def test_closing_it_ends_sessions_tokens_and_signing_in(
    what: str, acme_web: Client, notes: Client, employee: Person, approver: Person
) -> None:
    places = [Visitor(), Visitor()]
    tokens = [
        oauth.redeem(client, oauth.issue_code(client, cast.sign_in(place.browser, employee))).json
        for place, client in zip(places, (acme_web, notes), strict=True)
    ]

    current_session_id.set(None)  # what follows happens elsewhere, not in one of those browsers
    if what == "the account":
        flows.deactivate_user(user=employee.user, actor=approver.user, now=clock.now())
    else:
        flows.deactivate_organisation(
            organisation=employee.user.organisation, actor=approver.user, now=clock.now()
        )

    for place in places:
        place.open("/security/")
        assert place.path == "/accounts/login/"
    for client, held in zip((acme_web, notes), tokens, strict=True):
        assert oauth.refresh(client, held["refresh_token"]).error in {
            "invalid_grant",
            "invalid_client",
        }
        assert userinfo(held["access_token"]).status == 401
    if what == "the account":
        assert introspect(acme_web, tokens[0]["access_token"]) == {"active": False}
    assert not LoginSession.unscoped.filter(ended_at=None).exists()
    again = Visitor()
    sign_in(again, employee.email, employee.password)
    again.open("/security/")
    assert again.path == "/accounts/login/"
    assert not LoginSession.unscoped.filter(ended_at=None).exists()
    reasons = {
        event.facts.get("reason")
        for event in AuditEvent.objects.filter(event="sessions.session.ended")
    }
    assert len(reasons) == 1
