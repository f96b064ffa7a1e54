"""What policy answered lately, whose answers one sees, and why it said so."""

import json

import pytest

from core import clock
from policy import engine
from policy.decision_log import DecisionLog
from policy.flows import write_version
from policy.journal import About
from policy.response import Signal
from tests import cast
from tests.console.test_policies_admin import of_all
from tests.policy.test_decisions import GOOD, facts
from tests.policy.test_versions import ASKED, CLOSED
from tests.support.publishing import publish

pytestmark = pytest.mark.django_db

LIST = "/admin/policy/decisionbatch/"


@pytest.fixture
def log(monkeypatch):
    found = DecisionLog()
    monkeypatch.setattr(found, "_start", lambda: None)
    monkeypatch.setattr(engine._Engine, "journal", found)
    return found


@pytest.fixture
def asked(log, employee, newcomer, outsider, acme_web):
    """Of acme: two of alice, one of nina, one of a machine; one of globex, one of nobody."""
    alice, nina, otto = (each.user.pk for each in (employee, newcomer, outsider))
    weak = facts(user={"email_verified": False})
    ids = {
        "good": engine.decide(GOOD, about=About(alice, None, "web")),
        "weak": engine.decide(weak, about=About(alice, None, "spa")),
        "nina": engine.decide(GOOD, about=About(nina, None, "web")),
        "theirs": engine.decide(GOOD, about=About(otto, None, "web")),
        "nobody": engine.respond(Signal("token_replay", {"email": "eve@evil.example"})),
        "machine": engine.respond(
            Signal("token_replay", {}), about=About(None, None, acme_web.client_id)
        ),
    }
    log.flush()
    return {name: str(made.decision_id) for name, made in ids.items()}


@pytest.fixture
def administrator(client, approver, asked):
    cast.sign_in(client, approver)
    return client


def text(answer):
    return " ".join(answer.content.decode().split())


def shown(answer, asked):
    page = text(answer)
    return {name for name, decision_id in asked.items() if decision_id in page}


def explain(browser, decision_id):
    return browser.get(f"{LIST}{decision_id}/explain/")


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ({}, {"good", "weak", "nina", "machine"}),
        ({"person": "alice@acme.example"}, {"good", "weak"}),
        ({"client": "web"}, {"good", "nina"}),
        ({"outcome": "deny"}, {"weak"}),
        ({"outcome": "allow", "person": "Alice@acme.example"}, {"good"}),
        ({"path": "sallyport/response/actions"}, {"machine"}),
        ({"outcome": "revoke"}, set()),
    ],
    ids=["all", "a person", "a client", "an outcome", "two of them", "a question", "nothing"],
)
def test_answers_are_found_by_person_client_and_outcome(administrator, asked, said, names):
    assert shown(administrator.get(LIST, said), asked) == names


def test_an_address_of_another_organisation_is_nobodys(administrator, asked, outsider):
    page = text(administrator.get(LIST, {"person": outsider.email}))

    assert "Nobody here has this address." in page
    assert asked["theirs"] not in page


def test_who_administers_all_sees_all(client, acme, asked):
    cast.sign_in(client, of_all("olga@acme.example", acme))

    assert shown(client.get(LIST), asked) == asked.keys()


@pytest.mark.parametrize("name", ["theirs", "nobody"])
def test_what_is_anothers_is_not_found(administrator, asked, name):
    assert explain(administrator, asked[name]).status_code == 404


def test_older_ones_are_a_page_further(administrator, asked, log, employee):
    for _ in range(55):
        engine.decide(GOOD, about=About(employee.user.pk, None, "web"))
    log.flush()
    first = administrator.get(LIST, {"person": employee.email})
    older = administrator.get(LIST, {
        "person": employee.email, "before": str(first.context["found"].older)
    })  # fmt: skip

    assert len(first.context["found"].rows) == 50
    assert shown(first, asked) == set()
    assert shown(older, asked) == {"good", "weak"}
    assert len(older.context["found"].rows) == 7


def test_one_decision_tells_its_reasons_and_which_rules_spoke(administrator, asked):
    answer = explain(administrator, asked["weak"])

    page = text(answer)
    assert "<code>email_unverified</code>" in page
    spoken = {rule.name: rule for rule in answer.context["spoken"]}
    assert json.loads(spoken["reasons"].value) == ["email_unverified"]
    assert ("email_unverified", True) in spoken["glance"].parts
    assert spoken["reasons"].file == "session.rego"
    assert answer.context["is_same_revision"]
    assert answer.context["is_same_answer"]
    assert "alice@acme.example" in page
    assert engine.shipped().revision in page


def test_names_in_what_it_was_given_are_masked(client, acme, asked):
    cast.sign_in(client, of_all("olga@acme.example", acme))
    page = text(explain(client, asked["nobody"]))

    assert "eve@evil.example" not in page
    assert "/input/facts/email" in page


def test_an_answer_of_earlier_rules_is_explained_by_those(client, acme, asked, log, employee):
    one, other = of_all("ada@acme.example", acme), of_all("olga@acme.example", acme)
    version = write_version(author=one.user, modules=CLOSED, note="Closed", now=clock.now())
    publish(version=version, publisher=other.user)
    made = engine.decide(ASKED, about=About(employee.user.pk, None, "web"))
    log.flush()
    cast.sign_in(client, other)

    new, old = explain(client, made.decision_id), explain(client, asked["good"])
    assert "<code>closed_today</code>" in text(new)
    assert new.context["explained"].revision == version.revision
    assert old.context["explained"].revision == engine.shipped().revision
    assert "<code>closed_today</code>" not in text(old)


@pytest.mark.parametrize("path", ["", "01234567-89ab-7def-8123-456789abcdef/explain/"])
def test_nothing_is_written_by_looking(administrator, asked, path):
    from tests.support.rows import changed, snapshot

    before = snapshot()
    assert administrator.get(LIST + path).status_code in {200, 404}
    assert changed(before) == []
