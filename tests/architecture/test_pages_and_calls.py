"""Whatever a page does, a call of the API does, or docs/api.md says why it has to be a page."""

import json
import re
from itertools import pairwise
from pathlib import Path

import pytest
from django.contrib import admin

from console.api.site import document
from tests.attacks.test_a141_every_path import ADMINISTRATION, WHO
from tests.support import api

DOCS = Path(__file__).resolve().parents[2] / "docs" / "api.md"
HEADINGS = ("| page | call |", "| page | why |")
NOT_PAGES = {"healthz", "readyz"}


def rows(heading: str) -> list[tuple[list[str], list[str], str]]:
    """Names in the first column, names in the second, and the second as it stands."""
    table = DOCS.read_text().partition(f"{heading}\n|---|---|\n")[2].partition("\n\n")[0]
    found = []
    for line in table.splitlines():
        _, first, second, _ = re.split(r"(?<!\\)\|", line)
        found.append((re.findall("`([^`]+)`", first), re.findall("`([^`]+)`", second), second))
    return found


def pages() -> set[str]:
    """Every page, every list of the administration, and everything that is done to chosen rows."""
    people = WHO["anybody"] | WHO["people"] | WHO["browsers"] | WHO["administrators"]
    models = set()
    for model, page in admin.site._registry.items():
        label = model._meta.label
        models |= {label, *(f"{label}: {action}" for action in page.actions or ())}
    tables = {f"admin:{model}_table" for model, own in ADMINISTRATION.items() if "table" in own}
    return (people | WHO["the administration's doors"] | models | tables) - NOT_PAGES


@pytest.fixture(scope="module")
def told() -> dict[str, list[str]]:
    """By heading, the pages that its table names."""
    return {
        heading: [name for names, _, _ in rows(heading) for name in names] for heading in HEADINGS
    }


def test_the_tables_are_there(told):
    assert all(told.values())


def test_every_page_stands_in_one_table(told):
    calls, reasons = (set(told[heading]) for heading in HEADINGS)

    assert sorted(pages() - calls - reasons) == [], (
        "which call does the same, or why is there none?"
    )
    assert sorted(calls & reasons) == []


def test_no_page_is_told_that_is_none(told):
    assert sorted({name for names in told.values() for name in names} - pages()) == []


def test_no_page_is_told_twice(told):
    names = sorted(name for names in told.values() for name in names)

    assert [one for one, next_one in pairwise(names) if one == next_one] == []


def test_each_reason_is_one():
    assert [names for names, _, why in rows(HEADINGS[1]) if len(why.split()) < 5] == []


def test_every_call_that_is_told_is_there():
    known = {
        f"{method.upper()} {path.removeprefix(api.ROOT)}"
        for path, methods in json.loads(document())["paths"].items()
        for method in methods
    }
    named = {call for _, calls, _ in rows(HEADINGS[0]) for call in calls}

    assert sorted(named - known) == []
