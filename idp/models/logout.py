from django.conf import settings
from django.db import models
from django.db.models import Q

from core.ids import new_id
from core.scope import ScopedModel


class LogoutDelivery(ScopedModel):
    """That one client is to be told of the end of one session (Back-Channel Logout 1.0 §2.5).

    attempts: tries so far. next_attempt_at: when to try next; None once it is settled.
    delivered_at: when the client accepted it; a settled row without was given up, see last_error.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    client = models.ForeignKey("idp.Client", models.CASCADE, related_name="+")
    session = models.ForeignKey("idp_sessions.LoginSession", models.CASCADE, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    attempts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField()
    next_attempt_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=200, blank=True)

    class Meta(ScopedModel.Meta):
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
