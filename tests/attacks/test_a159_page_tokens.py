"""A159: tokens of pages that were made up, changed, or were another's.

Searches of the AuthZEN API are the pages that strangers' programs turn. A token is sealed by a key
of this installation, for one search of one client; filters and orders are nobody's to choose.
"""

import base64

import pytest

from accounts import flows
from accounts.models import Organisation
from core import clock
from tests import cast
from tests.support import authzen
from tests.support.authzen import SEARCH, Asker

pytestmark = pytest.mark.django_db

READERS = {
    "subject": {"type": "user"}, "action": {"name": "read"},
    "resource": {"type": "report", "id": "q3"},
}  # fmt: skip


@pytest.fixture
def asker(acme: Organisation) -> Asker:
    """Six people, of whom the even ones may read."""
    role = flows.create_role(organisation=acme, name="reader", now=clock.now())
    flows.give_permission(role=role, resource_type="report", action="read", now=clock.now())
    for n in range(6):
        who = cast.person(f"p{n}@acme.example", acme)
        if n % 2 == 0:
            flows.assign_role(user=who.user, role=role, now=clock.now())
    return Asker(authzen.gateway(acme, authzen_subject_id="email"))


def page(asker: Asker, token: str, **changes):
    return asker.send(f"{SEARCH}subject", {**READERS, **changes, "page": {"token": token}})


def first_token(asker: Asker) -> str:
    told = asker.search("subject", {**READERS, "page": {"limit": 1}})
    token: str = told["page"]["next_token"]
    return token


def test_a_made_up_token_opens_nothing(asker: Asker) -> None:
    plain = base64.urlsafe_b64encode(b'{"after": "", "limit": 500, "until": 9999999999}').decode()
    for token in (plain, "p2@acme.example", "0", "-1", "' OR 1=1 --", "A" * 80):
        assert page(asker, token).status == 400


def test_a_changed_token_opens_nothing(asker: Asker) -> None:
    raw = base64.urlsafe_b64decode(first_token(asker) + "==")
    for place in range(len(raw)):
        changed = bytearray(raw)
        changed[place] ^= 0x41
        assert page(asker, base64.urlsafe_b64encode(bytes(changed)).decode()).status == 400


def test_a_token_is_for_the_search_that_it_was_made_for(asker: Asker) -> None:
    token = first_token(asker)

    assert page(asker, token, action={"name": "write"}).status == 400
    assert page(asker, token, resource={"type": "report", "id": "q4"}).status == 400
    assert page(asker, token, context={"x": 1}).status == 400
    assert page(asker, token).status == 200


def test_a_token_is_for_the_client_that_it_was_made_for(asker: Asker, globex: Organisation) -> None:
    assert page(Asker(authzen.gateway(globex)), first_token(asker)).status == 400


def test_a_token_tells_nothing_of_whom_its_holder_may_not_know(asker: Asker) -> None:
    """The page ended before somebody who may not read: their name is not in it."""
    raw = base64.urlsafe_b64decode(first_token(asker) + "==")

    assert b"acme.example" not in raw


def test_orders_and_filters_are_nobodys_to_choose(asker: Asker) -> None:
    """What a page says besides limit and token is passed over (§8.2.1)."""
    plain = asker.search("subject", {**READERS, "page": {"limit": 3}})
    tricky = {"order_by": "password", "filter": "1=1", "properties": {"sort": "-id"}}
    told = asker.search("subject", {**READERS, "page": {"limit": 3, **tricky}})

    assert told["results"] == plain["results"]
