"""Discrete evidence beside the likelihood ratio: each a code and a weight in natural log-odds.

Kept apart from the product of likelihoods on purpose: attack data inside it made the published
model far worse (ACM TOPS 2022, doi 10.1145/3546069). Weights are of a few sizes, fixed here; what a
sum of them means is said by the calibration (risk/score.py). What is unknown gives no evidence.

Pure: values in, evidence out.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import asin, cos, exp, log, radians, sin, sqrt

from risk.likelihood import History, Level

SMALL, MEDIUM, LARGE, VERY_LARGE, EXTREME = 0.4, 0.8, 1.5, 2.0, 2.5
# A browser's secret is with its owner at about 19 sign-ins of 20, and with one attacker in 13 or so
# (malware copies cookies); a key that stays in the device with one in a hundred.
KNOWN_BROWSER, NEW_BROWSER, KNOWN_DEVICE = -2.5, 2.5, -4.5

TOO_FAST_KMH = 900
TOO_FAR_KM = 500
EARTH_RADIUS_KM = 6371.0
# An address that so many people of one organisation sign in from is its way out, not a place.
EGRESS_USERS = 3
HOURS = 24
HOURS_NEEDED = 10
# How far an hour's habit reaches to its neighbours: von Mises, about two hours wide.
CONCENTRATION = 4.0
SPRAYED_ADDRESS = ((20, EXTREME), (5, LARGE))
SPRAYED_NETWORK = ((200, LARGE), (50, MEDIUM))
FAILURES = ((12, LARGE), (6, MEDIUM), (3, SMALL))

WORDS: Mapping[str, str] = {
    "network": "Where it came from is unusual for this account",
    "agent": "The browser or system is unusual for this account",
    "frequency": "This account hardly ever signs in",
    "first_sign_in": "The first sign-in of an account that is not new",
    "impossible_travel": "Too far from the last sign-in to have travelled there",
    "new_country": "A country that this account never signed in from",
    "new_network": "A network that this account never signed in from",
    "new_software": "A kind of browser that this account never used",
    "new_browser": "A browser that we have not seen before",
    "known_browser": "A browser that this account has used before",
    "known_device": "An enrolled device of this account",
    "passkey": "Proven by a passkey, which cannot be phished",
    "unusual_hour": "An hour at which this account is hardly ever used",
    "spray": "Many different accounts were tried from there",
    "failures": "Several failed attempts just before",
    "takeover": "Address, password and second factor were changed one after the other",
    "token_replay": "A used token was shown again: somebody may have copied it",
    "unusual_actions": "What was done after signing in is unusual here",
    "reported": "Its owner said: this was not me",
    "judged_compromised": "An administrator judged this sign-in to be somebody else's",
    "engine_fault": "The sign-in could not be judged",
}
# What speaks for its user, where that has other words.
WORDS_FOR: Mapping[str, str] = {
    "network": "Where it came from is usual for this account",
    "agent": "The browser and system are usual for this account",
    "frequency": "This account signs in often",
    "first_sign_in": "The first sign-in of an account that was just made",
}


@dataclass(frozen=True, slots=True)
class Evidence:
    code: str
    weight: float


@dataclass(frozen=True, slots=True)
class Fix:
    """Where and when somebody was. accuracy_km: the radius that the place is known to.

    is_shared: it is an organisation's common way out, which says nothing of where people are.
    """

    latitude: float
    longitude: float
    accuracy_km: float
    at: datetime
    is_shared: bool = False


def travel(before: Fix | None, here: Fix | None) -> Evidence | None:
    """Impossible travel: even from edge to edge of both circles, too far and too fast."""
    if before is None or here is None or before.is_shared or here.is_shared:
        return None
    least_km = distance_km(before, here) - before.accuracy_km - here.accuracy_km
    if least_km <= TOO_FAR_KM:
        return None
    hours = (here.at - before.at) / timedelta(hours=1)
    if hours > 0 and least_km / hours <= TOO_FAST_KMH:
        return None
    return Evidence("impossible_travel", EXTREME)


def distance_km(one: Fix, other: Fix) -> float:
    """Great-circle distance between the centres (haversine)."""
    north, south = radians(one.latitude), radians(other.latitude)
    across = radians(other.longitude - one.longitude)
    half = sin((south - north) / 2) ** 2 + cos(north) * cos(south) * sin(across / 2) ** 2
    return 2 * EARTH_RADIUS_KM * asin(min(1.0, sqrt(half)))


def novelty(own: History) -> list[Evidence]:
    """Country, network or kind of browser that the user was never seen with."""
    if own.logins == 0:
        return []
    news = (
        ("new_country", Level.COUNTRY, MEDIUM),
        ("new_network", Level.NETWORK, SMALL),
        ("new_software", Level.BROWSER, SMALL),
    )
    return [Evidence(code, weight) for code, level, weight in news if own.counts.get(level) == 0]


def recognition(
    *, has_history: bool, is_known_browser: bool, is_enrolled_device: bool
) -> Evidence | None:
    """Whether the browser showed the secret that it was given at an earlier sign-in."""
    if is_known_browser:
        return (
            Evidence("known_device", KNOWN_DEVICE)
            if is_enrolled_device
            else Evidence("known_browser", KNOWN_BROWSER)
        )
    return Evidence("new_browser", NEW_BROWSER) if has_history else None


def proof(*, is_phishing_resistant: bool) -> Evidence | None:
    return Evidence("passkey", -EXTREME) if is_phishing_resistant else None


def hour(habit: Sequence[float], at: datetime) -> Evidence | None:
    """How rare this hour is for the user, on the circle of the day; habit: weight by UTC hour."""
    seen = sum(habit)
    if len(habit) != HOURS or seen < HOURS_NEEDED:
        return None
    moment = at.hour + at.minute / 60
    here = sum(
        weight * _closeness(moment - (each + 0.5)) for each, weight in enumerate(habit) if weight
    )
    share = here / seen / _EVEN  # 1: as if every hour were alike
    if share >= 0.25:  # noqa: PLR2004 - a quarter of that
        return None
    return Evidence("unusual_hour", MEDIUM if share < 0.05 else SMALL)  # noqa: PLR2004


def remember_hour(habit: Sequence[float], at: datetime) -> list[float]:
    """The habit with one more sign-in; earlier ones fade by a fiftieth each time."""
    fading = [weight * 0.98 for weight in habit] if len(habit) == HOURS else [0.0] * HOURS
    fading[at.hour] += 1
    return fading


def spray(*, by_address: int, by_network: int, users_of_address: int) -> Evidence | None:
    """Distinct accounts that failed from there lately; where many work, some mistype."""
    usual = users_of_address // 4
    weight = max(_step(SPRAYED_ADDRESS, by_address - usual), _step(SPRAYED_NETWORK, by_network))
    return Evidence("spray", weight) if weight else None


def failures(count: int) -> Evidence | None:
    """Failed attempts at this account just before."""
    weight = _step(FAILURES, count)
    return Evidence("failures", weight) if weight else None


TAKEOVER = ("email", "password", "factor")
TAKEOVER_WINDOW = timedelta(hours=24)


def takeover(changes: Iterable[tuple[str, datetime]], *, now: datetime) -> int:
    """How many steps of a takeover were made, in their order, within a day: 0 to 3.

    changes: kind ("email", "password", "factor", anything else is passed over) and when; those of
        one instant in the order of being made.
    """
    steps = 0
    for kind, at in sorted(changes, key=lambda change: change[1]):
        if now - at <= TAKEOVER_WINDOW and steps < len(TAKEOVER) and kind == TAKEOVER[steps]:
            steps += 1
    return steps


@dataclass(frozen=True, slots=True)
class Grammar:
    """How often one action follows another in an organisation: a bigram model of what people do.

    What never followed falls back on how often it happens at all, and what never happened is as
    rare as one more of everything seen.
    """

    pairs: Mapping[tuple[str, str], int]
    firsts: Mapping[str, int]
    actions: Mapping[str, int]

    def surprise(self, actions: Sequence[str]) -> float:
        """Mean surprise of the steps, in nats. 0 for less than two actions."""
        steps = list(itertools.pairwise(actions))
        if not steps:
            return 0.0
        return sum(-log(self._chance(*step)) for step in steps) / len(steps)

    def _chance(self, before: str, after: str) -> float:
        whole = sum(self.actions.values()) + len(self.actions) + 1
        alone = (self.actions.get(after, 0) + 1) / whole
        return (self.pairs.get((before, after), 0) + alone) / (self.firsts.get(before, 0) + 1)


def grammar(sequences: Iterable[Sequence[str]]) -> Grammar:
    """Learn from sequences of actions, one for each sign-in."""
    pairs: Counter[tuple[str, str]] = Counter()
    firsts: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    for actions in sequences:
        seen.update(actions)
        steps = list(itertools.pairwise(actions))
        pairs.update(steps)
        firsts.update(before for before, _ in steps)
    return Grammar(pairs, firsts, seen)


SURPRISING = 3.0
STEPS_NEEDED = 3
LEARNT_NEEDED = 200


def unusual_actions(model: Grammar, actions: Sequence[str]) -> Evidence | None:
    """What was done after signing in, against what is usual; silent until enough was learnt."""
    if len(actions) <= STEPS_NEEDED or sum(model.firsts.values()) < LEARNT_NEEDED:
        return None
    return Evidence("unusual_actions", LARGE) if model.surprise(actions) > SURPRISING else None


def _step(table: Sequence[tuple[int, float]], count: int) -> float:
    return next((weight for least, weight in table if count >= least), 0.0)


def _closeness(hours: float) -> float:
    return exp(CONCENTRATION * (cos(radians(hours * 360 / HOURS)) - 1))


_EVEN = sum(_closeness(each + 0.5) for each in range(HOURS)) / HOURS
