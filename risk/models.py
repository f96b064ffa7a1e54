"""What is remembered of how people usually are, and what became of each sign-in.

Counts are by keyed digests: neither address nor user agent can be read from them. How long each
thing is kept stands in `risk.flows` and in docs/risk.md.
"""

from dataclasses import dataclass

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from core.ids import new_id
from core.scope import ScopedModel
from risk.evidence import WORDS, WORDS_FOR
from risk.levels import RiskLevel

__all__ = [
    "FailedSignIn", "OrganisationHistory", "OrganisationTally", "RiskLevel", "SignIn",
    "UserHistory", "UserRisk", "UserTally",
]  # fmt: skip


class UserRisk(ScopedModel):
    """That an account as a whole is at risk, whatever its single sign-ins look like.

    reasons: codes, the weightiest first. ends_at: from when on it no longer counts.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="risk"
    )
    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    level = models.PositiveSmallIntegerField(choices=RiskLevel.choices, default=RiskLevel.NONE)
    reasons = models.JSONField(default=list)
    raised_at = models.DateTimeField()
    ends_at = models.DateTimeField()


@dataclass(frozen=True, slots=True)
class Reason:
    """weight: in log-odds; above nothing it speaks against its user."""

    words: str
    weight: float


class Verdict(models.TextChoices):
    """What people said of a sign-in."""

    SAFE = "safe", "safe"
    COMPROMISED = "compromised", "not its owner"


class SignIn(ScopedModel):
    """One whole sign-in as it was judged.

    log_odds: the sum; score: 0 to 100; reasons: [code, weight] pairs, the weightiest first.
    values: keyed digests by `risk.likelihood.Level`, null where unknown; learnt_at: when they were
    counted. verdict, judged_by ("user", "administrator"), judged_at: what somebody said of it.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="sign_ins")
    session_id = models.UUIDField(unique=True)
    browser_id = models.UUIDField(null=True)
    browser_name = models.CharField(max_length=100, blank=True)
    is_known_browser = models.BooleanField(default=False)
    at = models.DateTimeField()
    address = models.GenericIPAddressField(null=True)
    country = models.CharField(max_length=2, blank=True)
    city = models.CharField(max_length=100, blank=True)
    network = models.CharField(max_length=100, blank=True)
    log_odds = models.FloatField()
    score = models.FloatField()
    level = models.PositiveSmallIntegerField(choices=RiskLevel.choices)
    reasons = models.JSONField(default=list)
    values = ArrayField(models.BinaryField(null=True, max_length=16), default=list)
    learnt_at = models.DateTimeField(null=True)
    verdict = models.CharField(max_length=16, blank=True, choices=Verdict.choices)
    judged_by = models.CharField(max_length=16, blank=True)
    judged_at = models.DateTimeField(null=True)

    class Meta(ScopedModel.Meta):
        indexes = [
            models.Index(fields=["user", "-at"], name="risk_sign_ins_by_user"),
            models.Index(fields=["at"], name="risk_sign_ins_by_time"),
            models.Index(
                fields=["at"],
                condition=Q(address__isnull=False),
                name="risk_addresses_by_time",
            ),
        ]
        verbose_name = "sign-in"

    @property
    def for_people(self) -> list[Reason]:
        """The reasons in words: what speaks against it, then what speaks for it."""
        return [
            Reason((weight < 0 and WORDS_FOR.get(code)) or WORDS.get(code, code), weight)
            for code, weight in sorted(self.reasons, key=lambda each: -each[1])
        ]

    @property
    def against(self) -> list[Reason]:
        return [reason for reason in self.for_people if reason.weight > 0]

    @property
    def place(self) -> str:
        return ", ".join(part for part in (self.city, self.country) if part)


class UserHistory(ScopedModel):
    """Whom a person's sign-ins add up to. hours: a fading weight for each hour of the day (UTC).

    last_*: where the last learnt sign-in was from; null when that is not known.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="+"
    )
    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    logins = models.PositiveIntegerField(default=0)
    hours = ArrayField(models.FloatField(), default=list)
    last_at = models.DateTimeField()
    last_latitude = models.FloatField(null=True)
    last_longitude = models.FloatField(null=True)
    last_accuracy_km = models.FloatField(null=True)
    last_is_shared = models.BooleanField(default=False)


class UserTally(ScopedModel):
    """How many of a person's sign-ins had a value. level: `risk.likelihood.Level`."""

    pk = models.CompositePrimaryKey("user_id", "level", "value")
    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", db_index=False
    )
    level = models.PositiveSmallIntegerField()
    value = models.BinaryField(max_length=16)
    logins = models.PositiveIntegerField()
    last_at = models.DateTimeField(db_index=True)


class OrganisationHistory(ScopedModel):
    """Everybody's sign-ins in an organisation; distinct: how many values were seen, by level."""

    organisation = models.OneToOneField(
        "accounts.Organisation", models.CASCADE, primary_key=True, related_name="+"
    )
    logins = models.PositiveIntegerField(default=0)
    users = models.PositiveIntegerField(default=0)
    distinct = ArrayField(models.IntegerField(), default=list)


class OrganisationTally(ScopedModel):
    """How many sign-ins of an organisation had a value, and of how many people."""

    pk = models.CompositePrimaryKey("organisation_id", "level", "value")
    organisation = models.ForeignKey(
        "accounts.Organisation", models.CASCADE, related_name="+", db_index=False
    )
    level = models.PositiveSmallIntegerField()
    value = models.BinaryField(max_length=16)
    logins = models.PositiveIntegerField()
    users = models.PositiveIntegerField()
    last_at = models.DateTimeField(db_index=True)


class FailedSignIn(models.Model):
    """A failed attempt, of whatever factor. All three are keyed digests; network: null if unknown.

    Belongs to no organisation: an address is tried before anybody knows whose it is.
    """

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    account = models.BinaryField(max_length=16)
    address = models.BinaryField(max_length=16)
    network = models.BinaryField(max_length=16, null=True)

    class Meta:
        indexes = [
            models.Index(fields=["account", "-at"], name="risk_failed_by_account"),
            models.Index(fields=["address", "-at"], name="risk_failed_by_address"),
            models.Index(
                fields=["network", "-at"],
                condition=Q(network__isnull=False),
                name="risk_failed_by_network",
            ),
            models.Index(fields=["at"], name="risk_failed_by_time"),
        ]
