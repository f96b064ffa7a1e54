"""docs/access.md says what may be set, and shows only what may be saved."""

import json
import re
from pathlib import Path

from access.judging import EXAMPLE_OF_A_REVIEW
from access.offers import COLUMNS, Offer, thresholds_of
from policy import bodies
from tests.access.test_deciding import FOUR

PAGE = (Path(__file__).resolve().parent.parent.parent / "docs" / "access.md").read_text()


def test_every_term_is_explained():
    named = set(re.findall(r"`(\w+)`", PAGE))

    assert set(COLUMNS) - {"description"} <= named


def test_its_thresholds_are_those_that_are_tested():
    shown = json.loads(re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)[1])

    kept = thresholds_of(Offer(roles=[], thresholds=shown))
    assert kept == FOUR
    for each in kept:
        if each["filter"]:
            bodies.check(each["filter"], EXAMPLE_OF_A_REVIEW)


def test_what_it_says_of_inputs_is_what_rules_see():
    for part, names in EXAMPLE_OF_A_REVIEW.items():
        row = re.search(rf"^\| `{part}` \| (.*) \|$", PAGE, re.MULTILINE)[1]
        assert set(re.findall(r"`(\w+)`", row)) >= set(names) - {"duration", "starts_in"}
