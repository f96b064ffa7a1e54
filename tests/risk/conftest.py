"""An operator's database with two cities, and sign-ins as values."""

from collections.abc import Iterator
from typing import Any

import pytest

from core import clock
from core.assurance import Level
from core.ids import new_id
from risk import geo
from risk.flows import Attempt
from tests.cast import FIREFOX, Person
from tests.support import mmdb

OSLO, SYDNEY, UNKNOWN = "81.0.0.7", "1.120.0.7", "203.0.113.7"


def city(country: str, name: str, latitude: float, longitude: float, number: int) -> dict[str, Any]:
    return {
        "country": {"iso_code": country},
        "city": {"names": {"en": name}},
        "location": {"latitude": latitude, "longitude": longitude, "accuracy_radius": 20},
        "autonomous_system_number": number,
        "autonomous_system_organization": f"{name} Net",
    }


@pytest.fixture
def places(tmp_path, settings) -> Iterator[None]:
    """Oslo is 81/8, Sydney 1/8; everything else is unknown, as nothing is bundled."""
    settings.GEO_DATABASE = mmdb.write(
        tmp_path / "city.mmdb",
        {
            "81.0.0.0/8": city("NO", "Oslo", 59.91, 10.75, 100),
            "1.0.0.0/8": city("AU", "Sydney", -33.87, 151.21, 200),
        },
    )
    settings.GEO_DIR = tmp_path / "city.mmdb"  # a file: nothing bundled can be made there
    geo.forget()
    yield
    geo.forget()


def attempt(who: Person, **fields: Any) -> Attempt:
    """A sign-in of somebody, by default by a password and a code, from a browser known before."""
    values: dict[str, Any] = {
        "user_id": who.user.pk,
        "organisation_id": who.user.organisation_id,
        "account": who.email,
        "account_created_at": who.user.created_at,
        "session_id": new_id(),
        "address": OSLO,
        "user_agent": FIREFOX,
        "is_known_browser": True,
        "level": Level.AAL2,
    }
    return Attempt(**(values | fields))


@pytest.fixture
def at_home(places, later):
    """Signs somebody in at home, a day apart each time."""
    from risk.flows import assess_login

    def sign_in(who: Person, times: int = 10, **fields: Any) -> None:
        for _ in range(times):
            later(days=1)
            assess_login(attempt(who, **fields), now=clock.now())

    return sign_in
