"""Factors, on django-otp's device framework: integer keys, secrets sealed.

Our word for what django-otp calls a device is factor; a device is somebody's laptop.
"""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django_otp.models import Device, TimestampMixin

from core import clock
from core.ids import new_id
from mfa import recovery_codes, totp
from protection.fields import SealedField

# NIST SP 800-63B-4 §3.2.2: no more than 100 failures in a row on one authenticator.
MAX_FAILURES_IN_A_ROW = 100


class Factor(TimestampMixin, Device):  # type: ignore[misc]
    """row_id: what sealed values are bound to, known before the integer key is."""

    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    row_id = models.UUIDField(default=new_id, editable=False, unique=True)

    class Meta:
        abstract = True


class TotpFactor(Factor):
    """An authenticator app (RFC 6238: SHA-1, 6 digits, 30 s).

    seed: 20 bytes. last_step: the last time step that was accepted; none is accepted twice.
    failures: wrong codes since the last right one. This bound is the factor's own: a password
    reset clears the account's budget of guesses, and must not buy new guesses at the code.
    """

    seed = SealedField(bound_to="row_id")
    last_step = models.BigIntegerField(default=-1)
    failures = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user"], condition=Q(confirmed=True), name="mfa_one_totp_per_user"
            )
        ]

    def verify_token(self, token: str) -> bool:
        """Accept a code once. Only by `django_otp.verify_token`, which holds this row's lock."""
        if self.is_locked:
            return False
        now = clock.now()  # after the lock: whoever waited for it is judged by the present
        step = totp.matching_step(seed=self.seed, code=token, now=now, after=self.last_step)
        if step is None:
            self.failures += 1
            self.save(update_fields=["failures"])
            return False
        self.last_step, self.last_used_at, self.failures = step, now, 0
        self.save(update_fields=["last_step", "last_used_at", "failures"])
        return True

    @property
    def is_locked(self) -> bool:
        """Whether it takes no code any more: only another factor and a new app help."""
        return self.failures >= MAX_FAILURES_IN_A_ROW


class PasskeyFactor(Factor):
    """A WebAuthn credential (WebAuthn Level 3 §4, credential record).

    credential_digest: SHA-256 of the credential id, unique over all users.
    backup_eligible never changes; backed_up may.
    """

    credential_id = models.BinaryField(max_length=1023)
    credential_digest = models.BinaryField(max_length=32, unique=True)
    public_key = models.BinaryField()
    sign_count = models.BigIntegerField(default=0)
    aaguid = models.UUIDField()
    transports = models.JSONField(default=list)
    backup_eligible = models.BooleanField()
    backed_up = models.BooleanField()


class RecoveryCodesFactor(Factor):
    """A user's sheet of recovery codes; the codes themselves are rows of `RecoveryCode`."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user"], name="mfa_one_sheet_per_user")]

    def verify_token(self, token: str) -> bool:
        """Use one code up, by one conditional update."""
        if not recovery_codes.is_code(token):
            return False
        now = clock.now()
        digests = recovery_codes.digests_of(token, sheet=self.row_id)
        used = self.codes.filter(digest__in=digests, used_at=None).update(used_at=now)
        if not used:
            return False
        self.last_used_at = now
        self.save(update_fields=["last_used_at"])
        return True

    def codes_left(self) -> int:
        return RecoveryCode.objects.filter(sheet=self, used_at=None).count()


class RecoveryCode(models.Model):
    """One code of a sheet. digest: keyed SHA-256 of at least 64 random bits."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    sheet = models.ForeignKey(RecoveryCodesFactor, models.CASCADE, related_name="codes")
    digest = models.BinaryField(max_length=32, unique=True)
    used_at = models.DateTimeField(null=True)


class WebAuthnHandle(models.Model):
    """The user handle that authenticators know a user by: 64 random bytes, no personal data."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True)
    handle = models.BinaryField(max_length=64, unique=True)


class PasskeyChallenge(models.Model):
    """A challenge of one ceremony, for one browser, once.

    purpose: a value of `passkeys.Purpose`. user: None when nobody is known yet (login).
    browser_digest: SHA-256 of a secret in the browser's cookie session. challenge: 32 random bytes,
    by which the answer finds its row.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    purpose = models.CharField(max_length=16)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True)
    browser_digest = models.BinaryField(max_length=32)
    challenge = models.BinaryField(max_length=32, unique=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
