"""Which rules spoke: each rule's value for one input."""

from policy import bundle
from policy.evaluator import UNDEFINED
from policy.explaining import explain

RULES = bundle.of_modules(
    {
        "a.rego": """package sallyport

import rego.v1

limit := 3

default allow := false

allow if input.level >= limit

checks := {"high": input.level >= limit, "odd": input.level % 2 == 1}

groups := {"one": {"high": input.level >= limit}, "other": {"odd": input.level % 2 == 1}}

mixed := {"one": {"high": input.level >= limit}, "other": {"level": input.level}}

reasons contains "low" if input.level < limit

double(x) := x * 2

broken := double(input.level) / input.nothing

wide := [input.level | some _ in numbers.range(1, 500)]
""",
        "b.rego": """package sallyport.inner

import rego.v1

answer := input.level
""",
    }
)


def rules(document, path="sallyport/allow"):
    return {rule.name: rule for rule in explain(RULES, path, document).rules}


def test_a_rule_speaks_where_its_value_depends_on_the_input_and_says_something():
    told = rules({"level": 5})

    assert {name for name, rule in told.items() if rule.has_spoken} == {
        "allow", "checks", "groups", "mixed", "wide",
    }  # fmt: skip
    assert told["limit"].value == "3", "the same for any input"
    assert told["reasons"].value == "[]"


def test_checks_by_name_are_told_each():
    told = rules({"level": 4})

    assert told["checks"].parts == (("high", True), ("odd", False))
    assert told["groups"].parts == (("high", True), ("odd", False)), "as they are in groups"
    assert told["mixed"].parts == ()


def test_a_rule_that_fails_or_is_undefined_has_no_value():
    assert rules({"level": 5})["broken"].value == ""
    assert explain(RULES, "sallyport/nothing", {}).result is UNDEFINED


def test_functions_are_not_asked_and_each_rule_has_its_line():
    told = rules({"level": 1})

    assert "double" not in told
    assert (told["limit"].file, told["limit"].line) == ("a.rego", 5)
    assert told["allow"].line == 7


def test_the_package_is_the_innermost_one():
    told = explain(RULES, "sallyport/inner/answer", {"level": 2})

    assert (told.package, told.result) == ("sallyport.inner", 2)
    assert [rule.name for rule in told.rules] == ["answer"]


def test_long_values_are_cut():
    assert len(rules({"level": 5})["wide"].value) == 401
