"""Device authorization (RFC 8628): a device asks, a person allows it in a browser elsewhere.

Whoever starts this may not be whom the person thinks (RFC 8628 §5.4). So it is off unless a client
is registered for it, the person is shown where it began and has to have signed in just now, and a
code that a link brings along is never taken as an answer.
"""

import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Case, F, Value, When
from django.utils.crypto import salted_hmac

from audit import recorder
from audit.events import Event
from core import clock
from core.errors import Refusal
from core.ids import digest, new_token
from core.limits import spend
from idp import storage
from idp.client_auth import MachineClient, same_client
from idp.flows import grant_consent
from idp.limits import DEVICE_CODE_TRIES
from idp.models import DeviceAuthorization
from idp.models.client import DEVICE_CODE
from sessions.models import LoginSession

GRANT_TYPE = DEVICE_CODE
LIFETIME = timedelta(minutes=10)
INTERVAL_SECONDS = 5
SLOW_DOWN_SECONDS = 5
MAX_WRONG_TRIES = 5
ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"  # RFC 8628 §6.1: no vowels, so no words; 34 bits in 8 letters
CODE_LENGTH, HEAD_LENGTH = 8, 4
MAX_TYPED_LENGTH = 64
MAX_USER_AGENT_LENGTH = 512
_OTHER_LETTERS = re.compile(f"[^{ALPHABET}]")


@dataclass(frozen=True)
class Started:
    """The codes of a device, known now and never again: only digests are kept."""

    device_code: str
    user_code: str


def start(*, client: MachineClient, scope: str, address: str, user_agent: str) -> Started:
    """Keep what a device asks for, with its audit row, by one statement; raises StaleClient."""
    while True:
        started = Started(
            new_token(), "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))
        )
        params = {
            "digest": digest(started.device_code),
            "user_code_digest": keyed_digest(started.user_code),
            "user_code_head": keyed_digest(started.user_code[:HEAD_LENGTH]),
            "client": client.id,
            "changed_at": client.changed_at,
            "scope": scope,
            "user_agent": "".join(filter(str.isprintable, user_agent))[:MAX_USER_AGENT_LENGTH],
            "interval": INTERVAL_SECONDS,
            "lifetime": LIFETIME,
            "clock_offset": clock.offset(),
            **recorder.branch_params(address),
        }
        row = storage.one(storage.START_DEVICE, params)
        if row is None:  # switched off or changed since it was cached
            same_client(client, None)
        elif row["is_new"]:  # else another device has this user code: once more
            return started


def read(typed: str) -> str:
    """The user code in what somebody typed, or "" if there is none (RFC 8628 §6.1)."""
    letters = _OTHER_LETTERS.sub("", typed[:MAX_TYPED_LENGTH].upper())
    return letters if len(letters) == CODE_LENGTH else ""


def shown(user_code: str) -> str:
    return f"{user_code[:HEAD_LENGTH]}-{user_code[HEAD_LENGTH:]}"


def keyed_digest(user_code: str) -> bytes:
    return salted_hmac("sallyport.device-user-code", user_code, algorithm="sha256").digest()


def find_by_code(
    typed: str, *, user: Any, session: LoginSession, address: str, now: datetime
) -> DeviceAuthorization | None:
    """What waits under a user code in the organisation of this person, or None.

    Every try is paid for by person, sign-in and address (RFC 8628 §5.1); refuses
    TOO_MANY_ATTEMPTS. A wrong one counts against codes that begin alike, which end when there are
    too many.
    """
    for key in (f"user:{user.pk}", f"session:{session.pk}", f"address:{address}"):
        spend(DEVICE_CODE_TRIES, key, now=now)
    code = read(typed)
    found = _waiting(user).filter(user_code_digest=keyed_digest(code)).first() if code else None
    if found is None:
        _count_wrong_try(code, user=user, session=session, now=now)
    return found


def find(device_digest: bytes, *, user: Any) -> DeviceAuthorization:
    """What this person is asked about; refuses CONFLICT once it is answered or has run out."""
    found: DeviceAuthorization | None = _waiting(user).filter(digest=device_digest).first()
    if found is None:
        raise Refusal.conflict("This request has been answered already, or has run out.")
    return found


@transaction.atomic
def approve(
    device: DeviceAuthorization, *, user: Any, session: LoginSession, now: datetime
) -> None:
    """Let the device have what it asked for, once; refuses CONFLICT when somebody was faster."""
    changed = (
        _waiting(user)
        .filter(digest=device.digest)
        .update(user=user, session=session, approved_at=clock.sql_now())
    )
    if not changed:
        raise Refusal.conflict("This request has been answered already, or has run out.")
    if not device.client.is_first_party:
        grant_consent(
            user=user,
            client=device.client,
            scopes=device.scope.split(),
            session_id=session.id,
            now=now,
        )
    _record(Event.DEVICE_AUTHORIZATION_APPROVED, device, user=user, session=session, now=now)


@transaction.atomic
def deny(device: DeviceAuthorization, *, user: Any, session: LoginSession, now: datetime) -> None:
    """Refuse what the device asked for; refuses CONFLICT when somebody was faster."""
    if not _waiting(user).filter(digest=device.digest).update(denied_at=clock.sql_now()):
        raise Refusal.conflict("This request has been answered already, or has run out.")
    _record(Event.DEVICE_AUTHORIZATION_DENIED, device, user=user, session=session, now=now)


def verification_uri() -> str:
    return f"{settings.ISSUER}/device/"


def _waiting(user: Any) -> Any:
    """What people of this organisation may still answer, its client being one that may ask."""
    return (
        DeviceAuthorization.objects.within_id(user.organisation_id)
        .filter(
            approved_at=None,
            denied_at=None,
            expires_at__gt=clock.sql_now(),
            client__is_active=True,
            client__grant_types__contains=[GRANT_TYPE],
        )
        .select_related("client__organisation")
    )


@transaction.atomic
def _count_wrong_try(code: str, *, user: Any, session: LoginSession, now: datetime) -> None:
    alike = _waiting(user).filter(user_code_head=keyed_digest(code[:HEAD_LENGTH]))
    hit = alike.update(
        wrong_tries=F("wrong_tries") + 1,
        denied_at=Case(
            When(wrong_tries__gte=MAX_WRONG_TRIES - 1, then=clock.sql_now()),
            default=Value(None),
        ),
    )
    recorder.record(
        Event.DEVICE_CODE_MISTYPED,
        organisation_id=user.organisation_id,
        actor=user,
        session_id=session.id,
        now=now,
        alike=hit,
    )


def _record(
    event: Event, device: DeviceAuthorization, *, user: Any, session: LoginSession, now: datetime
) -> None:
    recorder.record(
        event,
        organisation_id=device.organisation_id,
        actor=user,
        subject=device.client,
        session_id=session.id,
        now=now,
        client_id=device.client.client_id,
        scope=device.scope,
        started_from=device.address,
    )
