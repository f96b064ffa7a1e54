from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from core.ids import new_id
from core.scope import ScopedModel


class InitialAccessToken(ScopedModel):
    """Lets an application register itself in one organisation (RFC 7591 §3).

    digest: SHA-256 of a token of 256 bits. uses_left: how many clients it may still register.
    grant_types, scopes: what those clients may ask for; empty means the installation's defaults.
    created_by: the administrator; None at the command line.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    name = models.CharField(max_length=100, blank=True)
    digest = models.BinaryField(max_length=32, unique=True, editable=False)
    uses_left = models.PositiveIntegerField(default=1)
    grant_types = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    scopes = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, editable=False, related_name="+"
    )
    created_at = models.DateTimeField(editable=False)
    expires_at = models.DateTimeField(editable=False)

    def __str__(self) -> str:
        return self.name or str(self.id)
