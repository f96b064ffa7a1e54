from datetime import datetime

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from core.ids import new_id
from core.scope import ScopedModel
from devices.score import VERSION, Evidence, Result, Status, tier_at


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


class KeyStorage(models.TextChoices):
    """Where a device says that its key is kept. A claim, not an attestation."""

    SOFTWARE = "software", "a file"
    TPM = "tpm", "a security chip (TPM)"
    SECURE_ENCLAVE = "secure_enclave", "a secure enclave"
    BROWSER = "browser", "a browser (WebCrypto)"


class Device(ScopedModel):
    """A machine that was enrolled with a key of its own.

    public_jwk: its public key (RFC 7517); key_thumbprint: the key's RFC 7638 thumbprint, base64url.
    tier_ends_at: until when it is in tier 1, 2, … without another report: the device's tier at any
    instant is how many of these lie after it. Empty: tier 0.
    score: 0 to 100, as of scored_at; only for people, since it fades with time.
    reported_tier_ends_at: the same by the latest report alone, without hysteresis: the next one
    raises the tier no higher than this. reported_at: when anything was last reported of it.
    report_seq: `seq` of the latest signed report; the next one has to be higher.
    known_tier: the tier that was last written to audit. state_reason: words of an administrator.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    name = models.CharField(max_length=100)
    platform = models.CharField(max_length=16, choices=Platform.choices, default=Platform.OTHER)
    state = models.CharField(max_length=16, choices=State.choices, default=State.PENDING)
    public_jwk = models.JSONField(null=True)
    key_thumbprint = models.CharField(max_length=43, blank=True)
    created_at = models.DateTimeField()
    key_storage = models.CharField(max_length=16, choices=KeyStorage.choices, blank=True)
    os_name = models.CharField(max_length=100, blank=True)
    os_version = models.CharField(max_length=100, blank=True)
    enrolled_at = models.DateTimeField(null=True)
    state_changed_at = models.DateTimeField(null=True)
    state_reason = models.CharField(max_length=200, blank=True)
    report_seq = models.BigIntegerField(default=0)
    reported_at = models.DateTimeField(null=True)
    score = models.PositiveSmallIntegerField(default=0)
    scored_at = models.DateTimeField(null=True)
    tier_ends_at = ArrayField(models.DateTimeField(), default=list)
    reported_tier_ends_at = ArrayField(models.DateTimeField(), default=list)
    known_tier = models.PositiveSmallIntegerField(default=0)

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
        return tier_at(self.tier_ends_at, now)

    def is_in_use(self) -> bool:
        """Whether it may still come to be trusted: not lost, revoked or retired."""
        return self.state in IN_USE

    def __str__(self) -> str:
        return self.name


IN_USE = (State.PENDING, State.ENROLLED, State.SUSPENDED)


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


class Enrolment(models.Model):
    """What a machine without a browser asks for: to be enrolled with the key that it holds.

    It belongs to nobody until somebody of an organisation allows it. A machine that is enrolled
    asks again for another person who uses it.
    user_code_digest, user_code_head: keyed digests of the code that people type, and of its first
    half; a plain digest of so short a code could be searched. wrong_tries: codes entered with its
    first half and another second one. last_proof: `iat` of its latest proof; each has to be younger
    than the one before.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user_code_digest = models.BinaryField(max_length=32, unique=True)
    user_code_head = models.BinaryField(max_length=32)
    public_jwk = models.JSONField()
    key_thumbprint = models.CharField(max_length=43)
    key_storage = models.CharField(max_length=16, choices=KeyStorage.choices)
    name = models.CharField(max_length=100)
    platform = models.CharField(max_length=16, choices=Platform.choices)
    address = models.GenericIPAddressField()
    user_agent = models.CharField(max_length=512, blank=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    last_proof = models.BigIntegerField()
    wrong_tries = models.PositiveSmallIntegerField(default=0)
    denied_at = models.DateTimeField(null=True)
    approved_at = models.DateTimeField(null=True)
    device = models.ForeignKey(Device, models.CASCADE, null=True, related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(approved_at=None, device=None)
                | models.Q(approved_at__isnull=False, device__isnull=False, denied_at=None),
                name="devices_enrolment_has_device",
            ),
        ]
        indexes = [models.Index(fields=["expires_at"], name="devices_enrolment_expiry")]


class Nonce(ScopedModel):
    """A value that one report of one device may carry, once. digest: SHA-256 of it."""

    digest = models.BinaryField(max_length=32, primary_key=True)
    organisation = models.ForeignKey("accounts.Organisation", models.CASCADE, related_name="+")
    device = models.ForeignKey(Device, models.CASCADE, related_name="+")
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta(ScopedModel.Meta):
        indexes = [models.Index(fields=["expires_at"], name="devices_nonce_expiry")]


class PostureReport(ScopedModel):
    """What was said of a device at one time, kept as it came, with what it was worth.

    source: who said it; jti, seq, issued_at: of signed reports. raw: the JWS, or another source's
    own text. score, reported_tier: by the formula of this version; tier: as it was granted.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    device = models.ForeignKey(Device, models.CASCADE, related_name="reports")
    source = models.CharField(max_length=64)
    evidence = models.CharField(max_length=16)
    jti = models.CharField(max_length=128, null=True)  # noqa: DJ001 - null is not unique
    seq = models.BigIntegerField(null=True)
    issued_at = models.DateTimeField(null=True)
    received_at = models.DateTimeField()
    raw = models.TextField()
    checks = models.JSONField()
    score = models.PositiveSmallIntegerField()
    reported_tier = models.PositiveSmallIntegerField()
    tier = models.PositiveSmallIntegerField()
    score_version = models.PositiveSmallIntegerField(default=VERSION)

    class Meta(ScopedModel.Meta):
        constraints = [
            models.UniqueConstraint(fields=["device", "jti"], name="devices_report_once"),
            models.UniqueConstraint(fields=["device", "seq"], name="devices_report_in_order"),
        ]
        indexes = [
            models.Index(fields=["device", "-received_at"], name="devices_reports_of"),
            models.Index(fields=["received_at"], name="devices_reports_by_age"),
        ]


class CheckResult(ScopedModel):
    """What one source last found by one check of a device."""

    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    device = models.ForeignKey(Device, models.CASCADE, related_name="results")
    check_id = models.CharField(max_length=48)
    source = models.CharField(max_length=64)
    evidence = models.CharField(max_length=16)
    status = models.CharField(max_length=8)
    value = models.IntegerField(null=True)
    observed_at = models.DateTimeField()

    class Meta(ScopedModel.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["device", "check_id", "source"], name="devices_result_once"
            ),
        ]

    def as_result(self) -> Result:
        return Result(
            check_id=self.check_id,
            status=Status(self.status),
            evidence=Evidence(self.evidence),
            observed_at=self.observed_at,
            value=self.value,
        )


class RefusedReport(ScopedModel):
    """Reports of a device that were refused on one day for one cause, and how many."""

    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    device = models.ForeignKey(Device, models.CASCADE, related_name="refused_reports")
    cause = models.CharField(max_length=32)
    day = models.DateField()
    count = models.PositiveIntegerField(default=1)
    last_at = models.DateTimeField()

    class Meta(ScopedModel.Meta):
        constraints = [
            models.UniqueConstraint(fields=["device", "cause", "day"], name="devices_refused_once"),
        ]


class TierCount(ScopedModel):
    """How many enrolled devices of an organisation were in tier 0, 1, 2, 3 and 4 on a day."""

    organisation = models.ForeignKey("accounts.Organisation", models.CASCADE, related_name="+")
    day = models.DateField()
    counts = ArrayField(models.IntegerField(), size=5)

    class Meta(ScopedModel.Meta):
        constraints = [
            models.UniqueConstraint(fields=["organisation", "day"], name="devices_count_once"),
        ]


# Models of this app that live with what they belong to.
from devices.connectors.models import Connector as Connector  # noqa: E402, PLC0414
from devices.connectors.models import DeviceIdentifier as DeviceIdentifier  # noqa: E402, PLC0414
