"""What the pages show, gathered from the apps that own it. Reads only."""

from dataclasses import dataclass
from datetime import datetime

from allauth.account.models import EmailAddress
from django.db.models import Q, QuerySet

from accounts.models import User
from audit.events import Event
from audit.models import AuditEvent
from audit.recorder import ref
from console.strength import Protection, Verdict, judge
from mfa.flows import Factors, factors_of
from sessions.models import LoginSession

# What happens on nearly every page view or token would bury what people look for.
UNINTERESTING = (
    Event.CODE_REDEEMED,
    Event.REFRESH_TOKEN_ROTATED,
    Event.TOKEN_ISSUED,
    Event.CHALLENGE_PASSED,
    Event.REFRESH_FAMILY_RETIRED,
    Event.POSTURE_REPORTED,
    Event.LOGIN_ASSESSED,
)


@dataclass(frozen=True)
class Standing:
    factors: Factors
    is_email_verified: bool
    verdict: Verdict


def standing_of(user: User) -> Standing:
    factors = factors_of(user)
    is_verified = EmailAddress.objects.filter(
        user_id=user.pk, email=user.email, verified=True
    ).exists()
    known = Protection(
        passkeys=len(factors.passkeys),
        has_totp=factors.totp is not None,
        recovery_codes_left=factors.recovery_codes_left,
        is_email_verified=is_verified,
    )
    return Standing(factors, is_verified, judge(known))


def activity_of(user: User) -> "QuerySet[AuditEvent]":
    """What this user did, or what was done to this user; latest first."""
    me = ref(user)
    about_me = Q(subject=me, subject__startswith=f"{user._meta.label}:")  # noqa: SLF001 - as the index says
    return (
        AuditEvent.objects.filter(Q(actor=me) | about_me, organisation_id=user.organisation_id)
        .exclude(event__in=UNINTERESTING)
        .order_by("-at", "-id")
    )


def live_sessions_of(user: User, *, now: datetime) -> "QuerySet[LoginSession]":
    return (
        LoginSession.unscoped.live(now)
        .filter(user_id=user.pk)
        .select_related("browser")
        .order_by("-last_used_at")
    )


def password_changed_at(user: User) -> datetime | None:
    """When the password was last set, by the audit trail; None if never since sign-up."""
    return (
        AuditEvent.objects.filter(actor=ref(user), event=Event.PASSWORD_CHANGED)
        .order_by("-at")
        .values_list("at", flat=True)
        .first()
    )
