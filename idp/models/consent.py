from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from core.ids import new_id
from core.scope import ScopedModel


class Consent(ScopedModel):
    """What a user has allowed a client, remembered until it is withdrawn."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="consents")
    client = models.ForeignKey("idp.Client", models.CASCADE, related_name="consents")
    scopes = ArrayField(models.CharField(max_length=64))
    granted_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)

    class Meta(ScopedModel.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["user", "client"],
                condition=Q(revoked_at=None),
                name="idp_one_live_consent",
            )
        ]
