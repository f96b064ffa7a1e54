"""Judging what somebody answers. Success and failure are both written to audit.

The caller keeps the budget of guesses and tells `user_login_failed` (mfa.attempts), since both want
the request.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import django_otp
from django.db import transaction

from accounts import mail
from accounts.flows import find_lock
from accounts.models import LockTarget, User
from audit.events import Event
from audit.recorder import record
from core.errors import Refusal
from mfa import passkeys
from mfa.models import PasskeyFactor, RecoveryCodesFactor, TotpFactor
from mfa.passkeys import Purpose
from mfa.proof import Proof


@dataclass(frozen=True)
class PasskeyAttempt:
    """How an assertion was judged: a proof, or a refusal. user: whose passkey it was, if known."""

    user: User | None
    proof: Proof | None = None
    refusal: Refusal | None = None


@transaction.atomic
def prove_code(*, user: User, method: str, code: str, now: datetime) -> Proof | None:
    """Judge a code of an authenticator app or a recovery code; None when it is wrong.

    method: "totp" or "recovery". Each code is good once, whatever runs beside this.
    """
    factor = _code_factor(user, method)
    if factor is not None and _is_locked(factor, now):
        _record(user, method, now, is_passed=False, reason="credential_locked")
        return None
    accepted = None if factor is None else django_otp.verify_token(user, factor.persistent_id, code)
    _record(user, method, now, is_passed=accepted is not None)
    if accepted is None:
        _note_lock(user, factor, now)
        return None
    if isinstance(accepted, RecoveryCodesFactor):
        left = accepted.codes_left()
        record(
            Event.RECOVERY_CODE_USED,
            organisation_id=user.organisation_id,
            actor=user,
            subject=accepted,
            now=now,
            codes_left=left,
        )
        mail.notify(user, "account/email/recovery_code_used", now=now, codes_left=left)
    return Proof(accepted)


def prove_passkey(
    *, raw: Any, purpose: Purpose, user: User | None, browser: str, now: datetime
) -> PasskeyAttempt:
    """Judge an assertion in the order of WebAuthn §7.2.

    user: who answers; None at login, where the passkey says who. browser: the secret that the
    challenge was bound to. Not atomic as a whole: an answer that is refused has still used its
    challenge, and has left its trace.
    """
    factor: PasskeyFactor | None = None
    try:
        answer = passkeys.read_answer(raw)
        challenge = passkeys.claim_challenge(
            answer=answer, purpose=purpose, user=user, browser=browser
        )
        passkeys.check_client_data(answer=answer, kind="webauthn.get")
        factor = passkeys.find_factor(answer=answer, purpose=purpose, user=user)
        assertion = passkeys.check_assertion(answer=answer, factor=factor, challenge=challenge)
        owner = factor.user
        if _is_locked(factor, now):
            raise Refusal("credential_locked", "This passkey is locked. Ask an administrator.")
        with transaction.atomic():
            passkeys.advance(factor=factor, assertion=assertion, now=now)
            _record(owner, "passkey", now, is_passed=True, factor=factor, purpose=purpose)
    except passkeys.CounterRegressed:
        assert factor is not None  # noqa: S101 - `advance` had it
        _alarm(factor, assertion.sign_count, now)
        return PasskeyAttempt(factor.user, refusal=passkeys.refused())
    except Refusal as refusal:
        whose = factor.user if factor is not None else user
        if whose is not None:
            _record(whose, "passkey", now, is_passed=False, purpose=purpose, reason=refusal.code)
        return PasskeyAttempt(whose, refusal=refusal)
    return PasskeyAttempt(owner, proof=Proof(factor, is_passwordless=True))


def _code_factor(user: User, method: str) -> TotpFactor | RecoveryCodesFactor | None:
    kinds = {"totp": TotpFactor, "recovery": RecoveryCodesFactor}
    found: TotpFactor | RecoveryCodesFactor | None = None
    if method in kinds:
        found = kinds[method].objects.filter(user_id=user.pk, confirmed=True).first()
    return found


def _is_locked(factor: TotpFactor | PasskeyFactor | RecoveryCodesFactor, now: datetime) -> bool:
    """Whether somebody has locked this very factor (`accounts.Lock`)."""
    targets = {LockTarget.CREDENTIAL: str(factor.row_id)}
    return find_lock(organisation_id=factor.organisation_id, targets=targets, now=now) is not None


def _note_lock(user: User, factor: TotpFactor | RecoveryCodesFactor | None, now: datetime) -> None:
    """Tell of a lock once: `factor` was read before the try that may have caused it."""
    if not isinstance(factor, TotpFactor):
        return
    was_locked = factor.is_locked
    factor.refresh_from_db(fields=["failures"])
    if factor.is_locked and not was_locked:
        record(
            Event.FACTOR_LOCKED,
            organisation_id=user.organisation_id,
            subject=factor,
            now=now,
            user=user.pk,
            failures=factor.failures,
        )
        mail.notify(user, "account/email/factor_locked", now=now)


def _record(
    user: User,
    method: str,
    now: datetime,
    *,
    is_passed: bool,
    factor: PasskeyFactor | None = None,
    **facts: Any,
) -> None:
    record(
        Event.CHALLENGE_PASSED if is_passed else Event.CHALLENGE_FAILED,
        organisation_id=user.organisation_id,
        actor=user if is_passed else None,
        subject=factor or user,
        now=now,
        method=method,
        **facts,
    )


@transaction.atomic
def _alarm(factor: PasskeyFactor, presented: int, now: datetime) -> None:
    user = factor.user
    record(
        Event.PASSKEY_COUNTER_REGRESSED,
        organisation_id=user.organisation_id,
        subject=factor,
        now=now,
        user=user.pk,
        name=factor.name,
        counter=factor.sign_count,
        presented=presented,
    )
    mail.notify(user, "account/email/passkey_counter_regressed", now=now, factor_name=factor.name)
