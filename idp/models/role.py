from datetime import datetime
from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from core.ids import new_id
from core.scope import ScopedModel


class ClientRoleQuerySet(models.QuerySet["ClientRole"]):
    def live(self, now: datetime) -> "ClientRoleQuerySet":
        """Those that hold at `now`: begun, not ended. Half-open: [starts_at, ends_at)."""
        return self.filter(Q(ends_at=None) | Q(ends_at__gt=now), starts_at__lte=now, ended_at=None)


class ClientRole(ScopedModel):
    """A role of a workload: a client that acts for itself.

    ends_at: when it stops by itself; ended_at: when it was taken back.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    client = models.ForeignKey("idp.Client", models.CASCADE, related_name="client_roles")
    role = models.ForeignKey("accounts.Role", models.CASCADE, related_name="+")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True, editable=False)

    unscoped: ClassVar = models.Manager.from_queryset(ClientRoleQuerySet)()

    class Meta(ScopedModel.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["client", "role"],
                condition=Q(ended_at=None),
                name="idp_one_open_client_role",
            ),
            models.CheckConstraint(
                condition=Q(ends_at=None) | Q(ends_at__gt=F("starts_at")),
                name="idp_client_role_period",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.client}: {self.role}"
