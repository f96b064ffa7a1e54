"""What is sent and does not fit: refused by name, never a fault, and nothing is written."""

import json

import pytest

from access.models import Grant
from tests.support import access
from tests.support.api import Api, code_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(acme, employee, approver) -> Api:
    access.entitlement(acme, by=[approver], eligible=[employee])
    return Api.of(employee)


def names_of(answer) -> list[str]:
    assert code_of(answer) == (422, "invalid_request")
    return [each["name"] for each in answer.json()["errors"]]


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("entitlement", None), ("entitlement", 5), ("entitlement", ""), ("entitlement", "x" * 101),
        ("entitlement", []), ("duration", "600"), ("duration", True), ("duration", 1.5),
        ("duration", -1), ("duration", 10**9), ("duration", {}), ("reason", 5), ("reason", None),
        ("reason", "x" * 1001), ("ticket", ["x"]), ("dry_run", "yes"), ("dry_run", 1),
        ("starts_at", 5), ("starts_at", "tomorrow"), ("starts_at", "2027-01-01T00:00:00"),
        ("starts_at", "9999-12-31T23:59:59-12:00"), ("starts_at", "0001-01-01T00:00:00+12:00"),
        ("organisation", "globex"), ("requester", "me"), ("state", "active"),
    ],
)  # fmt: skip
def test_a_member_that_does_not_fit_is_named(alice, member, value):
    answer = alice.post("/access/grants", {"entitlement": "db-admin", member: value})

    assert names_of(answer) == [member]
    assert not Grant.unscoped.exists()


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b"5", b'"x"', b'{"entitlement": "db-admin", "reason": NaN}',
        b'{"entitlement": "a", "entitlement": "db-admin"}', b"\xff\xfe", b'{"reason": "\\u0000"}',
        b'{"reason": "\\ud800"}', b"[" * 5000, json.dumps({"duration": 10**40}).encode(),
    ],
    ids=range(13),
)  # fmt: skip
def test_what_is_no_plain_object_is_refused(alice, body):
    answer = alice.post("/access/grants", body)

    assert answer.status_code in {400, 422}
    assert code_of(answer)[1] == "invalid_request"
    assert not Grant.unscoped.exists()


def test_a_body_where_none_is_taken_is_refused(alice):
    grant = alice.post("/access/grants", {"entitlement": "db-admin"}).json()["id"]

    refused = alice.post(f"/access/grants/{grant}/cancel", {"grant": "another"})

    assert code_of(refused) == (400, "invalid_request")
    assert Grant.unscoped.get().state == "approval_awaited"


def test_a_form_is_no_body(alice):
    answer = alice.browser.post(
        "/api/v1/access/grants", "entitlement=db-admin",
        content_type="application/x-www-form-urlencoded",
        HTTP_AUTHORIZATION=f"Bearer {alice.token}",
    )  # fmt: skip

    assert code_of(answer) == (415, "invalid_request")


def test_a_body_that_is_too_large_is_not_read(alice):
    answer = alice.post("/access/grants", {"entitlement": "db-admin", "reason": "x" * 300_000})

    assert code_of(answer) == (413, "invalid_request")


@pytest.mark.parametrize(
    "query",
    [
        "order_by=requester__password", "ordering=-id", "requester__email=x", "which=all&which=open",
        "cursor=%00", "fields=terms", "limit=5&offset=3",
    ],
)  # fmt: skip
def test_a_parameter_that_is_none_is_refused(alice, query):
    answer = alice.send("GET", f"/access/grants?{query}")

    assert code_of(answer) == (400, "invalid_request")


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "limit=1e2", "which=mine"])
def test_a_parameter_that_does_not_fit_is_named(alice, query):
    assert names_of(alice.send("GET", f"/access/grants?{query}")) == [query.partition("=")[0]]


@pytest.mark.parametrize("part", ["5", "x", "%00", "0" * 36, "../me", "' OR 1=1 --"])
def test_an_id_that_is_none_leads_nowhere(alice, part):
    assert alice.get(f"/access/grants/{part}").status_code == 404
