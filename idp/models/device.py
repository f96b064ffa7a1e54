from django.conf import settings
from django.db import models
from django.db.models import Q

from core.scope import ScopedModel


class DeviceAuthorization(ScopedModel):
    """What a device without a browser asks for (RFC 8628). digest: SHA-256 of its device code.

    user_code_digest, user_code_head: keyed digests of the code that people type, and of its first
    half; a plain digest of so short a code could be searched.
    scope: as it was asked for; what is approved is what will be given.
    address, user_agent: of whoever asked, to be shown to whoever approves.
    user, session: who approved it, and in which sign-in. interval_seconds: between polls.
    wrong_tries: codes that were entered with its first half and another second one.
    used_at and family: set by the one statement that redeems it; the row is kept, so that a replay
    finds what it produced.
    """

    digest = models.BinaryField(max_length=32, primary_key=True)
    user_code_digest = models.BinaryField(max_length=32, unique=True)
    user_code_head = models.BinaryField(max_length=32)
    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    client = models.ForeignKey("idp.Client", models.CASCADE, related_name="+")
    scope = models.CharField(max_length=500)
    address = models.GenericIPAddressField()
    user_agent = models.CharField(max_length=512, blank=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="+")
    session = models.ForeignKey(
        "idp_sessions.LoginSession", models.CASCADE, null=True, related_name="+"
    )
    interval_seconds = models.PositiveSmallIntegerField()
    wrong_tries = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    last_polled_at = models.DateTimeField(null=True)
    approved_at = models.DateTimeField(null=True)
    denied_at = models.DateTimeField(null=True)
    used_at = models.DateTimeField(null=True)
    family_id = models.UUIDField(null=True)

    class Meta(ScopedModel.Meta):
        constraints = [
            models.CheckConstraint(
                condition=Q(approved_at=None, used_at=None, user=None, session=None)
                | Q(
                    approved_at__isnull=False,
                    denied_at=None,
                    user__isnull=False,
                    session__isnull=False,
                ),
                name="idp_device_approved_by_somebody",
            ),
        ]
        indexes = [models.Index(fields=["expires_at"], name="idp_device_expiry")]
