from datetime import datetime

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from core.ids import new_id
from core.scope import ScopedModel


class Platform(models.TextChoices):
    LINUX = "linux", "Linux"
    MACOS = "macos", "macOS"
    WINDOWS = "windows", "Windows"
    CHROMEOS = "chromeos", "ChromeOS"
    ANDROID = "android", "Android"
    IOS = "ios", "iOS"
    OTHER = "other", "another system"


class State(models.TextChoices):
    """Where a device stands: only an enrolled one is trusted, as far as its score goes."""

    PENDING = "pending", "waiting for approval"
    ENROLLED = "enrolled", "enrolled"
    SUSPENDED = "suspended", "suspended"
    LOST = "lost", "reported lost"
    REVOKED = "revoked", "revoked"
    RETIRED = "retired", "retired"


class Device(ScopedModel):
    """A machine that was enrolled with a key of its own.

    public_jwk: its public key (RFC 7517); key_thumbprint: the key's RFC 7638 thumbprint, base64url.
    tier_ends_at: until when it is in tier 1, 2, … without another report: the device's tier at any
    instant is how many of these lie after it. Empty: tier 0.
    score: 0 to 100, as of scored_at; only for people, since it fades with time.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    name = models.CharField(max_length=100)
    platform = models.CharField(max_length=16, choices=Platform.choices, default=Platform.OTHER)
    state = models.CharField(max_length=16, choices=State.choices, default=State.PENDING)
    public_jwk = models.JSONField(null=True)
    key_thumbprint = models.CharField(max_length=43, blank=True)
    created_at = models.DateTimeField()
    enrolled_at = models.DateTimeField(null=True)
    score = models.PositiveSmallIntegerField(default=0)
    scored_at = models.DateTimeField(null=True)
    tier_ends_at = ArrayField(models.DateTimeField(), default=list)

    class Meta(ScopedModel.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["key_thumbprint"],
                condition=~models.Q(key_thumbprint=""),
                name="devices_one_per_key",
            ),
            models.UniqueConstraint(
                fields=["id", "organisation"], name="devices_device_organisation"
            ),
        ]

    def tier_at(self, now: datetime) -> int:
        """0 to 4; whatever is not enrolled has none."""
        if self.state != State.ENROLLED:
            return 0
        return sum(ends_at > now for ends_at in self.tier_ends_at)

    def __str__(self) -> str:
        return self.name


class DeviceUser(ScopedModel):
    """That a person uses a device. One device may have many users, one user many devices."""

    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    device = models.ForeignKey(Device, models.CASCADE, related_name="users")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="devices")
    added_at = models.DateTimeField()

    class Meta(ScopedModel.Meta):
        constraints = [
            models.UniqueConstraint(fields=["device", "user"], name="devices_user_once"),
        ]


class Browser(ScopedModel):
    """A browser that somebody has signed in from, as one user's; it says "seen before", no more.

    cookie_digest: SHA-256 of the secret in its cookie. device: the machine that it runs on, once
    its owner has enrolled that.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="browsers")
    device = models.ForeignKey(
        Device, models.SET_NULL, null=True, blank=True, related_name="browsers"
    )
    cookie_digest = models.BinaryField(max_length=32)
    name = models.CharField(max_length=100)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    last_address = models.GenericIPAddressField(null=True)

    class Meta(ScopedModel.Meta):
        constraints = [
            models.UniqueConstraint(fields=["user", "cookie_digest"], name="devices_browser_once"),
            models.UniqueConstraint(
                fields=["id", "organisation"], name="devices_browser_organisation"
            ),
        ]

    def __str__(self) -> str:
        return self.name
