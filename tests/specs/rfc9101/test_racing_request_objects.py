"""RFC 9101, RFC 9126: one request object that arrives many times at once."""

import pytest

from accounts.models import Organisation
from idp.models import PushedRequest, UsedAssertion
from tests.support import oauth
from tests.support.racing import race
from tests.support.request_objects import claims, sign, signing_client

pytestmark = pytest.mark.django_db(transaction=True)


def test_one_push_wins_and_the_others_hear_that_the_object_was_used(acme: Organisation) -> None:
    client = signing_client("signer", acme)
    form = {"request": sign(claims(client, jti="once"))}

    replies = race(
        lambda _: oauth.send("POST", "/oauth/par", form=form, authorization=oauth.basic("signer")),
        runners=10,
    )

    assert sorted(reply.status for reply in replies) == [201] + [400] * 9
    told = {reply.error for reply in replies if reply.status == 400}
    assert told == {"invalid_request_object"}
    assert PushedRequest.unscoped.count() == UsedAssertion.objects.count() == 1
