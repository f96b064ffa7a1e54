from django.conf import settings
from django.db import models
from django.db.models import Q

from idp.models.polled import PolledRequest


class DeviceAuthorization(PolledRequest):
    """What a device without a browser asks for (RFC 8628). digest: SHA-256 of its device code.

    user_code_digest, user_code_head: keyed digests of the code that people type, and of its first
    half; a plain digest of so short a code could be searched.
    user: who approved it. wrong_tries: codes that were entered with its first half and another
    second one.
    """

    digest = models.BinaryField(max_length=32, primary_key=True)
    user_code_digest = models.BinaryField(max_length=32, unique=True)
    user_code_head = models.BinaryField(max_length=32)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="+")
    wrong_tries = models.PositiveSmallIntegerField(default=0)

    class Meta(PolledRequest.Meta):
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
