"""Backchannel authentication (CIBA Core 1.0): a client asks a person by name, without a browser.

Whoever asks may not be whom the person thinks, and whoever asks often enough may be allowed just to
have peace. So it is off unless a client is registered for it, nobody is asked by more than a few
requests at once or an hour, nothing that arrives by mail is an answer, and the page shows who asks
for what, and from where.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import transaction

from accounts import mail
from accounts.models import User
from audit.events import Event
from audit.recorder import record
from core import background, clock
from core.assurance import Level
from core.errors import Refusal
from core.ids import digest, new_token
from idp import polled_requests
from idp.delivery import pings
from idp.models import BackchannelAuthentication, Client
from idp.models.client import CIBA
from sessions.models import LoginSession

if TYPE_CHECKING:
    from django.db.models import QuerySet

MAX_WAITING = 3  # for one person's answer, of all clients together
MAX_UNALLOWED_PER_HOUR = 10
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Wanted:
    """What a client asks for, all of it judged. person: of the client's organisation.

    acr_values: those that we know, in order of preference. terms: see `Granted`.
    notification_token: for ping, else empty. address, user_agent: of whoever asks.
    """

    person: User
    scope: str
    lifetime: timedelta
    address: str
    user_agent: str
    binding_message: str = ""
    acr_values: Sequence[str] = ()
    terms: dict[str, Any] = field(default_factory=dict)
    notification_token: str = ""


class _TooManyError(Exception):
    def __init__(self, until: datetime) -> None:
        super().__init__("the person is asked too often")
        self.until = until


def start(wanted: Wanted, *, client: Client, now: datetime) -> str:
    """Ask a person; returns the auth_req_id, of which only a digest is kept (but see ping).

    Refuses TOO_MANY_ATTEMPTS when this person is being asked too often, by whomever.
    """
    try:
        return _start(wanted, client=client, now=now)
    except _TooManyError as fault:
        record(
            Event.BACKCHANNEL_AUTHENTICATION_SUPPRESSED,
            organisation_id=client.organisation_id,
            actor=client,
            subject=wanted.person,
            address=wanted.address,
            now=now,
        )
        raise Refusal.too_many_attempts(int((fault.until - now).total_seconds()) + 1) from fault


@transaction.atomic
def _start(wanted: Wanted, *, client: Client, now: datetime) -> str:
    _check_peace(wanted.person, now)
    auth_req_id = new_token()
    asked = BackchannelAuthentication.objects.create(
        digest=digest(auth_req_id),
        organisation_id=client.organisation_id,
        client=client,
        user=wanted.person,
        scope=wanted.scope,
        binding_message=wanted.binding_message,
        acr_values=list(wanted.acr_values),
        terms=wanted.terms,
        address=wanted.address,
        user_agent=polled_requests.agent(wanted.user_agent),
        interval_seconds=polled_requests.INTERVAL_SECONDS,
        created_at=now,
        expires_at=now + wanted.lifetime,
    )
    if wanted.notification_token:
        pings.prepare(asked, token=wanted.notification_token, auth_req_id=auth_req_id, now=now)
    record(
        Event.BACKCHANNEL_AUTHENTICATION_STARTED,
        organisation_id=client.organisation_id,
        actor=client,
        subject=wanted.person,
        address=wanted.address,
        now=now,
        client_id=client.client_id,
        scope=wanted.scope,
        binding_message=wanted.binding_message,
        request=asked.id,
    )
    # Nothing of the client's own words goes into a mail.
    mail.send(
        "account/email/authentication_request",
        to=wanted.person.email,
        context={
            "organisation": client.organisation,
            "timestamp": now,
            "expires_at": asked.expires_at,
            "request_url": mail.here("idp:authentication_request", str(asked.id)),
        },
    )
    return auth_req_id


def _check_peace(person: User, now: datetime) -> None:
    """One at a time for each person, so that requests that come together are counted."""
    User.objects.within_id(person.organisation_id).select_for_update(no_key=True).get(pk=person.pk)
    asked = BackchannelAuthentication.objects.within_id(person.organisation_id).filter(
        user=person, approved_at=None
    )
    waiting = asked.filter(denied_at=None, expires_at__gt=clock.sql_now()).order_by("expires_at")
    lately = asked.filter(created_at__gt=now - HOUR).order_by("created_at")
    ends = list(waiting.values_list("expires_at", flat=True)[:MAX_WAITING])
    if len(ends) >= MAX_WAITING:
        raise _TooManyError(ends[0])
    begun = list(lately.values_list("created_at", flat=True)[:MAX_UNALLOWED_PER_HOUR])
    if len(begun) >= MAX_UNALLOWED_PER_HOUR:
        raise _TooManyError(begun[0] + HOUR)


def waiting_for(user: Any) -> "QuerySet[BackchannelAuthentication]":
    """What this person is asked about, the newest first."""
    rows = polled_requests.waiting(BackchannelAuthentication, user, grant_type=CIBA)
    return rows.filter(user=user).order_by("-created_at")


def find(request_id: UUID, *, user: Any) -> BackchannelAuthentication:
    """What this person is asked about; refuses CONFLICT once it is answered or has run out."""
    return polled_requests.only(waiting_for(user).filter(id=request_id))


def preferred_level(asked: BackchannelAuthentication) -> Level:
    """The first of acr_values; a wish, never a demand (CIBA Core 1.0 §7.1)."""
    return Level.from_acr(asked.acr_values[0]) if asked.acr_values else Level.NONE


@transaction.atomic
def approve(
    asked: BackchannelAuthentication, *, user: Any, session: LoginSession, now: datetime
) -> None:
    """Let the client have what it asked for, once; refuses CONFLICT when somebody was faster.

    Of its acr_values the first that the session meets is what tokens will say.
    """
    met = [acr for acr in asked.acr_values if Level.from_acr(acr) <= session.level]
    terms = asked.terms | ({"acr": met[0]} if met else {})
    rows = waiting_for(user).filter(id=asked.id)
    polled_requests.approve(
        rows, asked, user=user, session=session, now=now, columns={"terms": terms}
    )
    _close(Event.BACKCHANNEL_AUTHENTICATION_APPROVED, asked, user=user, session=session, now=now)


@transaction.atomic
def deny(
    asked: BackchannelAuthentication, *, user: Any, session: LoginSession, now: datetime
) -> None:
    """Refuse what the client asked for; refuses CONFLICT when somebody was faster."""
    polled_requests.deny(waiting_for(user).filter(id=asked.id))
    _close(Event.BACKCHANNEL_AUTHENTICATION_DENIED, asked, user=user, session=session, now=now)


def _close(
    event: Event,
    asked: BackchannelAuthentication,
    *,
    user: Any,
    session: LoginSession,
    now: datetime,
) -> None:
    polled_requests.record(
        event, asked, user=user, session=session, now=now, facts={"request": asked.id}
    )
    if pings.release(asked, now=now):
        transaction.on_commit(lambda: background.hurry("idp.tasks.deliver_pings"))
