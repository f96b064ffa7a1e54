"""Attackers who know the password, by what else they know (ACM TOPS 2022, §4).

Each draws from what there is to draw from in the generated world; none looks at the scores.
"""

from collections.abc import Callable
from datetime import timedelta

from bench.risk.logins import (
    CARRIERS,
    HOME,
    HOSTERS,
    PLATFORMS,
    PROVIDERS,
    SOURCES,
    Login,
    World,
    asn_of,
    but,
)

Attack = Callable[[World, Login, float], Login]


def naive(world: World, victim: Login, day: float) -> Login:
    """From anywhere in the world, with any browser that is in use."""
    country = SOURCES[world.zipf(len(SOURCES))]
    provider, city = world.zipf(PROVIDERS), world.dice.randrange(8)
    return _attempt(
        world,
        victim,
        country,
        city,
        asn_of(country, provider),
        world.residential(country, provider, city),
        world.software(world.popular_machine(), day),
    )


def vpn(world: World, victim: Login, day: float) -> Login:
    """Knows the country: comes from there by a VPN, half of them at hosters. Any browser in use."""
    if world.dice.random() < 0.5:
        provider = PROVIDERS + CARRIERS + world.dice.randrange(HOSTERS)
        address = f"193.{provider}.0.{world.dice.randrange(1, 250)}"
        city = 0
    else:
        provider, city = world.zipf(PROVIDERS), world.dice.randrange(8)
        address = world.residential(HOME, provider, city)
    return _attempt(
        world,
        victim,
        HOME,
        city,
        asn_of(HOME, provider),
        address,
        world.software(world.popular_machine(), day),
    )


def targeted(world: World, victim: Login, day: float) -> Login:
    """Knows city and provider, and what the person uses: family of system, browser and device.

    The address is another one of that provider in that city, the build of the browser one that
    others of the same kind run.
    """
    person = world.people[victim.user]
    machine = person.machines[world.pick(person.shares)]
    twin = world.popular_machine()
    for _ in range(200):
        if PLATFORMS[twin.platform][:1] + PLATFORMS[twin.platform][2:4] == (
            PLATFORMS[machine.platform][:1] + PLATFORMS[machine.platform][2:4]
        ):
            break
        twin = world.popular_machine()
    return _attempt(
        world,
        victim,
        HOME,
        person.city,
        asn_of(HOME, person.provider),
        world.residential(HOME, person.provider, person.city),
        world.software(twin, day),
    )


def very_targeted(world: World, victim: Login, day: float) -> Login:
    """As takeovers really happen: the person's own build of the browser, from close by.

    A fifth work from the person's own machine or line, and half of those have its cookies as well
    (malware); two fifths from the person's provider, two fifths from a VPN in the country.
    """
    person = world.people[victim.user]
    machine = person.machines[world.pick(person.shares)]
    software = world.software(machine, day)
    way = world.dice.random()
    if way < 0.2:
        cookie = machine.cookie if world.dice.random() < 0.5 else ""
        return but(
            _attempt(world, victim, victim.country, person.city, victim.asn, "", software),
            address=victim.address,
            browser=cookie,
        )
    near = targeted(world, victim, day) if way < 0.6 else vpn(world, victim, day)
    agent, system, browser, kind = software
    return but(near, agent=agent, system=system, software=browser, kind=kind)


ATTACKERS: dict[str, Attack] = {
    "naive": naive,
    "VPN": vpn,
    "targeted": targeted,
    "very targeted": very_targeted,
}


def _attempt(
    world: World,
    victim: Login,
    country: str,
    city: int,
    asn: int,
    address: str,
    software: tuple[str, str, str, str],
) -> Login:
    """A sign-in as the victim within the next day, at any hour, without the victim's cookie."""
    agent, system, browser, kind = software
    return but(
        victim,
        address=address,
        country=country,
        region=f"{country}-{city}",
        city=f"{country} city {city}",
        asn=asn,
        agent=agent,
        system=system,
        software=browser,
        kind=kind,
        at=victim.at + timedelta(hours=world.dice.uniform(0, 24)),
        is_takeover=True,
        browser="",
    )
