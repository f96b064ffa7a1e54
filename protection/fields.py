"""A model field whose value is sealed in the database and plain bytes in Python."""

from typing import Any
from uuid import UUID

from django.db import models

from protection import envelope


class _Sealed(bytes):
    """Bytes as they stand in the database."""

    __slots__ = ()


class _SealedAttribute:
    """Unseals when read, since only the instance knows the row that the value is bound to."""

    def __init__(self, field: "SealedField") -> None:
        self.field = field

    def __get__(self, instance: models.Model | None, owner: type | None = None) -> Any:
        if instance is None:
            return self
        if self.field.attname not in instance.__dict__:
            instance.refresh_from_db(fields=[self.field.attname])
        value = instance.__dict__[self.field.attname]
        if isinstance(value, _Sealed):
            value = envelope.unseal(value, context=self.field.context(instance))
            instance.__dict__[self.field.attname] = value
        return value

    def __set__(self, instance: models.Model, value: Any) -> None:
        instance.__dict__[self.field.attname] = value


class SealedField(models.BinaryField):  # type: ignore[type-arg]
    """Bytes sealed by the row's organisation key and bound to the row.

    organisation: attribute that holds the organisation's id; None for what the installation owns.
    bound_to: attribute that names the row and is known before the first save.
    Reading raises KeyUnavailable when the key is gone or the value was moved from another row.
    Plain text passes the ORM by this attribute alone: `values()` gives sealed bytes, and `update()`
    with plain ones raises TypeError.
    """

    def __init__(
        self,
        *args: Any,
        organisation: str | None = "organisation_id",
        bound_to: str = "id",
        **kwargs: Any,
    ) -> None:
        self.organisation = organisation
        self.bound_to = bound_to
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        kwargs |= {"organisation": self.organisation, "bound_to": self.bound_to}
        return name, path, args, kwargs

    def contribute_to_class(
        self,
        cls: type[models.Model],
        name: str,
        private_only: bool = False,  # noqa: FBT001, FBT002
    ) -> None:
        super().contribute_to_class(cls, name, private_only)
        setattr(cls, self.attname, _SealedAttribute(self))

    def context(self, instance: models.Model) -> str:
        label = instance._meta.label  # noqa: SLF001 - Django's documented model API
        row = getattr(instance, self.bound_to)
        return f"{self._organisation_id(instance)}|{label}|{self.attname}|{row}"

    def from_db_value(self, value: Any, *_: Any) -> _Sealed | None:
        return None if value is None else _Sealed(value)

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:  # noqa: FBT001, ARG002
        value = model_instance.__dict__.get(self.attname)
        if value is None or isinstance(value, _Sealed):
            return value
        return _Sealed(
            envelope.seal(
                bytes(value),
                organisation_id=self._organisation_id(model_instance),
                context=self.context(model_instance),
            )
        )

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:  # noqa: FBT001, FBT002
        if value is not None and not isinstance(value, _Sealed):
            raise TypeError(f"{self.name} is sealed by saving its row, never by a query")
        return super().get_db_prep_value(value, connection, prepared)

    def _organisation_id(self, instance: models.Model) -> UUID | None:
        return None if self.organisation is None else getattr(instance, self.organisation)
