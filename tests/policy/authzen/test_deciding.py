"""What becomes of policy's answers: exactly yes, or no."""

import pytest

from policy.authzen import deciding, reading
from policy.authzen.deciding import Verdict, answer_batch, decide
from policy.authzen.model import Semantic
from policy.evaluator import UNDEFINED, PolicyUnavailable
from tests.policy.authzen.test_reading import WHOLE

QUESTION = reading.evaluation(WHOLE)
YES = {"decision": True, "reasons": [], "context": {}}
NO = {"decision": False, "reasons": ["permission_missing"], "context": {}}


def batch(*items, semantic="execute_all"):
    body = WHOLE | {"evaluations": list(items), "options": {"evaluations_semantic": semantic}}
    return reading.evaluations(body)


def decisions(told):
    return [one["decision"] for one in told["evaluations"]]


class TestDecide:
    def test_policy_is_asked_once_about_all(self):
        asked = []

        def evaluate(path, document):
            asked.append((path, document))
            return [YES, NO]

        verdicts = decide([QUESTION, QUESTION], {"roles": {}}, evaluate)

        assert [verdict.decision for verdict in verdicts] == [True, False]
        ((path, document),) = asked
        assert path == "sallyport/authzen/decisions"
        assert document["roles"] == {}
        assert len(document["evaluations"]) == 2

    def test_nothing_asked_is_nothing_told(self):
        assert decide([], {}, lambda *_: pytest.fail("asked")) == []

    def test_policy_that_cannot_be_asked_denies_all(self):
        def evaluate(path, document):
            raise PolicyUnavailable("down")

        verdicts = decide([QUESTION, QUESTION], {}, evaluate)

        assert [(one.decision, one.reasons) for one in verdicts] == [
            (False, ("policy_unavailable",))
        ] * 2

    @pytest.mark.parametrize(
        "answer",
        [None, UNDEFINED, "<undefined>", {}, [], [YES], [YES] * 3, {"0": YES, "1": YES}, True],
        ids=["none", "undefined", "text", "object", "empty", "short", "long", "keys", "true"],
    )
    def test_an_answer_of_another_size_or_shape_denies_all(self, answer):
        verdicts = decide([QUESTION, QUESTION], {}, lambda *_: answer)

        assert verdicts == [deciding.UNDEFINED] * 2
        assert deciding.UNDEFINED.decision is False

    @pytest.mark.parametrize(
        "answer",
        [
            None, True, [], {}, {"decision": True},
            {**YES, "decision": 1}, {**YES, "decision": "true"}, {**YES, "decision": None},
            {**YES, "reasons": "x"}, {**YES, "reasons": [1]}, {**YES, "context": []},
        ],
        ids=str,
    )  # fmt: skip
    def test_one_answer_of_another_shape_denies_that_one(self, answer):
        first, second = decide([QUESTION, QUESTION], {}, lambda *_: [YES, answer])

        assert first.decision is True
        assert second == deciding.UNDEFINED


class TestDocument:
    def test_a_permit_is_plain(self):
        assert Verdict.from_answer(YES).document() == {"decision": True}

    def test_a_denial_says_why_to_administrators_and_to_people(self):
        told = Verdict(decision=False, reasons=("permission_missing",), hints={"a": 1}).document()

        assert told == {
            "decision": False,
            "context": {
                "reason_admin": {"en": "permission_missing"},
                "reason_user": {"en": deciding.EXPLANATIONS["permission_missing"]},
                "a": 1,
            },
        }

    def test_a_reason_of_somebody_elses_policy_is_told_in_general(self):
        told = Verdict(decision=False, reasons=("moon_is_full",)).document()

        assert told["context"]["reason_user"] == {"en": deciding.UNEXPLAINED}


class TestBatch:
    def test_all_are_answered_in_their_order(self):
        verdicts = [Verdict(decision=True), Verdict(decision=False), Verdict(decision=True)]

        assert decisions(answer_batch(batch({}, {}, {}), verdicts)) == [True, False, True]

    @pytest.mark.parametrize(
        ("semantic", "given", "told"),
        [
            (Semantic.DENY_ON_FIRST_DENY, [True, False, True], [True, False]),
            (Semantic.DENY_ON_FIRST_DENY, [True, True], [True, True]),
            (Semantic.PERMIT_ON_FIRST_PERMIT, [False, True, False], [False, True]),
            (Semantic.PERMIT_ON_FIRST_PERMIT, [False, False], [False, False]),
        ],
        ids=["deny", "deny-none", "permit", "permit-none"],
    )
    def test_short_circuits(self, semantic, given, told):
        asked = batch(*[{}] * len(given), semantic=semantic)

        found = answer_batch(asked, [Verdict(decision=one) for one in given])

        assert decisions(found) == told

    def test_what_cannot_be_read_is_denied_in_its_place(self):
        asked = batch({}, "x", {})

        told = answer_batch(asked, [Verdict(decision=True), Verdict(decision=True)])

        assert decisions(told) == [True, False, True]
        assert told["evaluations"][1]["context"]["error"] == {
            "status": 400, "message": "An evaluation must be an object.",
        }  # fmt: skip

    def test_a_fault_is_a_denial_for_a_short_circuit(self):
        asked = batch({}, "x", {}, semantic="deny_on_first_deny")

        told = answer_batch(asked, [Verdict(decision=True), Verdict(decision=True)])

        assert decisions(told) == [True, False]
