"""Writes audit events, in the transaction of the change that they tell of.

`record` for flows, `insert` for raw statements on a hot path. If it fails, the change fails.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from django.db import models

from audit.events import Event
from audit.models import AuditEvent
from core.ids import new_id

# In place of an id that is made when something is written down; most requests write nothing.
LATER = UUID(int=0)
transaction_id: ContextVar[UUID | None] = ContextVar("transaction_id", default=None)
request_address: ContextVar[str | None] = ContextVar("request_address", default=None)

_INTO = """INSERT INTO audit_auditevent
  (id, at, event, organisation_id, actor, subject, session_id, device_id, address,
   transaction_id, facts)"""
INSERT = f"""
{_INTO}
VALUES
  (%(id)s, %(at)s, %(event)s, %(organisation_id)s, %(actor)s, %(subject)s,
   %(session_id)s, NULL, %(address)s, %(transaction_id)s, %(facts)s)
"""


def branch(event: Event, *, source: str, actor: str, subject: str, facts: str, now: str) -> str:
    """An INSERT that a larger statement carries as a branch, so that both happen or neither.

    source: the FROM item with organisation_id and session_id; actor, subject, facts (jsonb) and
    now: SQL expressions over it, constants of ours. `branch_params` says what is bound.
    """
    return f"""
  {_INTO}
  SELECT %(event_id)s, {now}, '{event.value}', {source}.organisation_id, {actor}, {subject},
         {source}.session_id, NULL, %(address)s, %(transaction_id)s, {facts}
    FROM {source}"""


def branch_params(address: str) -> dict[str, Any]:
    """What a statement with a `branch` binds for it."""
    return {
        "event_id": new_id(),
        "address": address,
        "transaction_id": _cause(),
    }


@contextmanager
def one_cause(cause: UUID | None = None) -> Iterator[None]:
    """Ties together what is written inside: within a request it is tied already.

    cause: the transaction id of what this follows from, elsewhere or earlier.
    """
    if cause is None and transaction_id.get() is not None:
        yield
        return
    token = transaction_id.set(cause or new_id())
    try:
        yield
    finally:
        transaction_id.reset(token)


class Cursor(Protocol):
    def execute(self, query: str, params: Mapping[str, Any], /) -> None: ...


def ref(row: models.Model) -> str:
    """The typed reference of a row: `accounts.User:<id>`."""
    return f"{row._meta.label}:{row.pk}"  # noqa: SLF001 - Django's documented model API


def record(
    event: Event,
    *,
    organisation_id: UUID | None,
    now: datetime,
    actor: str | models.Model | None = None,
    subject: str | models.Model | None = None,
    session_id: UUID | None = None,
    device_id: UUID | None = None,
    address: str | None = None,
    **facts: Any,
) -> AuditEvent:
    """Write one event. `facts` must be JSON; UUIDs and datetimes are written as text."""
    return AuditEvent.objects.create(
        at=now,
        event=event,
        organisation_id=organisation_id,
        actor=_reference(actor),
        subject=_reference(subject),
        session_id=session_id,
        device_id=device_id,
        address=address or request_address.get(),
        transaction_id=_cause(),
        facts=json.loads(json.dumps(facts, default=str)),
    )


def insert(
    cursor: Cursor,
    event: Event,
    *,
    organisation_id: UUID | None,
    now: datetime,
    actor: str = "",
    subject: str = "",
    session_id: UUID | None = None,
    address: str | None = None,
    facts: Mapping[str, Any],
) -> None:
    """Write one event by one prepared statement of a raw psycopg cursor."""
    cursor.execute(
        INSERT,
        {
            "id": new_id(),
            "at": now,
            "event": event.value,
            "organisation_id": organisation_id,
            "actor": actor,
            "subject": subject,
            "session_id": session_id,
            "address": address,
            "transaction_id": _cause(),
            "facts": json.dumps(facts, default=str),
        },
    )


def _cause() -> UUID:
    """What ties this to whatever else the same cause produced."""
    known = transaction_id.get()
    if known is None:
        return new_id()
    if known is LATER:
        known = new_id()
        transaction_id.set(known)
    return known


def _reference(value: str | models.Model | None) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else ref(value)
