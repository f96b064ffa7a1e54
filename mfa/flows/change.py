"""Adding and removing factors. Views ask for a strong and fresh session before they come here."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from accounts import mail
from accounts.flows import rotate_security_stamp
from accounts.models import User
from audit.events import Event
from audit.recorder import record
from core.errors import Refusal
from mfa import passkeys, recovery_codes, totp
from mfa.aaguids import name_of
from mfa.flows.standing import Factors, factors_of, role_demands_second_factor
from mfa.models import PasskeyFactor, RecoveryCode, RecoveryCodesFactor, TotpFactor
from mfa.passkeys import NewPasskey, Purpose
from mfa.proof import Proof
from mfa.signals import factor_added

MAX_NAME_LENGTH = 64


@transaction.atomic
def add_totp(*, user: User, seed: bytes, code: str, now: datetime) -> TotpFactor:
    """Turn on the authenticator app that shows `code` for `seed`.

    Refuses invalid_request for a wrong code, conflict when an app is on already. The code counts
    as used.
    """
    step = totp.matching_step(seed=seed, code=code, now=now, after=-1)
    if step is None:
        raise Refusal.invalid_request(
            "That code is not right. Wait for the next one, and check that your phone sets its"
            " clock automatically."
        )
    locked = _lock(user)
    if factors_of(locked).totp is not None:
        raise Refusal.conflict("An authenticator app is on already. Remove it first.")
    factor: TotpFactor = TotpFactor.objects.create(
        user=locked,
        organisation_id=locked.organisation_id,
        name="Authenticator app",
        seed=seed,
        last_step=step,
        last_used_at=now,
        confirmed=True,
    )
    _added(user, factor, "totp", now)
    return factor


def add_passkey(*, user: User, raw: Any, name: str, browser: str, now: datetime) -> PasskeyFactor:
    """Keep the passkey that a browser has just made.

    raw: the answer to `navigator.credentials.create`, as JSON. name: empty to call it after where
    it is kept. Refuses invalid_passkey, challenge_over, unsupported_passkey, or conflict when the
    credential is known already, to whomever it belongs.
    """
    answer = passkeys.read_answer(raw)
    challenge = passkeys.claim_challenge(
        answer=answer, purpose=Purpose.REGISTER, user=user, browser=browser
    )
    new = passkeys.check_registration(answer=answer, challenge=challenge)
    with transaction.atomic():
        locked = _lock(user)
        if len(factors_of(locked).passkeys) >= passkeys.MAX_PASSKEYS_PER_USER:
            raise Refusal.conflict("You have as many passkeys as there may be. Remove one first.")
        factor = _insert_passkey(locked, new, name.strip() or _free_name(locked, new), now)
        _added(user, factor, "passkey", now)
    return factor


@transaction.atomic
def rename_passkey(*, user: User, row_id: UUID, name: str, now: datetime) -> PasskeyFactor:
    """Refuses not_found for anybody else's."""
    factor = _own_passkey(user, row_id)
    former, factor.name = factor.name, name.strip()[:MAX_NAME_LENGTH]
    factor.save(update_fields=["name"])
    _write_down(user, Event.FACTOR_RENAMED, factor, now, type="passkey", former=former)
    return factor


@transaction.atomic
def remove_passkey(*, user: User, row_id: UUID, now: datetime) -> None:
    """Refuses not_found for anybody else's, not_allowed when the user could not do without it."""
    locked = _lock(user)
    factor = _own_passkey(locked, row_id)
    _refuse_what_locks_out(locked, factors_of(locked), now)
    _removed(user, factor, "passkey", now)


@transaction.atomic
def remove_totp(*, user: User, now: datetime) -> None:
    """Refuses not_found when there is none, not_allowed when the user could not do without it."""
    locked = _lock(user)
    factors = factors_of(locked)
    if factors.totp is None:
        raise Refusal.not_found()
    _refuse_what_locks_out(locked, factors, now)
    _removed(user, factors.totp, "totp", now)


@transaction.atomic
def make_recovery_codes(*, user: User, now: datetime) -> tuple[str, ...]:
    """Make a new sheet and return its codes, this once; the former sheet's are void.

    Refuses not_allowed without a factor that they could stand in for.
    """
    locked = _lock(user)
    if not factors_of(locked).count:
        raise Refusal.not_allowed(
            "Recovery codes stand in for a second step: add a passkey or an app for it first."
        )
    sheet, _ = RecoveryCodesFactor.objects.get_or_create(
        user_id=locked.pk,
        defaults={"organisation_id": locked.organisation_id, "name": "Recovery codes"},
    )
    RecoveryCodesFactor.objects.filter(pk=sheet.pk).update(created_at=now)
    sheet.codes.all().delete()
    codes = recovery_codes.new_codes()
    RecoveryCode.objects.bulk_create(
        RecoveryCode(sheet=sheet, digest=recovery_codes.digest_of(code, sheet=sheet.row_id))
        for code in codes
    )
    rotate_security_stamp(user=user, now=now)
    mail.notify(user, "account/email/recovery_codes_created", now=now)
    _write_down(user, Event.RECOVERY_CODES_CREATED, sheet, now, count=len(codes))
    return codes


def _lock(user: User) -> User:
    """One change at a time for each user: two removals must not both leave "the other" factor."""
    return User.unscoped.select_for_update(no_key=True).get(pk=user.pk)


def _own_passkey(user: User, row_id: UUID) -> PasskeyFactor:
    factor: PasskeyFactor | None = PasskeyFactor.objects.filter(
        user_id=user.pk, row_id=row_id, confirmed=True
    ).first()
    if factor is None:
        raise Refusal.not_found()
    return factor


def _insert_passkey(user: User, new: NewPasskey, name: str, now: datetime) -> PasskeyFactor:
    try:
        with transaction.atomic():
            factor: PasskeyFactor = PasskeyFactor.objects.create(
                user=user,
                organisation_id=user.organisation_id,
                name=name[:MAX_NAME_LENGTH],
                credential_id=new.credential_id,
                credential_digest=passkeys.credential_digest(new.credential_id),
                public_key=new.public_key,
                sign_count=new.sign_count,
                aaguid=new.aaguid,
                transports=list(new.transports),
                backup_eligible=new.is_backup_eligible,
                backed_up=new.is_backed_up,
                confirmed=True,
            )
            PasskeyFactor.objects.filter(pk=factor.pk).update(created_at=now)
    except IntegrityError as error:  # the credential id is unique over all users
        raise Refusal.conflict("This passkey is in use already.") from error
    return factor


def _free_name(user: User, new: NewPasskey) -> str:
    """The authenticator's name, numbered from the second one on."""
    base = name_of(new.aaguid)
    taken = {factor.name for factor in factors_of(user).passkeys}
    name, number = base, 2
    while name in taken:
        name, number = f"{base} {number}", number + 1
    return name


def _refuse_what_locks_out(user: User, factors: Factors, now: datetime) -> None:
    if factors.count > 1:
        return
    if not user.has_usable_password():
        raise Refusal.not_allowed(
            "This is your only way to sign in. Add another passkey, or set a password, first."
        )
    if role_demands_second_factor(user=user, now=now):
        raise Refusal.not_allowed(
            "One of your roles requires a second step at sign-in, and this is your only one."
            " Add another passkey or an authenticator app first."
        )


def _added(user: User, factor: TotpFactor | PasskeyFactor, kind: str, now: datetime) -> None:
    rotate_security_stamp(user=user, now=now)
    proof = Proof(factor, is_passwordless=isinstance(factor, PasskeyFactor))
    factor_added.send(type(factor), user=user, proof=proof, now=now)
    mail.notify(user, "account/email/factor_added", now=now, factor=kind, factor_name=factor.name)
    _write_down(user, Event.FACTOR_ADDED, factor, now, type=kind, name=factor.name)


def _removed(user: User, factor: TotpFactor | PasskeyFactor, kind: str, now: datetime) -> None:
    reference, name = factor.pk, factor.name
    factor.delete()
    factor.pk = reference  # audit names what is gone
    if not factors_of(user).count:
        RecoveryCodesFactor.objects.filter(user_id=user.pk).delete()  # nothing to stand in for
    rotate_security_stamp(user=user, now=now)
    mail.notify(user, "account/email/factor_removed", now=now, factor=kind, factor_name=name)
    _write_down(user, Event.FACTOR_REMOVED, factor, now, type=kind, name=name)


def _write_down(user: User, event: Event, subject: Any, now: datetime, **facts: Any) -> None:
    record(
        event,
        organisation_id=user.organisation_id,
        actor=user,
        subject=subject,
        now=now,
        **facts,
    )
