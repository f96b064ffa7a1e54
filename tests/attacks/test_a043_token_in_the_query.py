"""A043: an access token in the query, or shown in two ways at once."""

import pytest

from audit.models import AuditEvent
from tests.support import oauth

pytestmark = pytest.mark.django_db

USERINFO = "/oauth/userinfo"


def test_in_the_query_it_is_no_token(tokens):
    before = AuditEvent.objects.count()

    reply = oauth.send("GET", USERINFO, query=f"access_token={tokens['access_token']}")

    assert (reply.status, reply.error) == (401, "invalid_token")
    assert AuditEvent.objects.count() == before


@pytest.mark.parametrize("other", ["same", "another"])
def test_two_ways_at_once_are_refused(tokens, acme_web, session, other):
    first = tokens["access_token"]
    second = first
    if other == "another":
        second = oauth.redeem(acme_web, oauth.issue_code(acme_web, session)).json["access_token"]

    reply = oauth.send(
        "POST", USERINFO, form={"access_token": second}, authorization=f"Bearer {first}"
    )

    assert (reply.status, reply.error) == (400, "invalid_request")


def test_nor_may_the_query_go_along_with_a_form(tokens):
    text = tokens["access_token"]

    reply = oauth.send("POST", USERINFO, form={"access_token": text}, query=f"access_token={text}")

    assert (reply.status, reply.error) == (400, "invalid_request")
