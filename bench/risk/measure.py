"""Replays sign-ins through the product's own engine, and counts what people and attackers meet."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from bench.risk.logins import BEGIN, Login
from risk import evidence
from risk.likelihood import History, Level, Population, likelihood_ratio

VALUES: Mapping[Level, Callable[[Login], object]] = {
    Level.ADDRESS: lambda login: login.address,
    Level.NETWORK: lambda login: login.asn,
    Level.COUNTRY: lambda login: login.country,
    Level.AGENT: lambda login: login.agent,
    Level.BROWSER: lambda login: login.software,
    Level.SYSTEM: lambda login: login.system,
    Level.KIND: lambda login: login.kind,
}
LIKELIHOOD, EVIDENCE, BROWSER, DEVICE = LAYERS = (
    "likelihood alone",
    "with evidence",
    "with browser cookie",
    "with device key",
)


@dataclass
class User:
    logins: int = 0
    counts: Counter[tuple[Level, object]] = field(default_factory=Counter)
    browsers: set[str] = field(default_factory=set)
    hours: list[float] = field(default_factory=list)


class Replay:
    """What the tables of risk would hold, in memory."""

    def __init__(self) -> None:
        self.logins = 0
        self.counts: Counter[tuple[Level, object]] = Counter()
        self.distinct: Counter[Level] = Counter()
        self.users: defaultdict[int, User] = defaultdict(User)

    def score(self, login: Login) -> dict[str, float] | None:
        """The sums of log-odds, by how much is looked at; None at a user's first sign-in."""
        user = self.users.get(login.user)
        if user is None:
            return None
        keys = {level: (level, value(login)) for level, value in VALUES.items()}
        own = History(user.logins, {level: user.counts[key] for level, key in keys.items()})
        everybody = Population(
            self.logins,
            len(self.users),
            {level: self.counts[key] for level, key in keys.items()},
            self.distinct,
        )
        ratio = likelihood_ratio(own, everybody)
        if ratio is None:
            return None
        found = [*evidence.novelty(own), evidence.hour(user.hours, login.at)]
        plain = sum(each.weight for each in found if each is not None)
        is_known = login.browser in user.browsers
        sums = {LIKELIHOOD: ratio.total, EVIDENCE: ratio.total + plain}
        for layer, is_device in ((BROWSER, False), (DEVICE, True)):
            seen = evidence.recognition(
                has_history=True, is_known_browser=is_known, is_enrolled_device=is_device
            )
            sums[layer] = sums[EVIDENCE] + (seen.weight if seen else 0.0)
        return sums

    def learn(self, login: Login) -> None:
        """Count a successful sign-in."""
        user = self.users[login.user]
        for level, value in VALUES.items():
            key = (level, value(login))
            if not self.counts[key]:
                self.distinct[level] += 1
            self.counts[key] += 1
            user.counts[key] += 1
        if login.browser:
            user.browsers.add(login.browser)
        user.hours = evidence.remember_hour(user.hours, login.at)
        user.logins += 1
        self.logins += 1


@dataclass(frozen=True, slots=True)
class Scored:
    """number: which sign-in of the user this was, or how many the attacked user had had."""

    user: int
    number: int
    sums: Mapping[str, float]


@dataclass
class Run:
    people: list[Scored] = field(default_factory=list)
    attacks: dict[str, list[Scored]] = field(default_factory=dict)

    def reached(self, number: int) -> set[int]:
        """Users who signed in at least so often."""
        return {each.user for each in self.people if each.number == number}


Attackers = Mapping[str, Callable[[Login, float], Login]]


def replay(
    logins: Iterable[Login], *, attackers: Attackers, attack_at: Sequence[int], up_to: int
) -> Run:
    """Score every sign-in against what came before it, then learn it.

    After a user's sign-ins number `attack_at` each attacker tries once, against the history as it
    is then; attempts are scored and not learnt. Failed attempts are passed over.
    """
    state, run = Replay(), Run(attacks={name: [] for name in attackers})
    for login in logins:
        if not login.is_successful:
            continue
        number = state.users[login.user].logins + 1 if login.user in state.users else 1
        sums = state.score(login)
        if sums is not None and number <= up_to:
            run.people.append(Scored(login.user, number, sums))
        state.learn(login)
        if number in attack_at:
            day = (login.at - BEGIN).total_seconds() / 86400
            for name, attack in attackers.items():
                tried = state.score(attack(login, day))
                if tried is not None:
                    run.attacks[name].append(Scored(login.user, number, tried))
    return run


# --- what is measured -----------------------------------------------------------------------------


def threshold(attacks: Sequence[float], share_caught: float) -> float:
    """The highest sum from which on at least this share of the attacks is caught."""
    falling = sorted(attacks, reverse=True)
    needed = -int(-share_caught * len(falling) // 1)  # rounded up
    return falling[max(needed, 1) - 1]


def reauthentications(
    people: Iterable[tuple[int, float]], users: Iterable[int], at: float
) -> float:
    """The median, over these users, of how many of their sign-ins reach the threshold."""
    asked = Counter(user for user, total in people if total >= at)
    return median([asked[user] for user in users] or [0])


def roc(people: Sequence[float], attacks: Sequence[float]) -> list[tuple[float, float]]:
    """(share of people asked again, share of attacks caught), at every threshold, both rising."""
    marked = sorted([(each, 1) for each in attacks] + [(each, 0) for each in people], reverse=True)
    points, asked, caught = [(0.0, 0.0)], 0, 0
    for index, (total, is_attack) in enumerate(marked):
        caught, asked = caught + is_attack, asked + (1 - is_attack)
        if index + 1 == len(marked) or marked[index + 1][0] != total:
            points.append((asked / (len(people) or 1), caught / (len(attacks) or 1)))
    return points


def area(points: Sequence[tuple[float, float]]) -> float:
    """Below the curve: the chance that an attack scores higher than a person, ties by half."""
    return sum(
        (right - left) * (low + high) / 2
        for (left, low), (right, high) in itertools.pairwise(points)
    )


@dataclass(frozen=True, slots=True)
class Cell:
    attacker: str
    layer: str
    logins: int
    share_caught: float
    median: float
    rate: float


def table(run: Run, *, counts: Sequence[int], shares: Sequence[float]) -> Iterator[Cell]:
    """The re-authentication table: how often people are asked again within their first sign-ins.

    The threshold is set by attacks on users with as many sign-ins or fewer. The first sign-in has
    nothing to be compared with and is not counted.
    """
    for logins in counts:
        users = run.reached(logins)
        mine = [each for each in run.people if each.number <= logins and each.user in users]
        for attacker, attacks in run.attacks.items():
            aimed = [each for each in attacks if each.number <= logins and each.user in users]
            if not aimed or not users:
                continue
            for layer in LAYERS:
                for share in shares:
                    at = threshold([each.sums[layer] for each in aimed], share)
                    asked = reauthentications(
                        ((each.user, each.sums[layer]) for each in mine), users, at
                    )
                    rate = sum(each.sums[layer] >= at for each in mine) / len(mine)
                    yield Cell(attacker, layer, logins, share, asked, rate)
