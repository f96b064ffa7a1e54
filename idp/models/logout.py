from django.conf import settings
from django.db import models
from django.db.models import Q

from idp.models.delivery import ClientDelivery


class LogoutDelivery(ClientDelivery):
    """That one client is to be told of the end of one session (Back-Channel Logout 1.0 §2.5)."""

    session = models.ForeignKey("idp_sessions.LoginSession", models.CASCADE, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")

    class Meta(ClientDelivery.Meta):
        constraints = [
            models.UniqueConstraint(fields=["session", "client"], name="idp_logout_once"),
        ]
        indexes = [
            models.Index(
                fields=["attempts", "next_attempt_at"],
                condition=Q(next_attempt_at__isnull=False),
                name="idp_logout_due",
            ),
            models.Index(fields=["created_at"], name="idp_logout_age"),
        ]
