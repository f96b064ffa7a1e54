"""JSON that strangers send: one reading of them, and nothing that trips us later.

What parsers disagree about is refused: names that appear twice, NaN and Infinity, numbers beyond
what a double holds, lone surrogates, NUL, deep nesting (RFC 8259 §4, §6, §8).
"""

import base64
import json
import math
from typing import Any

import orjson

MAX_DIGITS = 15


def parse_object(text: bytes) -> dict[str, Any]:
    """The object; raises ValueError for anything else."""
    value = parse(text)
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - what is sent, not our types
    return value


def parse_part(text: str) -> dict[str, Any]:
    """The object in a part of a JOSE text, base64url without padding; else raises ValueError."""
    raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    return parse_object(raw)


def parse(text: bytes) -> Any:
    """The value; raises ValueError for what is not plain JSON."""
    try:
        orjson.loads(text)  # UTF-8, surrogates, NaN and depth
        value = json.loads(text, object_pairs_hook=_unique, parse_int=_small, parse_float=_finite)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if b"\\u0000" in text:
        raise ValueError("holds NUL")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name appears twice")
    return members


def _small(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError("a number is too large")
    return int(digits)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number
