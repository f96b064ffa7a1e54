"""Requests that a client polls about until a person has answered them in a browser.

What device authorization (RFC 8628) and backchannel authentication (CIBA Core 1.0) share: what is
still to be answered, and that an answer counts once.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from audit import recorder
from audit.events import Event
from core import clock
from core.errors import Refusal
from idp.flows import grant_consent
from idp.models.polled import PolledRequest
from sessions.models import LoginSession

if TYPE_CHECKING:
    from django.db.models import QuerySet

R = TypeVar("R", bound=PolledRequest)

LIFETIME = timedelta(minutes=10)
INTERVAL_SECONDS = 5
SLOW_DOWN_SECONDS = 5
MAX_USER_AGENT_LENGTH = 512


def waiting(model: type[R], user: Any, *, grant_type: str) -> "QuerySet[R]":
    """What people of this organisation may still answer, its client being one that may ask."""
    rows: QuerySet[R] = model.objects.within_id(user.organisation_id)
    return (
        rows.filter(
            approved_at=None,
            denied_at=None,
            expires_at__gt=clock.sql_now(),
            client__is_active=True,
            client__grant_types__contains=[grant_type],
        )
        .select_related("client__organisation", "client__logo")
        .defer("client__logo__content")
    )


def only(rows: "QuerySet[R]") -> R:
    """The one row that is asked about; refuses CONFLICT once it is answered or has run out."""
    found = rows.first()
    if found is None:
        raise _over()
    return found


def approve(
    rows: "QuerySet[R]",
    asked: R,
    *,
    user: Any,
    session: LoginSession,
    now: datetime,
    columns: Mapping[str, Any],
) -> None:
    """Approve once, and remember the consent; refuses CONFLICT when somebody was faster.

    rows: `asked` as far as it still waits. columns: what else is set. For use inside a transaction.
    The consent comes first, as it does for who withdraws it.
    """
    if not asked.client.is_first_party:
        grant_consent(
            user=user,
            client=asked.client,
            scopes=asked.scope.split(),
            session_id=session.id,
            now=now,
        )
    if not rows.update(session=session, approved_at=clock.sql_now(), **columns):
        raise _over()


def deny(rows: "QuerySet[R]") -> None:
    """Refuse once; refuses CONFLICT when somebody was faster."""
    if not rows.update(denied_at=clock.sql_now()):
        raise _over()


def record(
    event: Event,
    asked: PolledRequest,
    *,
    user: Any,
    session: LoginSession,
    now: datetime,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Write down what a person answered."""
    recorder.record(
        event,
        organisation_id=asked.organisation_id,
        actor=user,
        subject=asked.client,
        session_id=session.id,
        now=now,
        client_id=asked.client.client_id,
        scope=asked.scope,
        started_from=asked.address,
        **(facts or {}),
    )


def agent(user_agent: str) -> str:
    """A User-Agent header as it is kept, to be shown to whoever approves."""
    return "".join(filter(str.isprintable, user_agent))[:MAX_USER_AGENT_LENGTH]


def _over() -> Refusal:
    return Refusal.conflict("This request has been answered already, or has run out.")
