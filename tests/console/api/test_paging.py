"""Lists, a page at a time."""

from datetime import timedelta

import pytest

from access import flows
from console.api import limits
from core import clock
from core.limits import Limit
from tests.support import access
from tests.support.api import Api, code_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(acme, employee, monkeypatch) -> Api:
    """She may ask for five things."""
    many = Limit("api-many", 1000, timedelta(minutes=1), "a test")
    monkeypatch.setattr(limits, "CHANGES_BY_A_PERSON", many)
    for number in range(5):
        access.entitlement(acme, name=f"thing-{number}", eligible=[employee])
    return Api.of(employee)


def walk(api: Api, path: str, **query) -> list[list[str]]:
    pages, cursor = [], ""
    while cursor is not None:
        told = api.get(path, **query, **({"cursor": cursor} if cursor else {})).json()
        pages.append([each["name"] for each in told["items"]])
        cursor = told["next"]
    return pages


def test_pages_add_up_to_all_of_it_once(alice):
    assert walk(alice, "/access/entitlements", limit=2) == [
        ["thing-4", "thing-3"], ["thing-2", "thing-1"], ["thing-0"],
    ]  # fmt: skip
    assert walk(alice, "/access/entitlements", limit=5) == [
        [f"thing-{n}" for n in range(4, -1, -1)]
    ]


def test_what_comes_meanwhile_moves_nothing(alice, acme, employee):
    first = alice.get("/access/entitlements", limit=2).json()
    access.entitlement(acme, name="new", eligible=[employee])

    second = alice.get("/access/entitlements", limit=2, cursor=first["next"]).json()

    assert [each["name"] for each in second["items"]] == ["thing-2", "thing-1"]


def test_a_cursor_is_good_for_an_hour(alice, later):
    cursor = alice.get("/access/entitlements", limit=2).json()["next"]
    later(minutes=60)

    assert code_of(alice.again().get("/access/entitlements", limit=2, cursor=cursor))[0] == 400


def test_what_has_ended_leaves_the_list(alice, acme):
    from access.models import Entitlement

    gone = Entitlement.objects.within(acme).get(name="thing-3")
    flows.retire_entitlement(entitlement=gone, now=clock.now())

    names = [name for page in walk(alice, "/access/entitlements") for name in page]
    assert names == ["thing-4", "thing-2", "thing-1", "thing-0"]
