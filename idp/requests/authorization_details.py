"""Rich authorization requests (RFC 9396): what exactly is asked for, as JSON that people can read.

What the fields of a type mean is between the client and its API; here they are kept within bounds,
shown to the user, and carried along unchanged.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core import strict_json
from core.errors import Refusal

MAX_DETAILS = 10
MAX_DEPTH = 5
MAX_LENGTH = 6_000
MAX_NAME_LENGTH = 64
MAX_INTEGER = 2**53
# The common fields that RFC 9396 §2.2 gives a shape.
LISTS = frozenset({"locations", "actions", "datatypes", "privileges"})


@dataclass(frozen=True, slots=True)
class Shown:
    """One of the details as the consent page shows it: its type, then names and plain texts."""

    type: str
    fields: tuple[tuple[str, str], ...]


def parse(text: str, *, types: Sequence[str]) -> tuple[dict[str, Any], ...]:
    """The details, each of a registered type; refuses INVALID_AUTHORIZATION_DETAILS (§5)."""
    if len(text) > MAX_LENGTH:
        raise _refusal("authorization_details is too long.")
    try:
        details = strict_json.parse(text.encode())
    except ValueError as error:
        raise _refusal("authorization_details is not plain JSON.") from error
    if not isinstance(details, list) or not 0 < len(details) <= MAX_DETAILS:
        raise _refusal(f"authorization_details is an array of 1 to {MAX_DETAILS} objects.")
    for detail in details:
        _check(detail, types)
    return tuple(details)


def narrow(
    text: str | None, *, granted: Sequence[dict[str, Any]], types: Sequence[str]
) -> tuple[dict[str, Any], ...]:
    """What one access token is for (§6.1): some of what was granted, each unchanged, or all."""
    if text is None:
        return tuple(granted)
    wanted = parse(text, types=types)
    if any(detail not in granted for detail in wanted):
        raise _refusal("A detail was not granted.")
    return wanted


def shown(text: str | None) -> list[Shown]:
    """For the consent page. Everything is plain text; the page escapes it."""
    return of_terms({"authorization_details": json.loads(text)} if text else {})


def of_terms(terms: Mapping[str, Any]) -> list[Shown]:
    """The same for details that are kept as `RefreshFamily.terms` keeps them."""
    details: list[dict[str, Any]] = terms.get("authorization_details", [])
    return [
        Shown(
            type=detail["type"],
            fields=tuple((name, _plain(value)) for name, value in detail.items() if name != "type"),
        )
        for detail in details
    ]


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return json.dumps(value, ensure_ascii=False)


def _check(detail: Any, types: Sequence[str]) -> None:
    if not isinstance(detail, dict) or not isinstance(detail.get("type"), str):
        raise _refusal("Each of authorization_details is an object with a type.")
    if detail["type"] not in types:
        raise _refusal("A type is unknown, or not one that this client may ask for.")
    for name in LISTS & detail.keys():
        value = detail[name]
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise _refusal(f"{name} is an array of strings.")
    if not isinstance(detail.get("identifier", ""), str):
        raise _refusal("identifier is a string.")
    if not _is_plain(detail, MAX_DEPTH):
        raise _refusal("authorization_details holds what cannot be shown.")


def _is_plain(value: Any, depth: int) -> bool:
    """Whether people can be shown it: not too deep, no letters that hide, numbers that are kept."""
    if depth < 0:
        return False
    if isinstance(value, str):
        return value.isprintable()
    if isinstance(value, dict):
        return all(
            name.isprintable() and 0 < len(name) <= MAX_NAME_LENGTH and _is_plain(item, depth - 1)
            for name, item in value.items()
        )
    if isinstance(value, list):
        return all(_is_plain(item, depth - 1) for item in value)
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, bool) or abs(value) <= MAX_INTEGER


def _refusal(detail: str) -> Refusal:
    return Refusal("invalid_authorization_details", detail)
