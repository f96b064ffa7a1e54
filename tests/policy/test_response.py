"""What the rules of response say, and that rules which fail do not mean "do nothing"."""

import pytest

from policy import bundle, engine
from policy.rego import RegoEvaluator
from policy.response import Act, Action, Response, Signal

HEAD = "package sallyport.response\n\nimport rego.v1\n\n"
HIGH = {"level": "high", "previous": "medium", "reason": "spray"}
TAKEOVER = HIGH | {"reason": "takeover"}
LOCK = Action(Act.LOCK, target="user", needs_recovery=True)
ROWS = {
    "a token shown again": (Signal("token_replay", {}), [Act.NOTIFY]),
    "a lost device": (Signal("device_lost", {}), [Act.END_DEVICE_SESSIONS]),
    "a revoked device": (Signal("device_revoked", {}), [Act.END_DEVICE_SESSIONS]),
    "a suspended device": (Signal("device_suspended", {}), []),
    "an account at high risk": (Signal("account_at_risk", HIGH), [Act.NOTIFY]),
    "an account still at high risk": (Signal("account_at_risk", HIGH | {"previous": "high"}), []),
    "an account at medium risk": (Signal("account_at_risk", HIGH | {"level": "medium"}), []),
    "a takeover": (Signal("account_at_risk", TAKEOVER), [Act.LOCK, Act.END_SESSIONS, Act.NOTIFY]),
    "half a takeover": (Signal("account_at_risk", TAKEOVER | {"level": "medium"}), []),
    "what nobody knows": (Signal("eclipse", {}), []),
    "facts that are missing": (Signal("account_at_risk", {}), []),
}


@pytest.mark.parametrize(("signal", "acts"), ROWS.values(), ids=ROWS)
def test_each_signal_has_its_consequence(signal, acts):
    response = engine.respond(signal)

    assert [action.act for action in response.actions] == acts
    assert (response.failure, response.revision) == ("", engine.revision())


def test_a_takeover_is_locked_until_it_is_recovered():
    assert LOCK in engine.respond(Signal("account_at_risk", TAKEOVER)).actions


@pytest.fixture
def rules(tmp_path, monkeypatch):
    def load(source):
        (tmp_path / "response.rego").write_text(source)
        monkeypatch.setattr(engine._Engine, "evaluator", RegoEvaluator(bundle.load(tmp_path)))

    return load


def test_the_same_way_lets_good_rules_through(rules):
    rules(f'{HEAD}actions contains {{"act": "notify"}}')

    assert engine.respond(Signal("any", {})).actions == (Action(Act.NOTIFY),)


BROKEN = {
    "no Rego": "this is no policy",
    "another package": 'package elsewhere\n\nactions := [{"act": "notify"}]',
    "undefined": f"{HEAD}actions := [] if false",
    "an unknown act": f'{HEAD}actions := [{{"act": "explode"}}]',
    "no act": f"{HEAD}actions := [{{}}]",
    "a string": f'{HEAD}actions := "notify"',
    "words": f'{HEAD}actions := ["notify"]',
    "an object": f'{HEAD}actions := {{"act": "notify"}}',
    "null": f"{HEAD}actions := null",
    "more than is known": f'{HEAD}actions := [{{"act": "notify", "whom": "all"}}]',
    "a lock on nothing": f'{HEAD}actions := [{{"act": "lock"}}]',
    "a lock on what nobody knows": f'{HEAD}actions := [{{"act": "lock", "target": "planet"}}]',
    "a fraction of a minute": (
        f'{HEAD}actions := [{{"act": "lock", "target": "user", "minutes": 0.5}}]'
    ),
    "less than no time": f'{HEAD}actions := [{{"act": "lock", "target": "user", "minutes": -1}}]',
    "a word for yes": (
        f'{HEAD}actions := [{{"act": "lock", "target": "user", "needs_recovery": "yes"}}]'
    ),
    "minutes of text": f'{HEAD}actions := [{{"act": "lock", "target": "user", "minutes": "x"}}]',
}


@pytest.mark.parametrize("source", BROKEN.values(), ids=BROKEN)
def test_rules_that_fail_end_sessions(rules, source):
    rules(source)

    response = engine.respond(Signal("token_replay", {}))

    assert response.actions == (Action(Act.END_SESSIONS),)
    assert response.failure in {"policy_undefined", "policy_unavailable"}


def test_no_rules_at_all_end_sessions(monkeypatch):
    monkeypatch.setattr(engine._Engine, "evaluator", None)

    response = engine.respond(Signal("token_replay", {}))

    assert (response.actions, response.failure) == ((Action(Act.END_SESSIONS),), "policy_missing")


def test_locks_come_first():
    answer = [{"act": act} for act in ("notify", "end_sessions", "step_up")]
    answer.append({"act": "lock", "target": "user"})

    acts = [action.act for action in Response.from_answer(answer, "r").actions]

    assert acts == [Act.LOCK, Act.STEP_UP, Act.END_SESSIONS, Act.NOTIFY]
