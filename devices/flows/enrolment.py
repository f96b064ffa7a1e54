"""How a machine comes to be known: it shows a key, and a person says that it is theirs.

A machine without a browser asks by itself and shows a code, which somebody types elsewhere (the
shape of RFC 8628). A browser that somebody is signed in with is enrolled where it is. Whoever asks
may not be whom the person thinks: the page shows what asks, from where and with which key, and the
person has just proven to be there. The code counts once; the machine proves its key at each step.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction

from audit.events import Event
from audit.recorder import record
from core import clock, user_codes
from core.errors import Refusal
from devices.flows.browsers import MAX_USER_AGENT_LENGTH
from devices.flows.states import plain_name, tell_of_another_user, tell_of_enrolment
from devices.limits import ENROLMENT_CODE_TRIES
from devices.models import (
    IN_USE,
    Browser,
    Device,
    DeviceUser,
    Enrolment,
    KeyStorage,
    Platform,
    State,
)
from devices.posture import Proof, PublicKey

if TYPE_CHECKING:
    from django.db.models import QuerySet

PURPOSE = "enrolment-code"
LIFETIME = timedelta(minutes=10)
WAITS_FOR_ADMINISTRATOR = timedelta(days=7)
KEPT_FOR = timedelta(days=1)
INTERVAL_SECONDS = 5
MAX_DEVICES_OF_ONE = 50
MAX_USERS_OF_ONE = 50
AGENT_STORAGES = (KeyStorage.SOFTWARE, KeyStorage.TPM, KeyStorage.SECURE_ENCLAVE)


@dataclass(frozen=True)
class Wish:
    """What asks to be enrolled, in its own words."""

    name: str
    platform: Platform
    key_storage: KeyStorage


@dataclass(frozen=True)
class Started:
    """user_code: known now and never again, since only its digest is kept."""

    enrolment_id: UUID
    user_code: str


def start(
    *, wish: Wish, key: PublicKey, proof: Proof, address: str, user_agent: str, now: datetime
) -> Started:
    """Keep what a machine asks for, until somebody answers or ten minutes are over.

    A key that is enrolled asks for another user of its device. Refuses invalid_request if the key
    was enrolled before and is out of use: a machine is enrolled anew with another one.
    """
    if wish.key_storage not in AGENT_STORAGES:
        raise Refusal.invalid_request("key_storage is software, tpm or secure_enclave.")
    known = Device.unscoped.filter(key_thumbprint=key.thumbprint).first()
    if known is not None and known.state != State.ENROLLED:
        raise Refusal.invalid_request("This key has been enrolled before: make a new one.")
    while True:
        code = user_codes.new_user_code()
        try:
            with transaction.atomic():
                row = Enrolment.objects.create(
                    user_code_digest=_digest(code),
                    user_code_head=_digest(user_codes.head(code)),
                    public_jwk=key.jwk,
                    key_thumbprint=key.thumbprint,
                    key_storage=wish.key_storage,
                    name=wish.name,
                    platform=wish.platform,
                    address=address,
                    user_agent=user_agent[:MAX_USER_AGENT_LENGTH].replace("\0", ""),
                    created_at=now,
                    expires_at=now + LIFETIME,
                    last_proof=proof.issued_at,
                )
        except IntegrityError:  # somebody else has this code: once more
            continue
        return Started(row.id, code)


def find_by_code(
    typed: str, *, user: Any, session_id: UUID | None, address: str, now: datetime
) -> Enrolment | None:
    """What waits under a code, or None.

    Every try is paid for by person, sign-in and address (RFC 8628 §5.1); refuses
    TOO_MANY_ATTEMPTS. A wrong one counts against codes that begin alike, which end when there are
    too many.
    """
    user_codes.pay_for_try(
        ENROLMENT_CODE_TRIES, user_id=user.pk, session_id=session_id, address=address, now=now
    )
    code = user_codes.read(typed)
    found = _waiting().filter(user_code_digest=_digest(code)).first() if code else None
    if found is None:
        _count_wrong_try(code, user=user, session_id=session_id, now=now)
    return found


def find(enrolment_id: UUID) -> Enrolment:
    """What somebody is asked about; refuses CONFLICT once it is answered or has run out."""
    found = _waiting().filter(pk=enrolment_id).first()
    if found is None:
        raise _over()
    return found


@transaction.atomic
def allow(
    asked: Enrolment,
    *,
    user: Any,
    browser: Browser | None,
    session_id: UUID | None,
    now: datetime,
) -> Device:
    """Enrol what asks, as this user's, once; refuses CONFLICT when somebody was faster.

    A machine that is enrolled already becomes this user's as well. browser: one of the user's that
    runs on this very machine, as the user says.
    """
    row = _waiting().select_for_update().filter(pk=asked.pk).first()
    if row is None:
        raise _over()
    known = known_device(row, user=user)
    if known is not None:
        device = _join(known, user=user, browser=browser, session_id=session_id, now=now)
    else:
        device = _enrol(
            wish=Wish(row.name, Platform(row.platform), KeyStorage(row.key_storage)),
            key=PublicKey(row.public_jwk, row.key_thumbprint),
            user=user,
            browser=browser,
            session_id=session_id,
            now=now,
        )
    row.approved_at, row.device = now, device
    if device.state == State.PENDING:
        row.expires_at = now + WAITS_FOR_ADMINISTRATOR
    row.save(update_fields=["approved_at", "device", "expires_at"])
    return device


def known_device(asked: Enrolment, *, user: Any) -> Device | None:
    """The device of the user's organisation that has this key already, if there is one."""
    devices = Device.objects.within_id(user.organisation_id)
    known: Device | None = devices.filter(key_thumbprint=asked.key_thumbprint).first()
    return known


@transaction.atomic
def leave(*, device: Device, user: Any, session_id: UUID | None, now: datetime) -> bool:
    """Let the user be none of the device's any more, as long as others are; whether it was so.

    The user's browsers run on it no longer.
    """
    locked = Device.objects.within_id(user.organisation_id).select_for_update().get(pk=device.pk)
    people = DeviceUser.objects.within_id(user.organisation_id).filter(device=locked)
    if not people.exclude(user=user).exists() or not people.filter(user=user).delete()[0]:
        return False
    Browser.objects.within_id(user.organisation_id).filter(user=user, device=locked).update(
        device=None
    )
    record(
        Event.DEVICE_LEFT,
        organisation_id=user.organisation_id,
        actor=user,
        subject=locked,
        device_id=locked.id,
        session_id=session_id,
        now=now,
        name=locked.name,
    )
    return True


@transaction.atomic
def deny(asked: Enrolment, *, user: Any, session_id: UUID | None, now: datetime) -> None:
    """Refuse what asks; refuses CONFLICT when somebody was faster."""
    if not _waiting().filter(pk=asked.pk).update(denied_at=now):
        raise _over()
    record(
        Event.ENROLMENT_DENIED,
        organisation_id=user.organisation_id,
        actor=user,
        subject=asked,
        session_id=session_id,
        now=now,
        name=asked.name,
        platform=asked.platform,
        asked_from=asked.address,
    )


@transaction.atomic
def enrol_browser(
    *,
    wish: Wish,
    key: PublicKey,
    user: Any,
    browser: Browser | None,
    session_id: UUID | None,
    now: datetime,
) -> Device:
    """Enrol the browser that its user is signed in with, by a key that cannot be copied out."""
    if wish.key_storage != KeyStorage.BROWSER:
        raise Refusal.invalid_request("key_storage is browser.")
    return _enrol(wish=wish, key=key, user=user, browser=browser, session_id=session_id, now=now)


def look_up(enrolment_id: UUID) -> Enrolment:
    """What a machine asks after; refuses not_found."""
    row = Enrolment.objects.filter(pk=enrolment_id).select_related("device").first()
    if row is None:
        raise Refusal.not_found("There is no such enrolment.")
    return row


def poll(row: Enrolment, *, proof: Proof) -> Device | None:
    """The device that a machine has become, or None while it waits.

    Each proof has to be younger than the one before it: one that was listened in on says nothing
    any more. Refuses replayed, access_denied, and gone (410) when the time is over.
    """
    rows = Enrolment.objects.filter(pk=row.pk, last_proof__lt=proof.issued_at)
    if not rows.update(last_proof=proof.issued_at):
        raise Refusal("replayed", "iat must be later than that of the proof before.")
    row = Enrolment.objects.select_related("device").get(pk=row.pk)
    if row.denied_at is not None:
        raise Refusal.access_denied("The enrolment was refused.")
    if not Enrolment.objects.filter(pk=row.pk, expires_at__gt=clock.sql_now()).exists():
        raise Refusal("gone", "The time for this enrolment is over: ask again.", 410)
    if row.device is None or row.device.state == State.PENDING:
        return None
    if row.device.state != State.ENROLLED:
        raise Refusal.access_denied("The device is no longer enrolled.")
    return row.device


def purge_enrolments(*, now: datetime) -> int:
    """Delete what ended a day ago."""
    forgotten, _ = Enrolment.objects.filter(expires_at__lt=now - KEPT_FOR).delete()
    return forgotten


def _join(
    known: Device, *, user: Any, browser: Browser | None, session_id: UUID | None, now: datetime
) -> Device:
    """Its users so far hear of it. Refuses CONFLICT unless it is enrolled, and not the user's."""
    _check_room(user)
    device = Device.objects.within_id(user.organisation_id).select_for_update().get(pk=known.pk)
    if device.state != State.ENROLLED:
        raise Refusal.conflict(f"This device is {State(device.state).label} by now.")
    people = DeviceUser.objects.within_id(user.organisation_id).filter(device=device)
    earlier = [one.user for one in people.select_related("user").order_by("added_at")]
    if user in earlier:
        raise Refusal.conflict("This device is yours already.")
    if len(earlier) >= MAX_USERS_OF_ONE:
        raise Refusal.conflict("This device has too many users.")
    _assign(device, user, browser, now)
    record(
        Event.DEVICE_SHARED,
        organisation_id=user.organisation_id,
        actor=user,
        subject=device,
        device_id=device.id,
        session_id=session_id,
        now=now,
        name=device.name,
        browser=browser.pk if browser else None,
    )
    tell_of_enrolment(device, user, now=now)
    tell_of_another_user(device, earlier, now=now)
    return device


def _check_room(user: Any) -> None:
    mine = DeviceUser.objects.within_id(user.organisation_id).filter(user=user)
    if mine.filter(device__state__in=IN_USE).count() >= MAX_DEVICES_OF_ONE:
        raise Refusal.conflict("You have too many devices. Retire those that you no longer use.")


def _assign(device: Device, user: Any, browser: Browser | None, now: datetime) -> None:
    DeviceUser.objects.create(
        organisation_id=user.organisation_id, device=device, user=user, added_at=now
    )
    if browser is not None:
        own = Browser.objects.within_id(user.organisation_id).filter(user=user, pk=browser.pk)
        own.update(device=device)


def _enrol(
    *,
    wish: Wish,
    key: PublicKey,
    user: Any,
    browser: Browser | None,
    session_id: UUID | None,
    now: datetime,
) -> Device:
    _check_room(user)
    state = State.PENDING if settings.DEVICES_ADMINISTRATOR_APPROVES else State.ENROLLED
    try:
        with transaction.atomic():
            device: Device = Device.objects.create(
                organisation_id=user.organisation_id,
                name=plain_name(wish.name),
                platform=wish.platform,
                state=state,
                state_changed_at=now,
                public_jwk=key.jwk,
                key_thumbprint=key.thumbprint,
                key_storage=wish.key_storage,
                created_at=now,
                enrolled_at=now if state == State.ENROLLED else None,
            )
    except IntegrityError as error:
        raise Refusal.conflict("This key has been enrolled before. Start again.") from error
    _assign(device, user, browser, now)
    record(
        Event.DEVICE_ENROLLED if state == State.ENROLLED else Event.DEVICE_REQUESTED,
        organisation_id=user.organisation_id,
        actor=user,
        subject=device,
        device_id=device.id,
        session_id=session_id,
        now=now,
        name=device.name,
        platform=device.platform,
        key_storage=device.key_storage,
        key_thumbprint=device.key_thumbprint,
        browser=browser.pk if browser else None,
    )
    if state == State.ENROLLED:
        tell_of_enrolment(device, user, now=now)
    return device


def _digest(code: str) -> bytes:
    return user_codes.keyed_digest(code, purpose=PURPOSE)


def _waiting() -> "QuerySet[Enrolment]":
    """What may still be answered. It belongs to no organisation yet: to whoever has the code."""
    return Enrolment.objects.filter(
        approved_at=None, denied_at=None, expires_at__gt=clock.sql_now()
    )


@transaction.atomic
def _count_wrong_try(code: str, *, user: Any, session_id: UUID | None, now: datetime) -> None:
    alike = _waiting().filter(user_code_head=_digest(user_codes.head(code)))
    hit = user_codes.count_wrong_try(alike)
    record(
        Event.ENROLMENT_CODE_MISTYPED,
        organisation_id=user.organisation_id,
        actor=user,
        session_id=session_id,
        now=now,
        alike=hit,
    )


def _over() -> Refusal:
    return Refusal.conflict("This has been answered already, or its time is over.")
