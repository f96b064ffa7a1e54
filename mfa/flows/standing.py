"""What somebody has, and what that lets them prove."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Max, Q

from accounts.models import Role, RoleAssignment, User
from core.assurance import ACR_VALUES, Level
from mfa.models import PasskeyFactor, RecoveryCodesFactor, TotpFactor


@dataclass(frozen=True)
class Factors:
    """passkeys: newest first. recovery_codes_left: None when none were ever made."""

    passkeys: tuple[PasskeyFactor, ...]
    totp: TotpFactor | None
    recovery_codes: RecoveryCodesFactor | None
    recovery_codes_left: int | None

    @property
    def count(self) -> int:
        """How many second factors there are; recovery codes only stand in for one."""
        return len(self.passkeys) + (self.totp is not None)


def factors_of(user: Any) -> Factors:
    """Everything that is confirmed. user: a User, or the lazy one of a request."""
    sheet = RecoveryCodesFactor.objects.filter(user_id=user.pk).first()
    return Factors(
        passkeys=tuple(
            PasskeyFactor.objects.filter(user_id=user.pk, confirmed=True).order_by("-id")
        ),
        totp=TotpFactor.objects.filter(user_id=user.pk, confirmed=True).first(),
        recovery_codes=sheet,
        recovery_codes_left=None if sheet is None else sheet.codes_left(),
    )


def has_second_factor(user: Any) -> bool:
    """Whether signing in by password owes another proof."""
    return any(
        factor.objects.filter(user_id=user.pk, confirmed=True).exists()
        for factor in (TotpFactor, PasskeyFactor)
    )


def passkey_added_at(records: Iterable[Mapping[str, Any]]) -> datetime | None:
    """Since when the passkey of a sign-in is the account's; None when none was proven.

    records: allauth's. Where several were, the youngest counts.
    """
    keys = [record.get("id") for record in records if record.get("type") == "webauthn"]
    if not keys:
        return None
    added = PasskeyFactor.objects.filter(pk__in=keys).aggregate(latest=Max("created_at"))
    latest: datetime | None = added["latest"]
    return latest


def strongest_level(user: Any) -> Level:
    """The strongest level that this user can prove with what is enrolled."""
    passkeys = PasskeyFactor.objects.filter(user_id=user.pk, confirmed=True)
    synced = set(passkeys.values_list("backup_eligible", flat=True))
    if synced:
        return Level.PHRH if False in synced else Level.PHR
    return reachable_level(user)


def reachable_level(user: Any) -> Level:
    """As much as our own sensitive pages ask of this user: two factors if there are two.

    Not more, or whoever has lost the device with the passkey could not take it off the account.
    """
    return Level.AAL2 if has_second_factor(user) else Level.AAL1


def methods_of(user: Any) -> tuple[str, ...]:
    """What can be asked for beside the password: "passkey", "totp", "recovery", in this order."""
    factors = factors_of(user)
    methods = []
    if factors.passkeys:
        methods.append("passkey")
    if factors.totp is not None:
        methods.append("totp")
    if factors.count and factors.recovery_codes_left:
        methods.append("recovery")
    return tuple(methods)


def is_last_factor(user: Any) -> bool:
    """Whether taking one factor away leaves only the password."""
    return factors_of(user).count == 1


def role_demands_second_factor(*, user: User, now: datetime) -> bool:
    """Whether a live role of the user, own or by a group, requires two factors or more."""
    live = RoleAssignment.unscoped.live(now).filter(user_id=user.pk)
    return (
        Role.objects.within_id(user.organisation_id)
        .filter(Q(assignments__in=live) | Q(people_groups__members=user.pk))
        .filter(required_acr__in=ACR_VALUES[Level.AAL2 :])
        .exists()
    )
