"""From likelihood and evidence to a score, a level and the reasons that weigh most.

All of it adds up in log-odds. What a sum means is measured, not chosen: `make risk-report` fits a
logistic curve on its generated sign-ins and attacks, and writes it with its seed to
`calibration.json`, beside the sums from which on a level begins.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from math import exp
from pathlib import Path

from risk.evidence import Evidence
from risk.levels import RiskLevel
from risk.likelihood import Ratio

TABLE = Path(__file__).with_name("calibration.json")
REASONS = 3
# Before a user's first sign-in there is nothing to compare with; a prior stands in. An account that
# was just made is used by whoever made it; one that lay unused may have been found by somebody
# else.
JUST_MADE = -3.0
LAY_UNUSED = 0.5


@dataclass(frozen=True, slots=True)
class Calibration:
    """intercept, slope: of the chance that it is an attack, were every second sign-in one.

    medium_from, high_from: sums of log-odds. seed: of the data that it was fitted on.
    """

    intercept: float
    slope: float
    medium_from: float
    high_from: float
    seed: int

    def chance(self, log_odds: float) -> float:
        exponent = -(self.intercept + self.slope * log_odds)
        return 1 / (1 + exp(min(exponent, 700.0)))

    def level(self, log_odds: float) -> RiskLevel:
        if log_odds >= self.high_from:
            return RiskLevel.HIGH
        return RiskLevel.MEDIUM if log_odds >= self.medium_from else RiskLevel.LOW


@dataclass(frozen=True, slots=True)
class Score:
    """value: 0 to 100. reasons: the weightiest first, three at most."""

    log_odds: float
    value: float
    level: RiskLevel
    reasons: tuple[Evidence, ...]


def judge(
    ratio: Ratio | None,
    evidence: Iterable[Evidence | None],
    *,
    calibration: Calibration,
    is_new_account: bool = False,
) -> Score:
    """Add up and read off; ratio: None at the user's first sign-in, where a prior stands in."""
    parts = [each for each in evidence if each is not None]
    if ratio is None:
        prior = calibration.medium_from + (JUST_MADE if is_new_account else LAY_UNUSED)
        parts.append(Evidence("first_sign_in", prior))
    else:
        parts += [Evidence(name, share) for name, share in ratio.features.items()]
        parts.append(Evidence("frequency", ratio.frequency))
    log_odds = sum(part.weight for part in parts)
    return Score(
        log_odds=log_odds,
        value=round(100 * calibration.chance(log_odds), 1),
        level=calibration.level(log_odds),
        reasons=weightiest(parts),
    )


def fault() -> Score:
    """What cannot be judged is not harmless: policy asks for more, as from an attacker."""
    return Score(0.0, 100.0, RiskLevel.HIGH, (Evidence("engine_fault", 0.0),))


def weightiest(parts: Sequence[Evidence]) -> tuple[Evidence, ...]:
    """What speaks loudest, for or against."""
    return tuple(sorted(parts, key=lambda part: (-abs(part.weight), part.code))[:REASONS])


@cache
def calibration() -> Calibration:
    """The fitted table; a missing or broken one is a fault, which assessing answers as one."""
    fields = json.loads(TABLE.read_text())["calibration"]
    return Calibration(**fields)
