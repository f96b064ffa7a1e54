"""Where an address is, as far as anybody knows offline.

An operator's own databases in the MMDB form (SALLYPORT_GEO_DATABASE: a file, or a folder of them)
come first, each for what it has; the rest is answered by the data that came with a package
(`risk.bundled`: country and network, no city). What is unknown stays empty: no data is no fault.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

import maxminddb
import structlog
from django.conf import settings

from risk.bundled import Bundled

log = structlog.get_logger(__name__)
# A database that gives coordinates without a radius means a city at best.
DEFAULT_ACCURACY_KM = 100.0


@dataclass(frozen=True, slots=True)
class Place:
    """country: ISO 3166-1, two letters. network: the autonomous system, by number or holder."""

    country: str = ""
    network: str = ""
    city: str = ""
    latitude: float | None = None
    longitude: float | None = None
    accuracy_km: float = DEFAULT_ACCURACY_KM

    @property
    def is_located(self) -> bool:
        return self.latitude is not None and self.longitude is not None

    def __str__(self) -> str:
        return ", ".join(part for part in (self.city, self.country) if part)


NOWHERE = Place()


def locate(address: str) -> Place:
    """The place of an address; `NOWHERE` for private and unknown ones, and without data."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return NOWHERE
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    parsed = mapped or parsed
    if not parsed.is_global:
        return NOWHERE
    found: dict[str, Any] = {}
    for source in _sources():
        try:
            known = source(parsed)
        except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
            log.warning("geographic data cannot be read", error=str(error))
            continue
        found = known | found
    return Place(**found)


@cache
def _sources() -> tuple[Any, ...]:
    """Those that can be opened, the operator's first."""
    sources: list[Any] = []
    for path in _databases():
        try:
            sources.append(_Database(path))
        except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
            log.warning("geographic database left out", path=str(path), error=str(error))
    try:
        sources.append(_Package(settings.GEO_DIR))
    except Exception as error:  # noqa: BLE001 - whatever it is, people can sign in without it
        log.warning("bundled geographic data left out", error=str(error))
    return tuple(sources)


def forget() -> None:
    """Open everything anew at the next look-up."""
    _sources.cache_clear()


def _databases() -> list[Path]:
    given: Path | None = settings.GEO_DATABASE
    if given is None:
        return []
    return sorted(given.glob("*.mmdb")) if given.is_dir() else [given]


class _Database:
    """A MaxMind DB file, of whichever of the usual kinds."""

    def __init__(self, path: Path) -> None:
        self._reader = maxminddb.open_database(str(path))

    def __call__(self, address: IPv4Address | IPv6Address) -> dict[str, Any]:
        record = self._reader.get(address)
        return read_record(record) if isinstance(record, Mapping) else {}


class _Package:
    def __init__(self, folder: Path) -> None:
        self._data = Bundled(folder)

    def __call__(self, address: IPv4Address | IPv6Address) -> dict[str, Any]:
        known = {"country": self._data.country(address), "network": self._data.network(address)}
        return {name: value for name, value in known.items() if value}


def read_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """What a record says of a place, in MaxMind's shape or the flat one of ip-location-db."""
    known: dict[str, Any] = {}
    country = _text(record, "country", "iso_code") or _text(record, "country_code")
    city = _text(record, "city", "names", "en") or _text(record, "city")
    number = record.get("autonomous_system_number")
    if country:
        known["country"] = country[:2]
    if city:
        known["city"] = city[:100]
    if isinstance(number, int):
        holder = _text(record, "autonomous_system_organization")
        known["network"] = f"AS{number} {holder}".strip()[:100]
    location = record.get("location", record)
    latitude, longitude = location.get("latitude"), location.get("longitude")
    if isinstance(latitude, int | float) and isinstance(longitude, int | float):
        radius = location.get("accuracy_radius")
        known |= {
            "latitude": float(latitude),
            "longitude": float(longitude),
            "accuracy_km": float(radius)
            if isinstance(radius, int | float)
            else DEFAULT_ACCURACY_KM,
        }
    return known


def _text(record: Any, *path: str) -> str:
    for name in path:
        record = record.get(name) if isinstance(record, Mapping) else None
    return record if isinstance(record, str) else ""
