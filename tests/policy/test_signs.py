"""What a session is suspected of rests on a sign: without any, no rule behind them is looked at."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

from policy import bundle, engine
from policy.rego import RegoEvaluator
from tests.policy.test_agreement import FACTS

SUSPICIONS, SIGNS = "sallyport/suspicions", "sallyport/signs"
SHIPPED = RegoEvaluator(engine.shipped())
calm = st.integers(0, 2)
# Whatever facts, without anything that is a sign.
QUIET = st.builds(
    lambda document, level, user_level, state: (
        document
        | {
            "session": document["session"] | {"level": 4, "binding": ""},
            "risk": document["risk"] | {"level": level, "user_level": user_level},
            "resource": document["resource"] | {"max_age": -1, "scope_tiers": {}},
            "locks": [],
            "role_tiers": {},
            "binding_is_required": False,
            "device": document["device"] | {"state": state},
        }
    ),
    st.fixed_dictionaries(FACTS),
    calm,
    calm,
    st.sampled_from(["", "pending", "enrolled", "suspended", "retired"]),
)
often = how(max_examples=300, deadline=None)


def suspicions(rules: RegoEvaluator, document: dict[str, Any]) -> list[str]:
    """What the rules suspect where they see no sign."""
    text = orjson.dumps(document)
    assert not any(rules.evaluate(SIGNS, text).values())
    found: list[str] = rules.evaluate(SUSPICIONS, text)
    return found


@often
@given(document=QUIET)
def test_nothing_is_suspected_without_a_sign(document: dict[str, Any]) -> None:
    assert suspicions(SHIPPED, document) == []


def test_a_rule_without_a_sign_would_be_noticed() -> None:
    modules = dict(engine.shipped().modules)
    modules["session.rego"] += '\nsuspicions contains "away" if input.network.has_changed\n'
    rules = RegoEvaluator(bundle.of_modules(modules))

    @often
    @given(document=QUIET)
    def nothing(document: dict[str, Any]) -> None:
        assert suspicions(rules, document) == []

    with pytest.raises(AssertionError):
        nothing()
