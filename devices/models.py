from django.conf import settings
from django.db import models

from core.ids import new_id
from core.scope import ScopedModel


class Device(ScopedModel):
    """A browser on a machine, as one user's. cookie_digest: SHA-256 of the secret in its cookie."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="devices")
    cookie_digest = models.BinaryField(max_length=32)
    name = models.CharField(max_length=100)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    last_address = models.GenericIPAddressField(null=True)

    class Meta(ScopedModel.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["user", "cookie_digest"], name="devices_one_per_user_and_cookie"
            ),
            models.UniqueConstraint(fields=["id", "organisation"], name="devices_organisation"),
        ]

    def __str__(self) -> str:
        return self.name
