"""Rows that belong to one organisation are looked up within one.

`Model.objects` answers nothing until it is told the organisation: `.within(organisation)` or
`.within_id(organisation_id)`. Code that really spans organisations (sweeps, look-ups by a secret's
digest) says so by `Model.unscoped`; tests/architecture lists who may.
"""

from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from django.db import models

if TYPE_CHECKING:
    from django.db.models import QuerySet

M = TypeVar("M", bound=models.Model)


class Unscoped(Exception):  # noqa: N818 - names a mistake of ours
    """A query over every organisation was asked from the scoped manager."""


class ScopedManager(models.Manager[M]):
    """Gives QuerySets of one organisation; everything else raises `Unscoped`."""

    def within(self, organisation: models.Model) -> "QuerySet[M]":
        return self.within_id(organisation.pk)

    def within_id(self, organisation_id: UUID) -> "QuerySet[M]":
        return super().get_queryset().filter(organisation_id=organisation_id)

    def create(self, **values: Any) -> M:
        """Insert one row; it names its organisation like any other column."""
        row = self.model(**values)
        row.save(force_insert=True, using=self._db)
        return row

    def get_queryset(self) -> "QuerySet[M]":
        if self.model.__module__ == "__fake__":  # a migration's historical model
            return super().get_queryset()
        raise Unscoped(f"{self.model.__name__}.objects needs .within(organisation)")


class ScopedModel(models.Model):
    """Base of every row that belongs to an organisation (the column itself is the subclass's)."""

    objects = ScopedManager()
    unscoped = models.Manager()

    class Meta:
        abstract = True
        base_manager_name = "unscoped"
        default_manager_name = "unscoped"
