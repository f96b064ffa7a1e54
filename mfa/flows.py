"""What was proven."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from core.assurance import Assurance, Level


def proven_assurance(records: Iterable[Mapping[str, Any]], *, now: datetime) -> Assurance:
    raise NotImplementedError


def reachable_level(user: Any) -> Level:
    raise NotImplementedError
