"""Levels and what satisfies what."""

from datetime import UTC, datetime, timedelta

import pytest

from core.assurance import Assurance, Level

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def proven(level: Level, seconds_ago: int | None) -> Assurance:
    at = None if seconds_ago is None else NOW - timedelta(seconds=seconds_ago)
    return Assurance(level, ("pwd",), at)


@pytest.mark.parametrize(
    ("has", "seconds_ago", "wanted", "max_age", "is_enough"),
    [
        (Level.AAL2, 5, Level.AAL2, None, True),
        (Level.AAL2, 5, Level.AAL1, None, True),
        (Level.AAL1, 5, Level.AAL2, None, False),
        (Level.NONE, 5, Level.AAL1, None, False),
        (Level.NONE, None, Level.NONE, None, True),
        (Level.AAL2, 600, Level.AAL2, 600, True),
        (Level.AAL2, 601, Level.AAL2, 600, False),
        (Level.AAL2, None, Level.AAL2, 600, False),
        (Level.AAL1, 0, Level.AAL2, 600, False),
        (Level.AAL2, 0, Level.AAL2, 0, True),
    ],
)
def test_strong_enough_and_fresh_enough(has, seconds_ago, wanted, max_age, is_enough):
    limit = None if max_age is None else timedelta(seconds=max_age)

    assert proven(has, seconds_ago).satisfies(wanted, limit, NOW) is is_enough


def test_nothing_said_means_nothing_proven():
    assert Assurance().level is Level.NONE
    assert Assurance().methods == ()


@pytest.mark.parametrize("level", list(Level))
def test_a_level_and_its_name_go_together(level):
    assert Level.from_acr(level.acr) is level


@pytest.mark.parametrize("acr", ["", "aal3", "AAL2", "2", "aal2 ", "urn:mace:silver", "PHR"])
def test_an_unknown_name_means_nothing(acr):
    assert Level.from_acr(acr) is Level.NONE
