"""By what another product knows a device: its serial number, its hardware UUID, or Fleet's number.

Both sides are written alike before they are compared. What makers leave in the field when they have
not filled it in names nobody: it would make one device out of many.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

MAX_LENGTH = 128
_BLANKS = re.compile(r"\s+")
_UNFILLED = frozenset({
    "", "0", "NONE", "N/A", "NA", "NOT APPLICABLE", "NOT SPECIFIED", "NOT AVAILABLE", "UNKNOWN",
    "INVALID", "EMPTY", "NULL", "DEFAULT STRING", "TO BE FILLED BY O.E.M.", "O.E.M.", "OEM",
    "SYSTEM SERIAL NUMBER", "CHASSIS SERIAL NUMBER", "SERIAL NUMBER", "123456789", "1234567890",
    "0123456789",
})  # fmt: skip
_UNFILLED_UUIDS = frozenset({
    UUID(int=0), UUID(int=(1 << 128) - 1),
    UUID("03000200-0400-0500-0006-000700080009"),  # boards whose maker never set one
    UUID("12345678-1234-5678-90ab-cddeefaabbcc"),
    UUID("fefefefe-fefe-fefe-fefe-fefefefefefe"),
})  # fmt: skip


class Kind(StrEnum):
    SERIAL = "serial"
    UUID = "uuid"
    FLEET_HOST = "fleet_host"


@dataclass(frozen=True)
class Identifier:
    kind: Kind
    value: str

    def __str__(self) -> str:
        return f"{self.kind} {self.value}"


def read(kind: Kind, text: object) -> Identifier | None:
    """The identifier in its one spelling, or None if that text names no device."""
    value = _BLANKS.sub(" ", str(text).strip()) if isinstance(text, str | int) else ""
    if isinstance(text, bool) or len(value) > MAX_LENGTH or not value.isprintable():
        return None
    if kind is Kind.UUID:
        return _uuid(value)
    if kind is Kind.FLEET_HOST:
        number = value.isascii() and value.isdigit() and 0 < int(value) < 1 << 63
        return Identifier(kind, str(int(value))) if number else None
    upper = value.upper()
    if upper in _UNFILLED or len(set(upper)) == 1:
        return None
    return Identifier(kind, upper)


def _uuid(value: str) -> Identifier | None:
    try:
        uuid = UUID(value)
    except ValueError:
        return None
    return None if uuid in _UNFILLED_UUIDS else Identifier(Kind.UUID, str(uuid))
