"""What members of bodies may be: nothing besides, nothing longer, and of one type."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from ninja import Schema
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
)

FIRST_YEAR, LAST_YEAR = 2000, 2200
LONGEST_SECONDS = 366 * 86_400


class Sent(Schema):
    """A body, or a part of one: whatever it does not know is refused."""

    model_config = ConfigDict(extra="forbid")


def _text(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("must be a time by RFC 3339")  # noqa: TRY004 - what is sent
    return value


def _sensible(value: datetime) -> datetime:
    if not FIRST_YEAR < value.year < LAST_YEAR:
        raise ValueError(f"must be between {FIRST_YEAR} and {LAST_YEAR}")
    return value.astimezone(UTC)


def _address(value: str) -> str:
    try:
        validate_email(value)
    except ValidationError as error:
        raise ValueError("must be an address of e-mail") from error
    return value


def _slug(value: Any) -> Any:
    return getattr(value, "slug", value)


Instant = Annotated[AwareDatetime, BeforeValidator(_text), AfterValidator(_sensible)]
Seconds = Annotated[StrictInt, Field(ge=0, le=LONGEST_SECONDS)]
Whole = StrictInt
Flag = StrictBool
Name = Annotated[str, Field(min_length=1, max_length=100)]
Line = Annotated[str, Field(max_length=1000)]
Whose = Annotated[
    str, BeforeValidator(_slug), Field(description="the organisation that it is of, by its slug")
]
Address = Annotated[str, Field(max_length=254), AfterValidator(_address)]


class NamedResource(Schema):
    """As AuthZEN names one."""

    type: str
    id: str


class Reason(Sent):
    reason: Line = ""


class Did(Schema):
    """did: whether this call did it; it was so already otherwise."""

    did: bool


def duration(seconds: int | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


def seconds(length: timedelta | None) -> int | None:
    """Whole ones, as all durations here."""
    return None if length is None else int(length.total_seconds())
