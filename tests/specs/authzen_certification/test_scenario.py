"""The certification scenario of the AuthZEN Authorization API 1.0: its 37 checks, at every level.

Written from the published scenario; the fixture of its section 1 is made of our own users, roles and
resources, and its policy stands beside this file.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from joserfc import jws
from joserfc.jwk import KeySet

from accounts import flows
from accounts.models import Organisation
from core import clock
from tests.support import authzen, oauth
from tests.support.authzen import EVALUATION, EVALUATIONS, SEARCH, Asker
from tests.support.over_tls import ISSUER

pytestmark = pytest.mark.django_db

RULES = Path(__file__).with_name("authzen.rego")
ALICE, BOB = {"type": "user", "id": "alice"}, {"type": "user", "id": "bob"}
ADMIN_BOB = {**BOB, "properties": {"role": "admin"}}
READ, WRITE = {"name": "read"}, {"name": "write"}
ONE, TWO = {"type": "record", "id": "record-1"}, {"type": "record", "id": "record-2"}
ARCHIVED = {**TWO, "properties": {"status": "archived"}}
ACTIVE = {**ONE, "properties": {"status": "active"}}
GOOD = {"subject": ALICE, "action": READ, "resource": ONE}
SEARCHES = {
    "subject": {"subject": {"type": "user"}, "action": READ, "resource": ONE},
    "resource": {"subject": ALICE, "action": READ, "resource": {"type": "record"}},
    "action": {"subject": ALICE, "resource": ONE},
}


@pytest.fixture
def pdp(acme: Organisation, tmp_path: Path) -> Iterator[Asker]:
    """Section 1: alice and bob, two records, three actions, and the policy."""
    authzen.named(acme, "alice", roles=["editor"])
    authzen.named(acme, "bob", roles=["admin"])
    for name, status in (("record-1", "active"), ("record-2", "archived")):
        flows.register_resource(
            organisation=acme, type="record", name=name, properties={"status": status},
            now=clock.now(),
        )  # fmt: skip
    authzen.actions(acme, "record", "read", "write", "delete")
    with authzen.policy_of(RULES, tmp_path):
        yield Asker(authzen.gateway(acme, authzen_subject_id="preferred_username"))


def decide(pdp: Asker, body: dict[str, Any]) -> bool:
    reply = pdp.send(EVALUATION, body)
    assert reply.status == 200, reply.body
    assert reply.headers["Content-Type"] == "application/json"
    decision = reply.json["decision"]
    assert isinstance(decision, bool)
    assert isinstance(reply.json.get("context", {}), dict)
    return decision


def decide_all(pdp: Asker, body: dict[str, Any]) -> list[bool]:
    reply = pdp.send(EVALUATIONS, body)
    assert reply.status == 200, reply.body
    told = reply.json["evaluations"]
    assert len(told) == len(body["evaluations"])
    assert "decision" not in reply.json
    assert all(isinstance(one["decision"], bool) for one in told)
    return [one["decision"] for one in told]


def results(pdp: Asker, kind: str, body: dict[str, Any]) -> list[dict[str, str]]:
    told: list[dict[str, str]] = pdp.search(kind, body)["results"]
    assert isinstance(told, list)
    return told


class TestBasicCore:
    @pytest.mark.spec("AuthZEN certification", "2.2.1", "a permit")
    def test_permit(self, pdp):
        assert decide(pdp, GOOD) is True

    @pytest.mark.spec("AuthZEN certification", "2.2.2", "a denial")
    def test_deny(self, pdp):
        assert decide(pdp, {"subject": BOB, "action": WRITE, "resource": ONE}) is False

    @pytest.mark.spec("AuthZEN certification", "2.2.3", "context changes nothing that it need not")
    def test_context(self, pdp):
        context = {"time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1"}

        assert decide(pdp, {**GOOD, "context": context}) is True

    @pytest.mark.spec("AuthZEN certification", "2.2.8", "additional properties are accepted")
    def test_additional_properties(self, pdp):
        body = {
            "subject": {**ALICE, "properties": {"department": "Sales", "role": "manager"}},
            "action": {**READ, "properties": {"method": "GET"}},
            "resource": {**ONE, "properties": {"status": "active", "owner": "bob"}},
        }

        assert decide(pdp, body) is True

    @pytest.mark.spec("AuthZEN certification", "2.2.9", "unknown fields are ignored")
    def test_unknown_fields(self, pdp):
        assert decide(pdp, {**GOOD, "foo": "bar", "futureField": {"nested": True}}) is True

    @pytest.mark.spec("AuthZEN certification", "2.3", "the answer has a boolean decision")
    def test_response_format(self, pdp):
        for subject, action in ((ALICE, READ), (BOB, WRITE), ({"type": "user", "id": "x"}, READ)):
            decide(pdp, {"subject": subject, "action": action, "resource": ONE})

    @pytest.mark.spec("AuthZEN certification", "2.4", "what is no request is a 400")
    @pytest.mark.parametrize(
        "changes",
        [
            {"subject": None}, {"action": None}, {"resource": None},
            {"subject": {"id": "alice"}}, {"subject": {"type": "user"}}, {"action": {}},
            {"resource": {"id": "record-1"}}, {"resource": {"type": "record"}},
            {"subject": "alice"}, {"action": {"name": 123}},
        ],
        ids=[
            "no-subject", "no-action", "no-resource", "subject-type", "subject-id", "action-name",
            "resource-type", "resource-id", "string-subject", "number-name",
        ],
    )  # fmt: skip
    def test_missing_and_wrong_fields(self, pdp, changes):
        body = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}

        assert pdp.send(EVALUATION, body).status == 400

    @pytest.mark.spec("AuthZEN certification", "2.4", "a body of another type, broken or empty too")
    def test_bodies(self, pdp):
        assert pdp.send(EVALUATION, GOOD, content_type="text/plain").status == 400
        assert pdp.send(EVALUATION, b'{"subject": ').status == 400
        assert pdp.send(EVALUATION, b"").status == 400

    @pytest.mark.spec("AuthZEN certification", "2.5", "X-Request-ID comes back, and is not needed")
    def test_request_id(self, pdp):
        name = "bfe9eb29-ab87-4ca3-be83-a1d5d8305716"
        for path, body in ((EVALUATION, GOOD), (EVALUATIONS, GOOD), (SEARCH + "action", GOOD)):
            assert pdp.send(path, body, HTTP_X_REQUEST_ID=name).headers["X-Request-ID"] == name
            assert pdp.send(path, body).status == 200

    @pytest.mark.spec("AuthZEN certification", "2.6", "the same question has the same answer")
    def test_idempotency(self, pdp):
        assert {decide(pdp, GOOD) for _ in range(5)} == {True}


class TestBasicProperties:
    @pytest.mark.spec("AuthZEN certification", "2.2.4", "denied because of the resource's property")
    def test_resource_property(self, pdp):
        assert decide(pdp, {"subject": ALICE, "action": WRITE, "resource": ARCHIVED}) is False

    @pytest.mark.spec("AuthZEN certification", "2.2.5", "permitted because of the subject's")
    def test_subject_property(self, pdp):
        assert decide(pdp, {"subject": ADMIN_BOB, "action": WRITE, "resource": ARCHIVED}) is True

    @pytest.mark.spec("AuthZEN certification", "2.2.6", "permitted because of the action's")
    def test_action_property(self, pdp):
        action = {"name": "delete", "properties": {"soft": True}}

        assert decide(pdp, {"subject": ALICE, "action": action, "resource": ONE}) is True

    @pytest.mark.spec("AuthZEN certification", "2.2.7", "denied because of the action's")
    def test_action_property_denied(self, pdp):
        action = {"name": "delete", "properties": {"soft": False}}

        assert decide(pdp, {"subject": ALICE, "action": action, "resource": ONE}) is False


class TestBatchCore:
    @pytest.mark.spec("AuthZEN certification", "3.2.1", "a decision for each evaluation")
    def test_batch(self, pdp):
        body = {
            "subject": ALICE,
            "action": READ,
            "evaluations": [{"resource": ONE}, {"resource": TWO}],
        }

        assert len(decide_all(pdp, body)) == 2

    @pytest.mark.spec("AuthZEN certification", "3.2.2", "decisions in the order of the request")
    def test_fixture_decisions(self, pdp):
        body = {
            "subject": BOB,
            "resource": ONE,
            "evaluations": [{"action": READ}, {"action": WRITE}],
        }

        assert decide_all(pdp, body) == [True, False]

    @pytest.mark.spec("AuthZEN certification", "3.2.5", "evaluations that need no defaults")
    def test_no_defaults(self, pdp):
        body = {"evaluations": [GOOD, {"subject": BOB, "action": WRITE, "resource": ONE}]}

        assert decide_all(pdp, body) == [True, False]

    @pytest.mark.spec("AuthZEN certification", "3.2.6", "context is inherited, or replaced")
    def test_context(self, pdp):
        body = {
            "subject": ALICE, "action": READ, "context": {"time": "2025-06-27T18:03-07:00"},
            "evaluations": [
                {"resource": ONE},
                {"resource": TWO, "context": {"time": "x", "source": "batch-override"}},
            ],
        }  # fmt: skip

        assert decide_all(pdp, body) == [True, True]

    @pytest.mark.spec("AuthZEN certification", "3.3", "as many answers as evaluations, in order")
    def test_response_format(self, pdp):
        evaluations = [{"subject": who, "action": WRITE} for who in (ALICE, BOB, ALICE, BOB, BOB)]

        told = decide_all(pdp, {"resource": ONE, "evaluations": evaluations})
        assert told == [True, False, True, False, False]

    @pytest.mark.spec("AuthZEN certification", "3.4", "one bad evaluation is a denial of that one")
    def test_errors(self, pdp):
        body = {"subject": ALICE, "action": READ, "evaluations": [{"resource": ONE}, {}]}

        assert decide_all(pdp, body) == [True, False]
        assert pdp.send(EVALUATIONS, b'{"evaluations": [').status == 400

    @pytest.mark.spec("AuthZEN certification", "3.4", "without evaluations it is a single one")
    @pytest.mark.parametrize("more", [{}, {"evaluations": []}], ids=["missing", "empty"])
    def test_backwards_compatible(self, pdp, more):
        reply = pdp.send(EVALUATIONS, {**GOOD, **more})

        assert (reply.status, reply.json) == (200, {"decision": True})


class TestBatchProperties:
    @pytest.mark.spec("AuthZEN certification", "3.2.3", "properties of each resource")
    def test_resource_properties(self, pdp):
        body = {
            "subject": ALICE, "action": WRITE,
            "evaluations": [{"resource": ACTIVE}, {"resource": ARCHIVED}],
        }  # fmt: skip

        assert decide_all(pdp, body) == [True, False]

    @pytest.mark.spec("AuthZEN certification", "3.2.4", "properties of each subject")
    def test_subject_properties(self, pdp):
        body = {
            "action": WRITE, "resource": ARCHIVED,
            "evaluations": [{"subject": ALICE}, {"subject": ADMIN_BOB}],
        }  # fmt: skip

        assert decide_all(pdp, body) == [False, True]

    @pytest.mark.spec("AuthZEN certification", "3.2.7", "a part takes the default's type, no more")
    def test_defaults(self, pdp):
        body = {
            "subject": ALICE, "action": WRITE, "resource": {"type": "record"},
            "evaluations": [
                {"resource": {"id": "record-1", "properties": {"status": "active"}}},
                {"resource": ARCHIVED},
            ],
        }  # fmt: skip

        assert decide_all(pdp, body) == [True, False]


class TestSearchCore:
    @pytest.mark.spec("AuthZEN certification", "4.2.1", "which subjects")
    def test_subjects(self, pdp):
        told = results(pdp, "subject", SEARCHES["subject"])

        assert all(found["type"] == "user" for found in told)
        assert {found["id"] for found in told} >= {"alice", "bob"}

    @pytest.mark.spec("AuthZEN certification", "4.2.2", "which subjects, in a context")
    def test_subjects_with_context(self, pdp):
        assert results(pdp, "subject", {**SEARCHES["subject"], "context": {"time": "now"}})

    @pytest.mark.spec(
        "AuthZEN certification", "4.2.3", "a subject's id is left out, or passed over"
    )
    def test_subjects_with_id(self, pdp):
        named = {**SEARCHES["subject"], "subject": BOB}

        assert results(pdp, "subject", named) == results(pdp, "subject", SEARCHES["subject"])

    @pytest.mark.spec("AuthZEN certification", "4.3.1", "which resources")
    def test_resources(self, pdp):
        told = results(pdp, "resource", SEARCHES["resource"])

        assert all(found["type"] == "record" for found in told)
        assert "record-1" in {found["id"] for found in told}

    @pytest.mark.spec(
        "AuthZEN certification", "4.3.2", "a resource's id is left out, or passed over"
    )
    def test_resources_with_id(self, pdp):
        named = {**SEARCHES["resource"], "resource": TWO}

        assert results(pdp, "resource", named) == results(pdp, "resource", SEARCHES["resource"])

    @pytest.mark.spec("AuthZEN certification", "4.4.1", "which actions")
    def test_actions(self, pdp):
        names = {found["name"] for found in results(pdp, "action", SEARCHES["action"])}

        assert names >= {"read", "write"}

    @pytest.mark.spec("AuthZEN certification", "4.4.2", "which actions, in a context")
    def test_actions_with_context(self, pdp):
        assert results(pdp, "action", {**SEARCHES["action"], "context": {"time": "now"}})

    @pytest.mark.spec("AuthZEN certification", "4.5", "pages, by limit and token")
    def test_pages(self, pdp):
        first = pdp.search("subject", {**SEARCHES["subject"], "page": {"limit": 1}})
        assert len(first["results"]) == 1
        token = first["page"]["next_token"]
        assert isinstance(token, str)
        assert token

        second = pdp.search("subject", {**SEARCHES["subject"], "page": {"token": token}})
        assert second["page"]["next_token"] == ""
        told = first["results"] + second["results"]
        assert sorted(found["id"] for found in told) == ["alice", "bob"]

    @pytest.mark.spec("AuthZEN certification", "4.6", "what is unknown is an empty result")
    @pytest.mark.parametrize("kind", ["subject", "resource", "action"])
    def test_empty_results(self, pdp, kind):
        unknown = {"type": "spaceship", "id": "nonexistent"}
        for part in ("subject", "resource"):
            body = {**SEARCHES[kind], part: unknown}
            assert pdp.search(kind, body)["results"] == []
        body = {**SEARCHES["action"], "subject": {"type": "user", "id": "nonexistent-user"}}
        assert pdp.search("action", body)["results"] == []

    @pytest.mark.spec("AuthZEN certification", "4.7", "what is no search is a 400")
    @pytest.mark.parametrize(
        ("kind", "changes"),
        [
            ("subject", {"action": None}), ("resource", {"subject": None}),
            ("action", {"resource": None}), ("subject", {"resource": {"type": "record"}}),
            ("resource", {"subject": {"type": "user"}}),
        ],
        ids=["action", "subject", "resource", "resource-id", "subject-id"],
    )  # fmt: skip
    def test_errors(self, pdp, kind, changes):
        body = {**SEARCHES[kind], **changes}
        body = {name: value for name, value in body.items() if value is not None}

        assert pdp.send(SEARCH + kind, body).status == 400


class TestSearchProperties:
    @pytest.mark.spec(
        "AuthZEN certification", "4.2.4", "which subjects, by the resource's property"
    )
    def test_subjects(self, pdp):
        body = {"subject": {"type": "user"}, "action": WRITE, "resource": ARCHIVED}

        assert results(pdp, "subject", body) == [BOB]

    @pytest.mark.spec(
        "AuthZEN certification", "4.3.3", "which resources, by the subject's property"
    )
    def test_resources(self, pdp):
        body = {"subject": ADMIN_BOB, "action": WRITE, "resource": {"type": "record"}}

        assert TWO in results(pdp, "resource", body)

    @pytest.mark.spec("AuthZEN certification", "4.4.3", "which actions, by properties of both")
    def test_actions(self, pdp):
        told = results(pdp, "action", {"subject": ADMIN_BOB, "resource": ARCHIVED})

        assert WRITE in told


@pytest.mark.spec("AuthZEN certification", "5", "every request is HTTPS and JSON, in and out")
def test_transport(pdp):
    for path, body in (
        (EVALUATION, GOOD), (EVALUATIONS, {**GOOD, "evaluations": [{}]}),
        *((SEARCH + kind, body) for kind, body in SEARCHES.items()),
    ):  # fmt: skip
        reply = pdp.send(path, {**body, "foo": 1}, HTTP_X_REQUEST_ID="r-1")
        assert (reply.status, reply.headers["Content-Type"]) == (200, "application/json")
        assert reply.headers["X-Request-ID"] == "r-1"
        assert pdp.send(path, {}).status == 400


@pytest.mark.spec("AuthZEN certification", "6", "the metadata, and the same signed by the issuer")
def test_discovery() -> None:
    reply = oauth.send("GET", "/.well-known/authzen-configuration")

    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/json")
    told = reply.json
    assert told["policy_decision_point"] == ISSUER
    endpoints = [value for name, value in told.items() if name.endswith("_endpoint")]
    assert len(endpoints) == 5
    assert all(value.startswith("https://") for value in endpoints)
    published = KeySet.import_key_set(oauth.send("GET", "/oauth/jwks").json)
    checked = jws.deserialize_compact(told["signed_metadata"], published, algorithms=["ES256"])
    claims = orjson.loads(checked.payload)
    assert claims["iss"] == ISSUER
    assert claims["policy_decision_point"] == ISSUER
    assert "signed_metadata" not in claims
