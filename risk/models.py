"""What is remembered of how people usually are."""

from django.conf import settings
from django.db import models

from core.scope import ScopedModel
from risk.levels import RiskLevel

__all__ = ["RiskLevel", "UserRisk"]


class UserRisk(ScopedModel):
    """That an account as a whole is at risk, whatever its single sign-ins look like.

    reasons: codes, the weightiest first. ends_at: from when on it no longer counts.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="risk"
    )
    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    level = models.PositiveSmallIntegerField(choices=RiskLevel.choices, default=RiskLevel.NONE)
    reasons = models.JSONField(default=list)
    raised_at = models.DateTimeField()
    ends_at = models.DateTimeField()
