"""Who may ask: people, groups, and applications that act for themselves."""

from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from access.models.entitlements import Entitlement
from core.ids import new_id
from core.scope import ScopedModel


class Workload(ScopedModel):
    """An application that acts for itself, as far as access knows it, and who answers for it.

    id: the client's own; the database holds that there is one in the same organisation. name: its
    client_id. title: what people call it, as it is registered. responsible: a person who hears of
    what it asks for and has, may ask for it, and approves none of it. ended_at: when the
    application was switched off.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    name = models.CharField(max_length=255)
    title = models.CharField(max_length=100, blank=True)
    responsible = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="access_workloads"
    )
    ended_at = models.DateTimeField(null=True)

    class Meta(ScopedModel.Meta):
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["id", "organisation"], name="access_workload_organisation"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class EligibilityQuerySet(models.QuerySet["Eligibility"]):
    def live(self, now: datetime) -> "EligibilityQuerySet":
        """Those that hold at `now`. Half-open: [starts_at, ends_at)."""
        return self.filter(Q(ends_at=None) | Q(ends_at__gt=now), starts_at__lte=now, ended_at=None)


class Eligibility(ScopedModel):
    """That a user, everybody in a group, or a workload may ask for an entitlement."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    entitlement = models.ForeignKey(Entitlement, models.CASCADE, related_name="eligibilities")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="+")
    group = models.ForeignKey("accounts.Group", models.CASCADE, null=True, related_name="+")
    workload = models.ForeignKey(Workload, models.CASCADE, null=True, related_name="eligibilities")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    unscoped: ClassVar = models.Manager.from_queryset(EligibilityQuerySet)()

    class Meta(ScopedModel.Meta):
        constraints = [
            models.CheckConstraint(
                condition=Q(user__isnull=False, group=None, workload=None)
                | Q(user=None, group__isnull=False, workload=None)
                | Q(user=None, group=None, workload__isnull=False),
                name="access_eligible_is_one",
            ),
            models.CheckConstraint(
                condition=Q(ends_at=None) | Q(ends_at__gt=F("starts_at")),
                name="access_eligibility_period",
            ),
            models.UniqueConstraint(
                fields=["entitlement", "user", "group", "workload"],
                condition=Q(ended_at=None),
                name="access_one_open_eligibility",
                nulls_distinct=False,
            ),
            models.UniqueConstraint(
                fields=["id", "organisation"], name="access_eligibility_organisation"
            ),
        ]
        verbose_name_plural = "eligibilities"

    def __str__(self) -> str:
        return f"{self.user or self.group or self.workload}: {self.entitlement}"
