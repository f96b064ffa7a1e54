"""What policy answered: kept in the process for a moment, written by a thread, read again.

A decision leaves an entry in memory, which costs it about a microsecond. Half a second later a
thread of the process writes what has come together as one row, compressed. Where the database is
away, as many wait as there is room for; what there is none for is counted, and the next row says
how many.
What changes something is in the audit trail besides, in the transaction of the change.

Values that may name a person are masked before anything is written.
"""

import os
import socket
import threading
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import structlog
from django.db import Error as DatabaseError
from django.db import connection
from django.utils.crypto import salted_hmac

from core import clock
from policy.engine import DECISION
from policy.evaluator import UNDEFINED
from policy.journal import About, Entry
from policy.models import DecisionBatch

MAX_WAITING, MAX_BATCH = 50_000, 5_000
PAUSE_SECONDS = 0.5
KEPT_OPEN_SECONDS = 60
LEVEL = 1  # of zlib: a tenth of the size already
# Members whose values are masked wherever they stand, as is every text or name with an "@".
MASKED = frozenset({"email", "name", "address", "ip", "ip_address", "phone", "reason", "ticket"})
MASK = "**"

log = structlog.get_logger(__name__)


class DecisionLog:
    """The journal that wiring hands to the engine; one for each process."""

    def __init__(self) -> None:
        self._waiting: deque[Entry] = deque()
        self._dropped = 0
        self._thread: threading.Thread | None = None
        self._starting, self._writing = threading.Lock(), threading.Lock()
        os.register_at_fork(after_in_child=self._begin_anew)

    def note(self, entry: Entry) -> None:
        """Keep an entry until it is written, or count it where there is no room."""
        if len(self._waiting) >= MAX_WAITING:
            self._dropped += 1
            return
        self._waiting.append(entry)
        if self._thread is None:
            self._start()

    def flush(self) -> int:
        """Write what waits; returns how many. What cannot be written waits on."""
        written = 0
        with self._writing:
            while self._waiting:
                entries = [
                    self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_BATCH))
                ]
                dropped = self._dropped
                try:
                    _write(entries, dropped)
                except DatabaseError:
                    self._waiting.extendleft(reversed(entries))
                    waiting = len(self._waiting)
                    log.exception("decisions cannot be logged", waiting=waiting, dropped=dropped)
                    if not connection.in_atomic_block:
                        connection.close()
                    break
                self._dropped -= dropped
                written += len(entries)
        return written

    def _start(self) -> None:
        """No daemon: a process that ends waits for what is not written yet."""
        with self._starting:
            if self._thread is None:
                # Said, since it would take after the thread of the request, which may be one.
                thread = threading.Thread(target=self._run, name="decision-log", daemon=False)
                try:
                    thread.start()
                except RuntimeError:  # the process is ending, or has no thread to spare
                    return
                self._thread = thread

    def _run(self) -> None:
        pause, idle = threading.Event(), 0.0
        while threading.main_thread().is_alive():
            pause.wait(PAUSE_SECONDS)
            idle = 0.0 if self.flush() else idle + PAUSE_SECONDS
            if idle == KEPT_OPEN_SECONDS:
                connection.close()
        self.flush()
        connection.close()

    def _begin_anew(self) -> None:
        """In a child of a fork, which has the entries but not the thread of its parent."""
        self._waiting, self._dropped, self._thread = deque(), 0, None
        self._starting, self._writing = threading.Lock(), threading.Lock()


def _write(entries: list[Entry], dropped: int) -> None:
    shift = (clock.skew() + clock.offset()).total_seconds()
    times = [_seconds(entry.decision_id) + shift for entry in entries]
    lines = [_line(entry, at) for entry, at in zip(entries, times, strict=True)]
    DecisionBatch.objects.create(
        first_at=datetime.fromtimestamp(min(times), UTC),
        last_at=datetime.fromtimestamp(max(times), UTC),
        count=len(entries),
        dropped=dropped,
        source=f"{socket.gethostname()}:{os.getpid()}"[:100],
        users=sorted({entry.about.user_id for entry in entries if entry.about.user_id}),
        clients=sorted({entry.about.client for entry in entries if entry.about.client}),
        body=zlib.compress(b"\n".join(lines), LEVEL),
    )


def _line(entry: Entry, at: float) -> bytes:
    text = entry.text
    masked: list[str] = []
    if entry.path != DECISION or b"@" in text:
        text, masked = mask(text)
    line: dict[str, Any] = {
        "decision_id": entry.decision_id, "at": at, "path": entry.path,
        "revision": entry.revision, "ns": entry.nanoseconds, "user": entry.about.user_id,
        "session": entry.about.session_id, "client": entry.about.client,
        "input": orjson.Fragment(text),
    }  # fmt: skip
    if entry.failure:
        line["error"] = entry.failure
    elif entry.value is not UNDEFINED:
        line["result"] = entry.value
    if masked:
        line["masked"] = masked
    return orjson.dumps(line)


def mask(text: bytes) -> tuple[bytes, list[str]]:
    """The input without what may name a person, and where that stood, as JSON pointers."""
    found: list[str] = []
    value = _masked(orjson.loads(text), "", "", found)
    return orjson.dumps(value), found


def _masked(value: Any, name: str, pointer: str, found: list[str]) -> Any:
    if isinstance(value, dict):
        masked = {}
        for key, each in value.items():
            shown = veil(key) if "@" in key else key
            inside = f"{pointer}/{_escaped(shown)}"
            if shown != key:
                found.append(f"/input{inside}")
            masked[shown] = _masked(each, key, inside, found)
        return masked
    if isinstance(value, list):
        return [_masked(each, name, f"{pointer}/{i}", found) for i, each in enumerate(value)]
    if isinstance(value, str) and value and (name in MASKED or "@" in value):
        found.append(f"/input{pointer}")
        return veil(value)
    return value


def veil(text: str) -> str:
    """What stands for a text: the same for the same text, so that rules still find it."""
    digest = salted_hmac("policy.decision_log", text, algorithm="sha256").hexdigest()
    return f"{MASK}{digest[:12]}"


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _seconds(decision_id: UUID) -> float:
    """When an id was made, to a quarter of a microsecond (`core.ids.new_id`)."""
    return (decision_id.int >> 80) / 1000 + (decision_id.int >> 64 & 0xFFF) / 4096 / 1000


# --- reading --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Logged:
    """One answer of policy. result: UNDEFINED where it had none, or an error (`error`)."""

    decision_id: UUID
    at: datetime
    path: str
    revision: str
    nanoseconds: int
    about: About
    input: Any
    result: Any
    error: str
    masked: tuple[str, ...]
    source: str

    def document(self) -> dict[str, Any]:
        """As an OPA server uploads it (its decision log format)."""
        told: dict[str, Any] = {
            "labels": {"app": "sallyport", "id": self.source},
            "decision_id": str(self.decision_id),
            "bundles": {"sallyport": {"revision": self.revision}},
            "path": self.path,
            "input": self.input,
            "timestamp": self.at.isoformat().replace("+00:00", "Z"),
            "metrics": {"timer_server_handler_ns": self.nanoseconds},
            "requested_by": self.about.client,
            "custom": {"user": self.about.user_id, "session": self.about.session_id},
        }
        if self.result is not UNDEFINED:
            told["result"] = self.result
        if self.error:
            told["error"] = {"code": "internal_error", "message": self.error}
        if self.masked:
            told["masked"] = list(self.masked)
        return told


def logged(
    *,
    since: datetime,
    until: datetime,
    path: str = "",
    user_id: UUID | None = None,
    client: str = "",
) -> Iterator[Logged]:
    """What policy answered from `since` to before `until`, the newest first.

    Batches of several processes lie over each other in time: they are read side by side.
    """
    batches = DecisionBatch.objects.filter(last_at__gte=since, first_at__lt=until)
    if user_id is not None:
        batches = batches.filter(users__contains=[user_id])
    if client:
        batches = batches.filter(clients__contains=[client])

    def is_asked_for(one: Logged) -> bool:
        return (
            since <= one.at < until
            and path in {"", one.path}
            and user_id in {None, one.about.user_id}
            and client in {"", one.about.client}
        )

    waiting: list[Logged] = []
    for batch in batches.order_by("-last_at", "-id").iterator(chunk_size=20):
        ready = [one for one in waiting if one.at > batch.last_at]
        waiting = [one for one in waiting if one.at <= batch.last_at]
        yield from sorted(ready, key=_moment, reverse=True)
        waiting += filter(is_asked_for, _read(batch))
    yield from sorted(waiting, key=_moment, reverse=True)


def _moment(one: Logged) -> tuple[datetime, UUID]:
    return one.at, one.decision_id


def find(decision_id: UUID) -> Logged | None:
    """One answer by its id, as audit and pages name it."""
    moment = datetime.fromtimestamp(_seconds(decision_id), UTC)
    near = timedelta(minutes=5)  # how far the clock of a process may have been off
    batches = DecisionBatch.objects.filter(last_at__gte=moment - near, first_at__lte=moment + near)
    for batch in batches.order_by("last_at").iterator(chunk_size=20):
        for one in _read(batch):
            if one.decision_id == decision_id:
                return one
    return None


def purge(*, before: datetime) -> int:
    """Delete what is older; returns how many rows that were."""
    return DecisionBatch.objects.filter(last_at__lt=before).delete()[0]


def _read(batch: DecisionBatch) -> list[Logged]:
    lines = zlib.decompress(bytes(batch.body)).split(b"\n")
    return [_logged(orjson.loads(line), batch.source) for line in lines]


def _logged(line: dict[str, Any], source: str) -> Logged:
    return Logged(
        decision_id=UUID(line["decision_id"]),
        at=datetime.fromtimestamp(line["at"], UTC),
        path=line["path"],
        revision=line["revision"],
        nanoseconds=line["ns"],
        about=About(_id(line["user"]), _id(line["session"]), line["client"]),
        input=line["input"],
        result=line.get("result", UNDEFINED),
        error=line.get("error", ""),
        masked=tuple(line.get("masked", ())),
        source=source,
    )


def _id(text: str | None) -> UUID | None:
    return UUID(text) if text else None
