"""Rows of the organisation that a call of an administrator is about.

Whatever is another's does not exist. Only a read by who administers every one may be about all.
"""

from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from django.db import models

from console.api.door import AdministratorCaller
from core.errors import Refusal

if TYPE_CHECKING:
    from django.db.models import QuerySet

M = TypeVar("M", bound=models.Model)


def within(model: type[M], caller: AdministratorCaller) -> "QuerySet[M]":
    """All of them, with their organisation. model: one whose rows belong to one."""
    scoped: Any = model
    rows: QuerySet[M] = (
        scoped.unscoped.all() if caller.is_about_all else scoped.objects.within(caller.organisation)
    )
    return rows.select_related("organisation")


def one(model: type[M], caller: AdministratorCaller, pk: UUID | int, *related: str) -> M:
    """Refuses not_found. model: as `within` has it."""
    found = within(model, caller).filter(pk=pk).select_related("organisation", *related).first()
    if found is None:
        raise Refusal.not_found()
    return found


def maybe(model: type[M], caller: AdministratorCaller, pk: UUID | None) -> M | None:
    return None if pk is None else one(model, caller, pk)
