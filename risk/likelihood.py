"""How much likelier a sign-in is from an attacker than from its user: the likelihood ratio.

The method of Freeman et al., "Who Are You? A Statistical Approach to Measuring User Authenticity"
(NDSS 2016, doi 10.14722/ndss.2016.23240), with the weights of Wiefling et al. (ACM TOPS 2022,
doi 10.1145/3546069):

    ratio = product over features of  p(x) / p(x | user)   times   (1 / users) / p(user)

A feature is looked at on several levels, from the exact value to its family, and each level has a
weight: an address nobody has seen may still be of a network that the user always comes from.

Pure: counts in, a number with its parts out. Whoever counts keeps failed sign-ins out of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from math import log


class Level(IntEnum):
    """What is counted, from the finest to the coarsest within each feature."""

    ADDRESS = 0
    NETWORK = 1
    COUNTRY = 2
    AGENT = 3
    BROWSER = 4
    SYSTEM = 5
    KIND = 6


FEATURES: Mapping[str, Mapping[Level, float]] = {
    "network": {Level.ADDRESS: 0.6, Level.NETWORK: 0.3, Level.COUNTRY: 0.1},
    "agent": {
        Level.AGENT: 0.5386653840551359,
        Level.BROWSER: 0.2680451498625666,
        Level.SYSTEM: 0.18818295100109536,
        Level.KIND: 0.0051065150812021525,
    },
}
# A value on no level of which the user was ever seen is this much likelier from somebody else: if
# it were smoothed instead, what is rare for everybody would look harmless.
NEVER_SEEN = 4


@dataclass(frozen=True, slots=True)
class History:
    """Successful sign-ins of one user: how many, and how many had the value, by level.

    A level that is absent is unknown (no data on where an address is, say), not zero.
    """

    logins: int
    counts: Mapping[Level, int]


@dataclass(frozen=True, slots=True)
class Population:
    """Successful sign-ins of everybody; distinct: how many values were seen, by level."""

    logins: int
    users: int
    counts: Mapping[Level, int]
    distinct: Mapping[Level, int]


@dataclass(frozen=True, slots=True)
class Ratio:
    """Natural logarithms: each feature's share, and that of how often the user signs in at all."""

    features: Mapping[str, float]
    frequency: float

    @property
    def total(self) -> float:
        return sum(self.features.values()) + self.frequency


def likelihood_ratio(own: History, everybody: Population) -> Ratio | None:
    """The ratio for one sign-in, or None before the user's first: there is nothing to compare."""
    if own.logins == 0 or everybody.logins == 0 or everybody.users == 0:
        return None
    features = {
        name: log(anybody / by_user)
        for name, weights in FEATURES.items()
        if (known := _known(weights, own, everybody))
        for anybody in [_of_anybody(known, everybody)]
        for by_user in [_of_user(known, own) or anybody / NEVER_SEEN]
    }
    # Everybody is attacked alike; some sign in more often than others.
    return Ratio(features, log(everybody.logins / (everybody.users * own.logins)))


def _known(
    weights: Mapping[Level, float], own: History, everybody: Population
) -> Mapping[Level, float]:
    """The weights of the levels that have a value, as shares of one."""
    known = {
        level: weight
        for level, weight in weights.items()
        if level in own.counts and level in everybody.counts
    }
    whole = sum(known.values())
    return {level: weight / whole for level, weight in known.items()}


def _of_user(weights: Mapping[Level, float], own: History) -> float:
    return sum(weight * own.counts[level] / own.logins for level, weight in weights.items())


def _of_anybody(weights: Mapping[Level, float], everybody: Population) -> float:
    """The finest level is smoothed (an M-estimate), so that it is never nothing."""
    finest = min(weights)
    return sum(
        weight
        * (_smoothed(level, weights, everybody) if level is finest else _share(level, everybody))
        for level, weight in weights.items()
    )


def _share(level: Level, everybody: Population) -> float:
    return everybody.counts[level] / everybody.logins


def _smoothed(level: Level, weights: Mapping[Level, float], everybody: Population) -> float:
    """seen: c/n * (1 - M/(n+M)); unseen: 1/(n+M). M: a guess at how many values are yet unseen."""
    unseen = 1 + sum(everybody.distinct.get(coarser, 0) for coarser in weights if coarser > level)
    count, logins = everybody.counts[level], everybody.logins
    if count == 0:
        return 1 / (logins + unseen)
    return count / logins * (1 - unseen / (logins + unseen))
