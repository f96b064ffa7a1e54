"""Device authorization (RFC 8628): a device asks, a person allows it in a browser elsewhere.

Whoever starts this may not be whom the person thinks (RFC 8628 §5.4). So it is off unless a client
is registered for it, the person is shown where it began and has to have signed in just now, and a
code that a link brings along is never taken as an answer.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction

from audit import recorder
from audit.events import Event
from core import clock, user_codes
from core.ids import digest, new_token
from idp import polled_requests
from idp.clients.authentication import MachineClient, same_client
from idp.limits import DEVICE_CODE_TRIES
from idp.models import DeviceAuthorization
from idp.models.client import DEVICE_CODE
from idp.storage import database
from idp.storage.polled_requests import START_DEVICE
from sessions.models import LoginSession

if TYPE_CHECKING:
    from django.db.models import QuerySet

GRANT_TYPE = DEVICE_CODE
LIFETIME = polled_requests.LIFETIME
INTERVAL_SECONDS = polled_requests.INTERVAL_SECONDS
PURPOSE = "device-user-code"


@dataclass(frozen=True)
class Started:
    """The codes of a device, known now and never again: only digests are kept."""

    device_code: str
    user_code: str


def start(*, client: MachineClient, scope: str, address: str, user_agent: str) -> Started:
    """Keep what a device asks for, with its audit row, by one statement; raises StaleClient."""
    while True:
        started = Started(new_token(), user_codes.new_user_code())
        params = {
            "digest": digest(started.device_code),
            "user_code_digest": keyed_digest(started.user_code),
            "user_code_head": keyed_digest(user_codes.head(started.user_code)),
            "client": client.id,
            "changed_at": client.changed_at,
            "scope": scope,
            "user_agent": polled_requests.agent(user_agent),
            "interval": INTERVAL_SECONDS,
            "lifetime": LIFETIME,
            "clock_offset": clock.offset(),
            **recorder.branch_params(address),
        }
        row = database.one(START_DEVICE, params)
        if row is None:  # switched off or changed since it was cached
            same_client(client, None)
        elif row["is_new"]:  # else another device has this user code: once more
            return started


def keyed_digest(user_code: str) -> bytes:
    return user_codes.keyed_digest(user_code, purpose=PURPOSE)


def find_by_code(
    typed: str, *, user: Any, session: LoginSession, address: str, now: datetime
) -> DeviceAuthorization | None:
    """What waits under a user code in the organisation of this person, or None.

    Every try is paid for by person, sign-in and address (RFC 8628 §5.1); refuses
    TOO_MANY_ATTEMPTS. A wrong one counts against codes that begin alike, which end when there are
    too many.
    """
    user_codes.pay_for_try(
        DEVICE_CODE_TRIES, user_id=user.pk, session_id=session.pk, address=address, now=now
    )
    code = user_codes.read(typed)
    found = _waiting(user).filter(user_code_digest=keyed_digest(code)).first() if code else None
    if found is None:
        _count_wrong_try(code, user=user, session=session, now=now)
    return found


def find(device_digest: bytes, *, user: Any) -> DeviceAuthorization:
    """What this person is asked about; refuses CONFLICT once it is answered or has run out."""
    return polled_requests.only(_waiting(user).filter(digest=device_digest))


@transaction.atomic
def approve(
    device: DeviceAuthorization, *, user: Any, session: LoginSession, now: datetime
) -> None:
    """Let the device have what it asked for, once; refuses CONFLICT when somebody was faster."""
    rows = _waiting(user).filter(digest=device.digest)
    # The column `user` is set as well: nobody was asked by name.
    polled_requests.approve(
        rows, device, user=user, session=session, now=now, columns={"user": user}
    )
    polled_requests.record(
        Event.DEVICE_AUTHORIZATION_APPROVED, device, user=user, session=session, now=now
    )


@transaction.atomic
def deny(device: DeviceAuthorization, *, user: Any, session: LoginSession, now: datetime) -> None:
    """Refuse what the device asked for; refuses CONFLICT when somebody was faster."""
    polled_requests.deny(_waiting(user).filter(digest=device.digest))
    polled_requests.record(
        Event.DEVICE_AUTHORIZATION_DENIED, device, user=user, session=session, now=now
    )


def verification_uri() -> str:
    return f"{settings.ISSUER}/device/"


def _waiting(user: Any) -> "QuerySet[DeviceAuthorization]":
    """What people of this organisation may still answer."""
    return polled_requests.waiting(DeviceAuthorization, user, grant_type=GRANT_TYPE)


@transaction.atomic
def _count_wrong_try(code: str, *, user: Any, session: LoginSession, now: datetime) -> None:
    alike = _waiting(user).filter(user_code_head=keyed_digest(user_codes.head(code)))
    hit = user_codes.count_wrong_try(alike)
    recorder.record(
        Event.DEVICE_CODE_MISTYPED,
        organisation_id=user.organisation_id,
        actor=user,
        session_id=session.id,
        now=now,
        alike=hit,
    )
