"""docs/compliance.md says what the tests show, and nothing else."""

import ast
import re
from functools import cache
from pathlib import Path

from tests.specs import compliance


def test_the_page_is_what_the_tests_say():
    assert compliance.PAGE.read_text(encoding="utf-8") == compliance.page(), (
        "run: python -m tests.specs.compliance"
    )


def test_every_specification_has_marked_tests():
    folders = {path.parent.name for path in compliance.ROOT.glob("tests/specs/*/test_*.py")}
    shown = {
        row.test.split("/")[1] for row in compliance.requirements() if row.test.startswith("specs/")
    }

    assert folders == shown


@cache
def _tests_in(path: Path) -> frozenset[str]:
    if not path.is_file():
        return frozenset()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def test_every_test_that_a_plan_names_exists():
    by_hand = compliance.PAGE.read_text(encoding="utf-8").partition(compliance.MARK)[0]
    _, heading, plans = by_hand.partition("## Plan by plan")
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", plans)

    assert heading
    assert len(named) == plans.count("::")
    assert not [
        f"{file}::{name}"
        for file, name in named
        if name not in _tests_in(compliance.ROOT / "tests" / file)
    ]


def test_every_row_of_a_plan_has_a_test_or_a_reason():
    by_hand = compliance.PAGE.read_text(encoding="utf-8").partition(compliance.MARK)[0]
    rows = re.findall(r"^\| .* \|$", by_hand.partition("## Plan by plan")[2], re.MULTILINE)

    assert not [
        row
        for row in rows
        if "::" not in row
        and "not shown: " not in row
        and not row.startswith(("| modules |", "| --- |"))
    ]


def test_every_check_of_the_authzen_certification_is_shown():
    """The matrix of section 2.1 of its scenario, with the requirements of transport: 37."""
    matrix = {
        *(f"2.2.{n}" for n in range(1, 10)), "2.3", "2.4", "2.5", "2.6",
        *(f"3.2.{n}" for n in range(1, 8)), "3.3", "3.4",
        "4.2.1", "4.2.2", "4.2.3", "4.2.4", "4.3.1", "4.3.2", "4.3.3", "4.4.1", "4.4.2", "4.4.3",
        "4.5", "4.6", "4.7", "5", "6",
    }  # fmt: skip
    shown = {
        row.section_text
        for row in compliance.requirements()
        if row.document == "AuthZEN certification"
    }

    assert len(matrix) == 37
    assert shown == matrix
