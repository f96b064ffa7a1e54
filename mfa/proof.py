"""What was proven, as values: a factor proven just now, and the assurance that proofs add up to.

allauth keeps a list of records in the cookie session while somebody signs in; `read_assurance`
turns it into an `Assurance`. What it does not know counts as nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from core.assurance import Assurance, Level
from mfa.models import PasskeyFactor, RecoveryCodesFactor, TotpFactor

# Proofs belong together when they were given within one sign-in: a fresh password does not make an
# old code fresh. The value is allauth's ACCOUNT_LOGIN_TIMEOUT.
TOGETHER = timedelta(seconds=900)

PASSWORD, TOTP, PASSKEY, RECOVERY = "password", "totp", "webauthn", "recovery_codes"


@dataclass(frozen=True)
class Proof:
    """A factor that its owner has proven just now."""

    factor: TotpFactor | PasskeyFactor | RecoveryCodesFactor
    is_passwordless: bool = False

    @property
    def type(self) -> str:
        if isinstance(self.factor, TotpFactor):
            return TOTP
        return PASSKEY if isinstance(self.factor, PasskeyFactor) else RECOVERY

    def record(self) -> dict[str, Any]:
        """What allauth's list keeps of it, beside `method` and `at`."""
        details: dict[str, Any] = {
            "type": self.type,
            "id": self.factor.pk,
            "credential": str(self.factor.row_id),
        }
        if isinstance(self.factor, PasskeyFactor):
            details["passwordless"] = self.is_passwordless
            details["backup_eligible"] = self.factor.backup_eligible
        return details


@dataclass(frozen=True)
class _Proven:
    at: datetime
    knowledge: bool = False
    possession: bool = False
    both: bool = False
    resistance: Level = Level.NONE
    methods: tuple[str, ...] = ()
    credential: UUID | None = None


def proven_assurance(records: Iterable[Mapping[str, Any]], *, now: datetime) -> Assurance:
    """The assurance that allauth's authentication records add up to.

    A password alone is AAL1; a password with a factor, or a passkey that verified its user, is
    AAL2 (NIST SP 800-63B-4 §2.2). With a passkey it resists phishing as well: PHR, and PHRH if the
    key never leaves its authenticator. Methods are RFC 8176's, and "recovery" for a recovery code.
    """
    known = [proven for record in records if (proven := _read(record, now)) is not None]
    if not known:
        return Assurance()
    latest = max(proven.at for proven in known)
    current = [proven for proven in known if latest - proven.at <= TOGETHER]
    has_knowledge = any(proven.knowledge or proven.both for proven in current)
    has_possession = any(proven.possession or proven.both for proven in current)
    if not has_knowledge:
        return Assurance()
    level = Level.AAL2 if has_possession else Level.AAL1
    level = max(level, *(proven.resistance for proven in current))
    methods = {method for proven in current for method in proven.methods}
    if level >= Level.AAL2:
        methods.add("mfa")
    credentials = {proven.credential for proven in current if proven.credential is not None}
    return Assurance(level, tuple(sorted(methods)), latest, tuple(sorted(credentials)))


def proofs_to_assurance(
    *, password: bool = False, proof: Proof | None = None, now: datetime
) -> Assurance:
    """The assurance of what was proven in one step, now."""
    records: list[dict[str, Any]] = []
    if password:
        records.append({"method": "password", "at": now.timestamp()})
    if proof is not None:
        records.append({"method": "mfa", "at": now.timestamp(), **proof.record()})
    return proven_assurance(records, now=now)


def _read(record: Any, now: datetime) -> _Proven | None:
    if not isinstance(record, Mapping):
        return None
    at = _instant(record.get("at"), now)
    if at is None:
        return None
    method, kind = record.get("method"), record.get("type")
    if method == "password":
        return _Proven(at, knowledge=True, methods=("pwd",))
    if method != "mfa":
        return None
    credential = _credential(record.get("credential"))
    if kind == TOTP:
        return _Proven(at, possession=True, methods=("otp",), credential=credential)
    if kind == RECOVERY:
        return _Proven(at, possession=True, methods=("recovery",), credential=credential)
    if kind == PASSKEY:
        is_hardware = record.get("backup_eligible") is False
        return _Proven(
            at,
            possession=True,
            both=record.get("passwordless") is True,
            resistance=Level.PHRH if is_hardware else Level.PHR,
            methods=("pop", "user", "hwk" if is_hardware else "swk"),
            credential=credential,
        )
    return None


def _credential(text: Any) -> UUID | None:
    try:
        return UUID(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _instant(at: Any, now: datetime) -> datetime | None:
    if isinstance(at, bool) or not isinstance(at, int | float):
        return None
    try:
        return min(datetime.fromtimestamp(at, UTC), now)
    except (OverflowError, ValueError, OSError):
        return None
