"""A159: cursors that were made up, changed or taken from elsewhere, and orders from outside."""

import base64
import json

import pytest
from django.core import signing
from django.test import Client as Browser

from tests import cast
from tests.support import access
from tests.support.api import Api, code_of, token_of

pytestmark = pytest.mark.django_db

LIST = "/access/entitlements"


@pytest.fixture
def alice(acme, employee) -> Api:
    for number in range(3):
        access.entitlement(acme, name=f"thing-{number}", eligible=[employee])
    return Api.of(employee)


@pytest.fixture
def cursor(alice) -> str:
    return alice.get(LIST, limit=1).json()["next"]


def refused(api: Api, cursor: str, path: str = LIST) -> bool:
    return code_of(api.get(path, limit=1, cursor=cursor)) == (400, "invalid_request")


def test_a_cursor_of_ours_leads_on(alice, cursor):
    assert [each["name"] for each in alice.get(LIST, limit=1, cursor=cursor).json()["items"]] == [
        "thing-1"
    ]


def test_a_changed_cursor_is_refused(alice, cursor):
    told, _, signature = cursor.rpartition(":")
    changed = json.loads(told) | {"after": "ffffffff-ffff-7fff-8fff-ffffffffffff"}

    assert refused(alice, f"{json.dumps(changed)}:{signature}")
    assert refused(alice, f"{told}:{signature[:-1]}{'B' if signature[-1] == 'A' else 'A'}")
    assert refused(alice, f"{told}:")
    assert refused(alice, told)


@pytest.mark.parametrize("key", ["", "secret", "django-insecure", "changeme", "0" * 50])
def test_a_cursor_under_another_key_is_refused(alice, cursor, key):
    told = cursor.rpartition(":")[0]
    forged = signing.Signer(key=key or "x", salt="console.api.paging").sign(told)

    assert refused(alice, forged)


def test_a_value_that_we_sign_for_something_else_is_no_cursor(alice, cursor):
    told = cursor.rpartition(":")[0]

    assert refused(alice, signing.Signer(salt="something else").sign(told))
    assert refused(alice, signing.dumps(json.loads(told)))
    assert refused(alice, base64.urlsafe_b64encode(told.encode()).decode())


def test_a_cursor_of_another_person_is_refused(cursor, approver):
    assert refused(Api.of(approver), cursor)


def test_a_cursor_of_another_list_is_refused(alice, cursor):
    assert refused(alice, cursor, "/access/grants")


def test_a_cursor_outlives_the_token_and_no_filter(alice, employee):
    for name in ("thing-0", "thing-1", "thing-2"):
        assert alice.post("/access/grants", {"entitlement": name}).status_code == 201
    page = alice.get("/access/grants", limit=1, which="open").json()

    again = Api(token_of(cast.sign_in(Browser(), employee)))
    assert (
        again.get("/access/grants", limit=1, which="open", cursor=page["next"]).status_code == 200
    )
    assert code_of(alice.get("/access/grants", limit=1, cursor=page["next"]))[0] == 400


@pytest.mark.parametrize(
    "query",
    [
        "order_by=requester__password", "order=-id", "sort=terms", "ordering=requester__password",
        "requester__password__startswith=p", "state__in=active", "alias=x", "annotate=x", "fields=x",
        "limit=1&limit=1000", "__class__=x", "which=all) OR 1=1 --",
    ],
)  # fmt: skip
def test_no_order_and_no_column_comes_from_outside(alice, query):
    answer = alice.send("GET", f"/access/grants?{query}")

    assert answer.status_code in {400, 422}
    assert code_of(answer)[1] == "invalid_request"


def test_a_list_is_bounded(alice):
    assert code_of(alice.get(LIST, limit=100_000))[0] == 422
