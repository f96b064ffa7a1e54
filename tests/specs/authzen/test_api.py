"""AuthZEN Authorization API 1.0, beyond what certification checks: callers, errors, semantics."""

import pytest

from accounts import flows
from accounts.models import Organisation
from core import clock
from idp.models import Client
from tests.cast import Person
from tests.support import authzen
from tests.support.authzen import EVALUATION, EVALUATIONS, SEARCH, Asker, question

pytestmark = pytest.mark.django_db

PATHS = [EVALUATION, EVALUATIONS, *(SEARCH + kind for kind in ("subject", "resource", "action"))]


@pytest.fixture
def asker(acme: Organisation, employee: Person) -> Asker:
    """A gateway; alice may read reports."""
    role = flows.create_role(organisation=acme, name="reader", now=clock.now())
    flows.give_permission(role=role, resource_type="report", action="read", now=clock.now())
    flows.assign_role(user=employee.user, role=role, now=clock.now())
    return Asker(authzen.gateway(acme))


@pytest.mark.spec("AuthZEN 1.0", "12.1.10", "401: the caller did not authenticate")
@pytest.mark.parametrize("path", PATHS)
def test_unauthorized(acme: Organisation, path: str) -> None:
    for token in ("", "nonsense"):
        reply = Asker(token=token).send(path, {})
        assert reply.status == 401
        assert reply.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.spec("AuthZEN 1.0", "12.1.10", "403: the caller may not ask")
@pytest.mark.parametrize("path", PATHS)
def test_forbidden(acme_machine: Client, path: str) -> None:
    assert Asker(acme_machine).send(path, {}).status == 403


@pytest.mark.spec("AuthZEN 1.0", "12.1.10", "400: the request is none, in words")
@pytest.mark.parametrize("path", PATHS)
def test_bad_request(asker: Asker, path: str) -> None:
    reply = asker.send(path, {"subject": "alice"})

    assert reply.status == 400
    assert reply.json["error_description"] == "subject must be an object."


@pytest.mark.spec("AuthZEN 1.0", "12.1.10", "a denial is a 200")
def test_denial(asker: Asker, employee: Person) -> None:
    told = asker.ask(employee.email, "burn", "report q3")

    assert told["decision"] is False
    assert set(told["context"]) == {"reason_admin", "reason_user"}


@pytest.mark.spec(
    "AuthZEN 1.0", "7.1.2.1", "execute_all, deny_on_first_deny, permit_on_first_permit"
)
@pytest.mark.parametrize(
    ("semantic", "expected"),
    [
        (None, [True, False, True]),
        ("execute_all", [True, False, True]),
        ("deny_on_first_deny", [True, False]),
        ("permit_on_first_permit", [True]),
    ],
)
def test_semantics(
    asker: Asker, employee: Person, semantic: str | None, expected: list[bool]
) -> None:
    body = question(employee.email, "read", "report q3")
    body["evaluations"] = [{}, {"action": {"name": "burn"}}, {}]
    if semantic is not None:
        body["options"] = {"evaluations_semantic": semantic}

    told = asker.send(EVALUATIONS, body).json["evaluations"]
    assert [one["decision"] for one in told] == expected


@pytest.mark.spec("AuthZEN 1.0", "7.1.2.1", "another semantic is a bad request")
def test_unknown_semantic(asker: Asker, employee: Person) -> None:
    body = question(employee.email, "read", "report q3")
    body |= {"evaluations": [{}], "options": {"evaluations_semantic": "coin_toss"}}

    assert asker.send(EVALUATIONS, body).status == 400


@pytest.mark.spec("AuthZEN 1.0", "8.1", "what a search finds is permitted when it is asked")
def test_what_is_found_is_permitted(asker: Asker, acme: Organisation, employee: Person) -> None:
    flows.register_resource(organisation=acme, type="report", name="q3", now=clock.now())
    asked = question(employee.email, "read", "report q3")

    (subject,) = asker.search("subject", asked)["results"]
    (resource,) = asker.search("resource", asked)["results"]
    (action,) = asker.search("action", asked)["results"]
    found = {"subject": subject, "action": action, "resource": resource}
    assert asker.send(EVALUATION, found).json == {"decision": True}


@pytest.mark.spec("AuthZEN 1.0", "13.4", "requests are bounded in size, number and depth")
def test_bounds(asker: Asker, employee: Person) -> None:
    asked = question(employee.email, "read", "report q3")
    deep: dict = {}
    for _ in range(40):
        deep = {"x": deep}

    assert asker.send(EVALUATIONS, {**asked, "evaluations": [{}] * 201}).status == 400
    assert asker.send(EVALUATION, {**asked, "context": deep}).status == 400
    assert asker.send(EVALUATION, {**asked, "context": {"x": "y" * 70_000}}).status == 413
