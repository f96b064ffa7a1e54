"""Login sessions: one row for each sign-in of a browser."""

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from core.assurance import Assurance, Level
from core.ids import new_id
from core.scope import ScopedModel


class EndReason(models.TextChoices):
    SIGNED_OUT = "signed_out", "signed out"
    ENDED_BY_USER = "ended_by_user", "ended from another session"
    REPLACED = "replaced", "replaced by a new sign-in"
    IDLE = "idle", "not used for too long"
    EXPIRED = "expired", "reached its longest lifetime"
    CREDENTIALS_CHANGED = "credentials_changed", "a password or factor changed"
    REVOKED = "revoked", "no longer allowed by policy"
    ENDED_BY_ADMINISTRATOR = "ended_by_administrator", "signed out everywhere by an administrator"
    ENDED_BY_CLIENT = "ended_by_client", "signed out everywhere by an application"
    LOCKED = "locked", "locked"
    DEVICE_GONE = "device_gone", "its device was lost or revoked"
    DISOWNED = "disowned", "its owner said that it was somebody else"


class Binding(models.TextChoices):
    """Where the key sits that a session is bound to."""

    DBSC = "dbsc", "Device Bound Session Credentials"
    WEBCRYPTO = "webcrypto", "a key of the browser (WebCrypto)"


class LoginSessionQuerySet(models.QuerySet["LoginSession"]):
    def live(self, now: datetime) -> "LoginSessionQuerySet":
        """Those not over at `now`, by their own clock; policy may still end them."""
        idle: timedelta = settings.SESSION_IDLE_LIFETIME
        return self.filter(ended_at=None, expires_at__gt=now, last_used_at__gt=now - idle)


class LoginSession(ScopedModel):
    """A sign-in of a user in a browser. Its id is `sid` in tokens.

    session_key_digest: SHA-256 of the cookie session's key. acr, amr, auth_time: what was proven.
    expires_at: the absolute end; the idle end is last_used_at + the idle lifetime.
    security_stamp: the user's at sign-in; a difference means that credentials have changed.
    credentials: the factors (`row_id`) that it was proven by.
    binding: to which kind of key of the browser it is bound, "" for none; proven_at: when that key
    was last shown to be there. risk_level: how unusual this sign-in was (`risk.models.RiskLevel`).
    outcome, evaluated_at: the last verdict of policy; verdict: how it came about, with its facts.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="login_sessions"
    )
    browser = models.ForeignKey("devices.Browser", models.SET_NULL, null=True, related_name="+")
    session_key_digest = models.BinaryField(max_length=32)
    acr = models.CharField(max_length=8)
    amr = ArrayField(models.CharField(max_length=16), default=list)
    credentials = ArrayField(models.UUIDField(), default=list)
    auth_time = models.DateTimeField()
    started_at = models.DateTimeField()
    last_used_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    end_reason = models.CharField(max_length=32, blank=True, choices=EndReason.choices)
    address = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=512, blank=True)
    security_stamp = models.UUIDField()
    binding = models.CharField(max_length=16, blank=True, choices=Binding.choices)
    proven_at = models.DateTimeField(null=True)
    risk_level = models.PositiveSmallIntegerField(default=0)
    outcome = models.CharField(max_length=16, blank=True)
    evaluated_at = models.DateTimeField(null=True)
    verdict = models.JSONField(default=dict)

    unscoped: ClassVar = models.Manager.from_queryset(LoginSessionQuerySet)()

    class Meta(ScopedModel.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["session_key_digest"],
                condition=Q(ended_at=None),
                name="sessions_one_live_per_cookie",
            ),
            models.UniqueConstraint(fields=["id", "organisation"], name="sessions_organisation"),
            models.CheckConstraint(
                condition=Q(expires_at__gt=models.F("started_at")), name="sessions_period"
            ),
        ]
        indexes = [
            models.Index(fields=["user", "-started_at"], name="sessions_by_user"),
            models.Index(fields=["expires_at"], condition=Q(ended_at=None), name="sessions_live"),
            models.Index(
                fields=["ended_at"], condition=Q(ended_at__isnull=False), name="sessions_ended"
            ),
        ]

    @property
    def level(self) -> Level:
        return Level.from_acr(self.acr)

    @property
    def assurance(self) -> Assurance:
        return Assurance(self.level, tuple(self.amr), self.auth_time, tuple(self.credentials))

    def idle_ends_at(self) -> datetime:
        idle: timedelta = settings.SESSION_IDLE_LIFETIME
        return self.last_used_at + idle

    def ends_at(self) -> datetime:
        """When it is over if nobody uses it any more."""
        return min(self.expires_at, self.idle_ends_at())

    def is_live(self, now: datetime) -> bool:
        return self.ended_at is None and now < self.ends_at()

    def __str__(self) -> str:
        return f"{self.id}"

    def describe(self) -> dict[str, Any]:
        """What audit keeps of it."""
        return {"acr": self.acr, "amr": list(self.amr)}


class BoundKey(ScopedModel):
    """The key of a browser that a login session is bound to, and the bound cookie it has earned.

    Its id is the session identifier of DBSC. public_jwk: bare, as registered. thumbprint: its own
    (RFC 7638). cookie_digest, cookie_ends_at: the cookie of the last proof; cookie_seen_at,
    cookie_seen_from: when a request first showed it, and a digest of whence that came.
    former_digest, former_ends_at: the one before it, which counts for requests on their way; where
    none was needed before, the digest of "". refused_at: when a refused cookie was last written to
    audit.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    session = models.OneToOneField(LoginSession, models.CASCADE, related_name="bound_key")
    kind = models.CharField(max_length=16, choices=Binding.choices)
    public_jwk = models.JSONField()
    thumbprint = models.CharField(max_length=43)
    registered_at = models.DateTimeField()
    cookie_digest = models.BinaryField(max_length=32)
    cookie_ends_at = models.DateTimeField()
    cookie_seen_at = models.DateTimeField(null=True)
    cookie_seen_from = models.BinaryField(max_length=32, default=bytes)
    former_digest = models.BinaryField(max_length=32)
    former_ends_at = models.DateTimeField()
    refused_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.id}"


class BindingChallenge(ScopedModel):
    """What the key of a session shall sign, once. digest: SHA-256 of the challenge."""

    class Purpose(models.TextChoices):
        REGISTRATION = "registration", "register a key"
        PROOF = "proof", "prove a key"

    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    session = models.ForeignKey(LoginSession, models.CASCADE, related_name="+")
    purpose = models.CharField(max_length=16, choices=Purpose.choices)
    digest = models.BinaryField(max_length=32, unique=True)
    expires_at = models.DateTimeField(db_index=True)
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.purpose} of {self.session_id}"
