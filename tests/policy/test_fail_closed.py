"""Whatever goes wrong with policy, the answer is no (A145, A146)."""

import json
import threading

import pytest

from policy import bundle, engine
from policy.decision import Decision, Outcome
from policy.evaluator import UNDEFINED, PolicyUnavailable
from policy.rego import RegoEvaluator
from tests.policy.test_decisions import GOOD

HEAD = "package sallyport\n\nimport rego.v1\n\n"
ALLOW = (
    '{"outcome": "allow", "reasons": set(), "required_level": 1, "max_age": -1, '
    '"withheld_scopes": set(), "withheld_roles": set()}'
)
EXTRA, QUOTED = '"allowed": true', '"none"'


@pytest.fixture
def policy(tmp_path, monkeypatch):
    """Run the engine on other Rego; gives a function that takes the source."""

    def load(source):
        (tmp_path / "session.rego").write_text(source)
        monkeypatch.setattr(engine._Engine, "evaluator", RegoEvaluator(bundle.load(tmp_path)))

    return load


def test_the_same_way_lets_a_good_policy_through(policy):
    policy(f"{HEAD}decision := {ALLOW}")

    assert engine.decide(GOOD).outcome is Outcome.ALLOW


BROKEN = {
    "undefined": f"{HEAD}decision := {ALLOW} if false",
    "no decision": f"{HEAD}other := true",
    "another package": HEAD.replace("sallyport", "elsewhere") + f"decision := {ALLOW}",
    "no Rego": "this is no policy",
    "two answers": f"{HEAD}decision := {ALLOW}\ndecision := {ALLOW.replace('1', '2')}",
    "true": f"{HEAD}decision := true",
    "a string": f'{HEAD}decision := "allow"',
    "an empty object": f"{HEAD}decision := {{}}",
    "a list": f"{HEAD}decision := [{ALLOW}]",
    "null": f"{HEAD}decision := null",
    "an unknown outcome": f"{HEAD}decision := {ALLOW.replace('allow', 'permit')}",
    "no reasons": f'{HEAD}decision := {{"outcome": "allow", "required_level": 1, "max_age": -1}}',
    "no level": f'{HEAD}decision := {{"outcome": "allow", "reasons": set(), "max_age": -1}}',
    "nothing said of what is withheld": (
        f"{HEAD}decision := {ALLOW.replace('withheld_roles', 'others')}"
    ),
    "what is withheld, as text": f"{HEAD}decision := {ALLOW.replace('set()}', chr(34) * 2 + '}')}",
    "a level that does not exist": f"{HEAD}decision := {ALLOW.replace('1,', '9,')}",
    "a max_age of text": f"{HEAD}decision := {ALLOW.replace('-1', chr(34) + 'x' + chr(34))}",
    "more than was asked for": f"{HEAD}decision := {ALLOW.replace('}', ', ' + EXTRA + '}')}",
    "a level that is true": f"{HEAD}decision := {ALLOW.replace('1,', 'true,')}",
    "a max_age with a fraction": f"{HEAD}decision := {ALLOW.replace('-1', '0.5')}",
    "reasons that are no words": f"{HEAD}decision := {ALLOW.replace('set()', '[1]', 1)}",
    "reasons in a word": f"{HEAD}decision := {ALLOW.replace('set()', QUOTED, 1)}",
    "division by zero": f"{HEAD}decision := {ALLOW} if 1 / (input.role_level * 0) > 0",
}


@pytest.mark.parametrize("source", BROKEN.values(), ids=BROKEN.keys())
def test_anything_but_a_whole_decision_denies(policy, source):
    policy(source)

    decision = engine.decide(GOOD)

    assert decision.outcome is Outcome.DENY
    assert decision.reasons in {("policy_undefined",), ("policy_unavailable",)}


def test_no_policy_at_all_denies(monkeypatch):
    monkeypatch.setattr(engine._Engine, "evaluator", None)

    decision = engine.decide(GOOD)

    assert (decision.outcome, decision.reasons) == (Outcome.DENY, ("policy_missing",))
    assert engine.revision() == "none"


def test_a_folder_without_policy_does_not_start(tmp_path):
    (tmp_path / "session_test.rego").write_text(HEAD)

    with pytest.raises(ValueError, match="no policy"):
        bundle.load(tmp_path)


class Panic(BaseException):
    """What the engine's native code raises is no Exception."""


@pytest.mark.parametrize("failure", [RuntimeError("boom"), ValueError("not JSON"), Panic()])
def test_an_engine_that_fails_denies_and_is_replaced(monkeypatch, failure):
    evaluator = RegoEvaluator(bundle.load(engine_folder()))
    monkeypatch.setattr(engine._Engine, "evaluator", evaluator)

    class Failing:
        def set_input_json(self, text):
            raise failure

    evaluator._local.engine = Failing()

    assert engine.decide(GOOD).reasons == ("policy_unavailable",)
    assert engine.decide(GOOD).outcome is Outcome.ALLOW


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_a_stop_is_no_denial(monkeypatch, stop):
    evaluator = RegoEvaluator(bundle.load(engine_folder()))

    class Stopping:
        def set_input_json(self, text):
            raise stop

    evaluator._local.engine = Stopping()

    with pytest.raises(stop):
        ask(evaluator, GOOD.document())


MISSING = [
    ("organisation_is_active",), ("user", "is_active"), ("user", "email_verified"),
    ("user", "stamp_matches"), ("session", "is_ended"), ("session", "idle_remaining"),
    ("session", "absolute_remaining"), ("session", "level"), ("session", "authentication_age"),
    ("role_level",), ("resource", "client_is_active"), ("resource", "required_level"),
    ("resource", "max_age"), ("user",), ("session",), ("resource",),
    ("session", "binding"), ("session", "proof_age"), ("session", "age"), ("device", "state"),
    ("device", "tier"), ("risk", "level"), ("risk", "user_level"), ("risk", "provable_level"),
    ("role_tiers",), ("binding_is_required",), ("resource", "required_tier"),
    ("resource", "scope_tiers"), ("device",), ("risk",),
]  # fmt: skip


@pytest.mark.parametrize("path", MISSING, ids=".".join)
@pytest.mark.parametrize("wrong", ["missing", None, "true", []])
def test_a_fact_that_is_missing_or_of_another_kind_never_allows(path, wrong):
    document = json.loads(json.dumps(GOOD.document()))
    place = document
    for step in path[:-1]:
        place = place[step]
    if wrong == "missing":
        del place[path[-1]]
    else:
        place[path[-1]] = wrong
    evaluator = RegoEvaluator(bundle.load(engine_folder()))

    try:
        answer = ask(evaluator, document)
    except PolicyUnavailable:
        return
    assert not Decision.from_answer(answer, "r").is_allowed


@pytest.mark.parametrize("wrong", ["missing", None, "user", {}, {"user": True}, 1])
def test_locks_that_are_no_list_never_allow(wrong):
    document = json.loads(json.dumps(GOOD.document()))
    document["locks"] = wrong
    if wrong == "missing":
        del document["locks"]
    evaluator = RegoEvaluator(bundle.load(engine_folder()))

    try:
        answer = ask(evaluator, document)
    except PolicyUnavailable:
        return
    assert not Decision.from_answer(answer, "r").is_allowed


def test_no_input_is_left_over_from_the_previous_question(monkeypatch):
    evaluator = RegoEvaluator(bundle.load(engine_folder()))
    assert Decision.from_answer(ask(evaluator, GOOD.document()), "r").is_allowed

    with pytest.raises(PolicyUnavailable):
        evaluator.evaluate(engine.DECISION, b'{"cut": ')

    assert not Decision.from_answer(ask(evaluator, {}), "r").is_allowed


def test_every_thread_has_an_engine_of_its_own():
    evaluator = RegoEvaluator(bundle.load(engine_folder()))
    engines, all_are_there = set(), threading.Barrier(4, timeout=60)

    def ask_in_a_thread():
        ask(evaluator, GOOD.document())
        engines.add(id(evaluator._local.engine))
        all_are_there.wait(10)

    threads = [threading.Thread(target=ask_in_a_thread) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(engines) == 4


def test_a_rule_of_any_path_is_asked_for_by_name(policy):
    policy(f"{HEAD}double := input.number * 2\n\nnothing := null")

    assert engine.evaluate("sallyport/double", {"number": 21}) == 42
    assert engine.evaluate("sallyport/nothing", {}) is None


@pytest.mark.parametrize("path", ["sallyport/double", "sallyport/quadruple", "elsewhere/double"])
def test_what_policy_says_nothing_about_is_undefined(policy, path):
    policy(f"{HEAD}double := input.number * 2")

    answer = engine.evaluate(path, {})

    assert answer is UNDEFINED
    assert not answer


@pytest.mark.parametrize(
    "path",
    ["", "sallyport", "data.sallyport.decision", "sallyport/../x", "sallyport/x[0]", "a/b\n"],
)
def test_what_is_no_path_of_a_rule_is_not_asked(path):
    with pytest.raises(PolicyUnavailable, match="no path"):
        engine.evaluate(path, {})


def test_facts_that_are_no_json_are_not_asked_about():
    with pytest.raises(PolicyUnavailable, match="no JSON"):
        engine.evaluate(engine.DECISION, {"broken": object()})


def test_a_rule_that_fails_is_no_answer(policy):
    policy(f"{HEAD}double := input.number / input.by")

    with pytest.raises(PolicyUnavailable):
        engine.evaluate("sallyport/double", {"number": 1, "by": 0})


def test_without_policy_nothing_is_answered(monkeypatch):
    monkeypatch.setattr(engine._Engine, "evaluator", None)

    with pytest.raises(PolicyUnavailable):
        engine.evaluate(engine.DECISION, GOOD.document())


def ask(evaluator, document):
    return evaluator.evaluate(engine.DECISION, json.dumps(document).encode())


def engine_folder():
    from django.conf import settings

    return settings.POLICY_DIR
