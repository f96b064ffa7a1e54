"""Sign-ins in the 15 columns of the RBA data set, generated from a seed or read from a file.

The real set (das-group/rba-dataset, doi 10.1145/3546069, CC BY 4.0) is a download of its own; where
somebody has it, `read` takes it in place of what is generated here. docs/risk.md says what the
generator assumes.
"""

import csv
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

COLUMNS = (
    "IP Address",
    "Country",
    "Region",
    "City",
    "ASN",
    "User Agent String",
    "OS Name and Version",
    "Browser Name and Version",
    "Device Type",
    "User ID",
    "Login Timestamp",
    "Round-Trip Time [ms]",
    "Login Successful",
    "Is Attack IP",
    "Is Account Takeover",
)
BOOLEANS = {"true": True, "false": False}
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 365


@dataclass(frozen=True, slots=True)
class Login:
    """One attempt. browser: the cookie it showed, "" for none; the 15 columns do not have it."""

    address: str
    country: str
    region: str
    city: str
    asn: int
    agent: str
    system: str
    software: str
    kind: str
    user: int
    at: datetime
    rtt_ms: int | None
    is_successful: bool
    is_attack_address: bool = False
    is_takeover: bool = False
    browser: str = ""


# --- reading and writing --------------------------------------------------------------------------


class Malformed(ValueError):  # noqa: N818 - a fault of the file
    """A file that is not in the columns of the data set; says where."""


def read(path: Path) -> Iterator[Login]:
    """Sign-ins of a CSV file, in its order. Raises `Malformed` with the line that is wrong."""
    with path.open(newline="", encoding="utf-8") as lines:
        rows = csv.DictReader(lines)
        missing = set(COLUMNS) - set(rows.fieldnames or ())
        if missing:
            raise Malformed(f"{path.name}: no column {', '.join(sorted(missing))}")
        for row in rows:
            try:
                yield _login(row)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise Malformed(f"{path.name}, line {rows.line_num}: {error}") from error


def write(path: Path, logins: list[Login]) -> None:
    with path.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines)
        writer.writerow(COLUMNS)
        writer.writerows(_row(login) for login in logins)


def _login(row: dict[str, str]) -> Login:
    asn = int(float(row["ASN"] or 0))
    if asn < 0:
        raise ValueError(f"ASN {asn} is negative")
    if not row["IP Address"]:
        raise ValueError("no IP Address")
    return Login(
        address=row["IP Address"],
        country=row["Country"],
        region=row["Region"],
        city=row["City"],
        asn=asn,
        agent=row["User Agent String"],
        system=row["OS Name and Version"],
        software=row["Browser Name and Version"],
        kind=row["Device Type"],
        user=int(row["User ID"]),
        at=_instant(row["Login Timestamp"]),
        rtt_ms=int(float(row["Round-Trip Time [ms]"])) if row["Round-Trip Time [ms]"] else None,
        is_successful=BOOLEANS[row["Login Successful"].lower()],
        is_attack_address=BOOLEANS[row["Is Attack IP"].lower()],
        is_takeover=BOOLEANS[row["Is Account Takeover"].lower()],
    )


def _instant(text: str) -> datetime:
    """Text as the data set has it, or milliseconds since 1970."""
    if text.lstrip("-").isdigit():
        return datetime.fromtimestamp(int(text) / 1000, UTC)
    parsed = datetime.fromisoformat(text)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _row(login: Login) -> tuple[object, ...]:
    return (
        login.address,
        login.country,
        login.region,
        login.city,
        login.asn,
        login.agent,
        login.system,
        login.software,
        login.kind,
        login.user,
        login.at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3],
        "" if login.rtt_ms is None else login.rtt_ms,
        login.is_successful,
        login.is_attack_address,
        login.is_takeover,
    )


# --- the world ------------------------------------------------------------------------------------

HOME = "NO"
ABROAD = ("SE", "DK", "DE", "GB", "ES", "US", "FR", "NL", "PL", "IT", "FI", "GR", "TR", "TH", "PT")
SOURCES = ("US", "CN", "RU", "BR", "IN", "VN", "ID", "NL", "DE", "UA", "TR", "TH", "FR", "IR", "NG")
COUNTRIES = tuple(sorted({HOME, *ABROAD, *SOURCES}))
CITIES = 8
# Zipf-like shares of internet providers within a country, and of employers' ways out.
PROVIDERS = 12
CARRIERS = 3
HOSTERS = 4
EMPLOYERS = 25
CARRIER_POOL = 3000
LEASE_BITS = 12  # 32 countries, 16 providers, 8 cities: 24 bits in all
# (system family, versions, browser family, device type, share)
PLATFORMS = (
    ("Windows", ("10", "11"), "Chrome", "desktop", 0.24),
    ("Windows", ("10", "11"), "Edge", "desktop", 0.12),
    ("Windows", ("10", "11"), "Firefox", "desktop", 0.04),
    ("Mac OS X", ("14.7", "15.5", "15.6", "26.0"), "Safari", "desktop", 0.07),
    ("Mac OS X", ("14.7", "15.5", "15.6", "26.0"), "Chrome", "desktop", 0.08),
    ("Ubuntu", ("",), "Firefox", "desktop", 0.03),
    ("iOS", ("18.5", "18.6", "26.0", "26.1"), "Mobile Safari", "mobile", 0.22),
    ("Android", ("13", "14", "15", "16"), "Chrome Mobile", "mobile", 0.14),
    ("Android", ("13", "14", "15", "16"), "Samsung Internet", "mobile", 0.04),
    ("iOS", ("18.6", "26.0"), "Mobile Safari", "tablet", 0.02),
)
RELEASE_EVERY_DAYS = {"Safari": 60, "Mobile Safari": 60}
RELEASE_DAYS = 28


@dataclass(slots=True)
class Machine:
    """A browser on a device. lag_days: how late it updates. keeps_cookies: False in private."""

    platform: int
    system_version: str
    lag_days: float
    keeps_cookies: bool
    cookie: str
    known_cookie: bool = False


@dataclass(slots=True)
class Person:
    number: int
    city: int
    provider: int
    carrier: int
    employer: int | None
    is_static: bool
    per_day: float
    joined: float
    centre_hour: float
    spread_hours: float
    machines: list[Machine]
    shares: list[float]
    lease: int = 0
    lease_until: float = 0.0
    trips: list[tuple[float, float, str]] = field(default_factory=list)


class World:
    """Everything drawn from one seed; `logins` gives a year of it in the order of time."""

    def __init__(self, *, seed: int, users: int) -> None:
        self.dice = random.Random(seed)  # noqa: S311 - a world is drawn, no secret
        self._cookies = 0
        self.people = {number: self._person(number) for number in range(1, users + 1)}

    def logins(self) -> list[Login]:
        everything = [login for person in self.people.values() for login in self._life(person)]
        everything.sort(key=lambda login: (login.at, login.user))
        return everything

    # how people are

    def _person(self, number: int) -> Person:
        dice = self.dice
        kind = dice.random()
        per_day = (
            dice.uniform(0.5, 1.2)
            if kind < 0.25
            else dice.uniform(0.1, 0.4)
            if kind < 0.7
            else dice.uniform(0.03, 0.08)
        )
        many = dice.random()
        machines = [self._machine() for _ in range(1 if many < 0.45 else 2 if many < 0.9 else 3)]
        weights = [dice.random() + 0.2 for _ in machines]
        person = Person(
            number=number,
            city=min(int(dice.expovariate(0.6)), CITIES - 1),
            provider=self._zipf(PROVIDERS),
            carrier=self._zipf(CARRIERS),
            employer=self._zipf(EMPLOYERS) if dice.random() < 0.6 else None,
            is_static=dice.random() < 0.3,
            per_day=per_day,
            joined=dice.uniform(0, DAYS * 0.6),
            centre_hour=dice.gauss(13, 3) % 24,
            spread_hours=dice.uniform(1.5, 4.0),
            machines=machines,
            shares=[weight / sum(weights) for weight in weights],
        )
        for rate, places in ((1.5, ABROAD), (3.0, (HOME,))):  # trips a year
            for _ in range(self._poisson(rate)):
                begin = dice.uniform(0, DAYS)
                person.trips.append((begin, begin + dice.expovariate(1 / 5), dice.choice(places)))
        return person

    def _machine(self) -> Machine:
        dice = self.dice
        platform = self._pick([each[4] for each in PLATFORMS])
        self._cookies += 1
        return Machine(
            platform=platform,
            system_version=dice.choice(PLATFORMS[platform][1]),
            lag_days=dice.expovariate(1 / 6) if dice.random() < 0.92 else 200.0,
            keeps_cookies=dice.random() >= 0.04,
            cookie=f"c{self._cookies}",
        )

    # a year of one person

    def _life(self, person: Person) -> Iterator[Login]:
        dice, day = self.dice, person.joined
        while True:
            day += dice.expovariate(person.per_day)
            if day >= DAYS:
                return
            hour = dice.gauss(person.centre_hour, person.spread_hours) % 24
            at = BEGIN + timedelta(days=int(day), hours=hour)
            login = self._sign_in(person, int(day) + hour / 24, at)
            if dice.random() < 0.08:
                yield but(login, at=at - timedelta(seconds=20), is_successful=False)
            yield login

    def _sign_in(self, person: Person, day: float, at: datetime) -> Login:
        dice = self.dice
        which = self._pick(person.shares)
        machine = person.machines[which]
        if dice.random() < 1 / (900 * person.per_day + 1):  # the machine was replaced
            machine = person.machines[which] = self._machine()
        elif dice.random() < 1 / (300 * person.per_day + 1):  # cookies were cleared
            self._cookies += 1
            machine.cookie = f"c{self._cookies}"
        if not machine.keeps_cookies:
            self._cookies += 1
            machine.cookie = f"c{self._cookies}"
        country, city, asn, address = self._place(person, machine, day)
        agent, system, software, kind = self.software(machine, day)
        return Login(
            address=address,
            country=country,
            region=f"{country}-{city}",
            city=f"{country} city {city}",
            asn=asn,
            agent=agent,
            system=system,
            software=software,
            kind=kind,
            user=person.number,
            at=at,
            rtt_ms=max(1, int(dice.lognormvariate(4 if country == HOME else 5, 0.6))),
            is_successful=True,
            browser=machine.cookie,
        )

    def _place(self, person: Person, machine: Machine, day: float) -> tuple[str, int, int, str]:
        dice = self.dice
        trip = next((place for begin, end, place in person.trips if begin <= day < end), None)
        if trip is not None:
            city, provider = dice.randrange(CITIES), self._zipf(PROVIDERS)
            return trip, city, asn_of(trip, provider), self.residential(trip, provider, city)
        is_mobile = PLATFORMS[machine.platform][3] == "mobile"
        where = dice.random()
        if where < (0.45 if is_mobile else 0.05):
            asn = asn_of(HOME, PROVIDERS + person.carrier)
            return HOME, person.city, asn, carried(person.carrier, dice.randrange(CARRIER_POOL))
        if person.employer is not None and where < (0.65 if is_mobile else 0.55):
            asn = asn_of(HOME, PROVIDERS + CARRIERS + HOSTERS + person.employer)
            return HOME, 0, asn, f"192.0.{person.employer}.{dice.randrange(1, 3)}"
        if day >= person.lease_until:
            person.lease = dice.getrandbits(LEASE_BITS)
            person.lease_until = math.inf if person.is_static else day + dice.expovariate(1 / 25)
        address = leased(HOME, person.provider, person.city, person.lease)
        return HOME, person.city, asn_of(HOME, person.provider), address

    # what attackers draw from, too

    def residential(self, country: str, provider: int, city: int) -> str:
        return leased(country, provider, city, self.dice.getrandbits(LEASE_BITS))

    def software(self, machine: Machine, day: float) -> tuple[str, str, str, str]:
        """User agent, system, browser and kind of a machine on a day."""
        family, _, browser, kind, _ = PLATFORMS[machine.platform]
        every = RELEASE_EVERY_DAYS.get(browser, RELEASE_DAYS)
        major = 130 + max(0, int((day + DAYS - machine.lag_days) / every))
        system = f"{family} {machine.system_version}".strip()
        software = f"{browser} {major}.0"
        return f"Mozilla/5.0 ({system}; {kind}) {browser}/{major}.0", system, software, kind

    def popular_machine(self) -> Machine:
        """A machine as somebody has one: of a person drawn at random."""
        person = self.people[self.dice.randrange(1, len(self.people) + 1)]
        return person.machines[self._pick(person.shares)]

    def pick(self, shares: list[float]) -> int:
        return self._pick(shares)

    def zipf(self, count: int) -> int:
        return self._zipf(count)

    def _pick(self, shares: list[float]) -> int:
        return self.dice.choices(range(len(shares)), shares)[0]

    def _zipf(self, count: int) -> int:
        return self._pick([1 / (rank + 1) for rank in range(count)])

    def _poisson(self, mean: float) -> int:
        count, left = 0, self.dice.expovariate(1)
        while left < mean:
            count, left = count + 1, left + self.dice.expovariate(1)
        return count


def asn_of(country: str, provider: int) -> int:
    """A made-up number per country and provider, in the range that the data set fills in with."""
    return 500_000 + COUNTRIES.index(country) * 100 + provider


def leased(country: str, provider: int, city: int, lease: int) -> str:
    """An address in 10/8, which the data set fills in with as well."""
    bits = ((COUNTRIES.index(country) * 16 + provider) * CITIES + city) << LEASE_BITS | lease
    return str(IPv4Address((10 << 24) + bits))


def carried(carrier: int, slot: int) -> str:
    return f"100.{64 + carrier}.{slot >> 8}.{slot & 255}"


def but(login: Login, **changes: Any) -> Login:
    """The same attempt with something else."""
    return replace(login, **changes)
