"""One row of the caller's organisation. Whatever is another's does not exist."""

from typing import Any, TypeVar
from uuid import UUID

from django.db import models

from console.api.door import Caller
from core.errors import Refusal

M = TypeVar("M", bound=models.Model)


def one(model: type[M], caller: Caller, pk: UUID | int, *related: str) -> M:
    """Refuses not_found. model: one whose rows belong to an organisation."""
    rows: Any = model.objects.within_id(caller.organisation_id)  # type: ignore[attr-defined]
    found: M | None = rows.filter(pk=pk).select_related(*related).first()
    if found is None:
        raise Refusal.not_found()
    return found


def maybe(model: type[M], caller: Caller, pk: UUID | None) -> M | None:
    return None if pk is None else one(model, caller, pk)
