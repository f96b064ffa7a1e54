"""Lists, a page at a time. Whoever calls chooses how many, and neither an order nor a column.

A cursor says where the page before ended, under a signature by the installation's own key. It is
good for the very list and the very person that it was made for, and for an hour.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from django.core import signing
from django.db import models
from ninja import Field, Schema

from core.errors import Refusal

LIFETIME = timedelta(hours=1)
DEFAULT_LIMIT, MAX_LIMIT = 50, 200
MAX_CURSOR_LENGTH = 1000
SALT = "console.api.paging"

M = TypeVar("M", bound=models.Model)
F = TypeVar("F")
T = TypeVar("T")


class Place(Schema):
    """Where a list goes on."""

    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT)
    cursor: str = Field("", max_length=MAX_CURSOR_LENGTH)


@dataclass(frozen=True, slots=True)
class Listing:
    """name: of the list; of_whom: whoever asks; filters: what else it is narrowed by."""

    name: str
    of_whom: UUID
    place: Place
    now: datetime
    filters: Mapping[str, Any]

    def page(self, rows: "models.QuerySet[M]", show: Callable[[M], T]) -> dict[str, Any]:
        """The rows by their id, the latest first, and the cursor of the next page."""
        return self.page_of_all(rows, lambda found: [show(row) for row in found])

    def page_of_all(
        self, rows: "models.QuerySet[M]", show: Callable[[list[M]], Iterable[T]]
    ) -> dict[str, Any]:
        """As `page`; show: of all rows at once, where they need further statements."""
        after = self.after()
        if after is not None:
            rows = rows.filter(pk__lt=after)
        found = list(rows.order_by("-pk")[: self.place.limit + 1])
        has_more = len(found) > self.place.limit
        found = found[: self.place.limit]
        return {
            "items": list(show(found)),
            "next": self.cursor(found[-1].pk) if has_more else None,
        }

    def page_of_found(self, found: Sequence[F], show: Callable[[F], T]) -> dict[str, Any]:
        """A page of what was found by no row of its own, in the order that it has."""
        begin = int(self.after() or 0)
        end = begin + self.place.limit
        return {
            "items": [show(each) for each in found[begin:end]],
            "next": self.cursor(end) if end < len(found) else None,
        }

    def after(self) -> str | None:
        """Where the page before ended.

        Refuses invalid_request for a cursor that was made up, changed, moved or is old.
        """
        if not self.place.cursor:
            return None
        try:
            told = json.loads(_signer().unsign(self.place.cursor))
        except (signing.BadSignature, ValueError) as error:
            raise Refusal.invalid_request("cursor is not one of ours.") from error
        if told["for"] != self._bound_to() or self.now.timestamp() >= told["until"]:
            raise Refusal.invalid_request("cursor is of another list, or too old: begin again.")
        return str(told["after"])

    def cursor(self, after: object) -> str:
        until = int((self.now + LIFETIME).timestamp())
        return _signer().sign(
            json.dumps({"after": str(after), "until": until, "for": self._bound_to()})
        )

    def _bound_to(self) -> str:
        asked = [self.name, str(self.of_whom), dict(self.filters)]
        text = json.dumps(asked, sort_keys=True, default=str)
        return signing.Signer(salt=SALT).signature(text)


def _signer() -> signing.Signer:
    return signing.Signer(salt=SALT)
