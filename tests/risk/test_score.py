"""From sums to levels, and what is said of them."""

import json
from math import exp

import pytest

from risk import score
from risk.evidence import Evidence
from risk.levels import RiskLevel
from risk.likelihood import Ratio
from risk.score import Calibration, judge

TABLE = Calibration(intercept=0.0, slope=1.0, medium_from=0.0, high_from=5.0, seed=1)


def test_parts_add_up_in_log_odds():
    ratio = Ratio({"network": 1.0, "agent": -0.5}, 0.25)

    made = judge(ratio, [Evidence("new_country", 0.8), None], calibration=TABLE)

    assert made.log_odds == pytest.approx(1.55)
    assert made.value == pytest.approx(100 / (1 + exp(-1.55)), abs=0.05)
    assert made.level is RiskLevel.MEDIUM


@pytest.mark.parametrize(
    ("total", "level"),
    [
        (-0.001, RiskLevel.LOW),
        (0.0, RiskLevel.MEDIUM),
        (4.999, RiskLevel.MEDIUM),
        (5.0, RiskLevel.HIGH),
    ],
)
def test_levels_begin_exactly_where_the_table_says(total, level):
    assert judge(Ratio({}, total), [], calibration=TABLE).level is level


def test_the_three_weightiest_reasons_are_named_for_or_against():
    ratio = Ratio({"network": -2.0, "agent": 0.1}, 0.2)

    made = judge(ratio, [Evidence("spray", 2.5), Evidence("failures", 0.4)], calibration=TABLE)

    assert [(each.code, each.weight) for each in made.reasons] == [
        ("spray", 2.5), ("network", -2.0), ("failures", 0.4),
    ]  # fmt: skip


def test_an_account_that_lay_unused_is_medium_at_its_first_sign_in_and_a_new_one_low():
    assert judge(None, [], calibration=TABLE).level is RiskLevel.MEDIUM
    assert judge(None, [], calibration=TABLE, is_new_account=True).level is RiskLevel.LOW


def test_evidence_counts_at_the_first_sign_in_as_well():
    sprayed = [Evidence("spray", 2.5), Evidence("failures", 1.5)]

    made = judge(None, sprayed, calibration=TABLE, is_new_account=True)

    assert made.level is RiskLevel.MEDIUM


def test_what_cannot_be_judged_is_never_low():
    assert score.fault().level is RiskLevel.HIGH
    assert score.fault().reasons[0].code == "engine_fault"


def test_the_chance_stays_between_nothing_and_all_however_far_the_sum():
    assert TABLE.chance(-1e9) == pytest.approx(0)
    assert TABLE.chance(1e9) == pytest.approx(1)


def test_the_table_in_the_repository_can_be_used_and_names_its_seed():
    table = score.calibration()

    assert table.slope > 0
    assert table.medium_from < table.high_from
    assert table.seed == json.loads(score.TABLE.read_text())["calibration"]["seed"]
