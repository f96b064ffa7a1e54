"""Refresh families as this process saw them last: what a refresh is judged by before it asks.

Facts are kept here, never an answer: policy judges them at each use, as of that moment. And they
count only if they are so still: the statement that rotates compares them with the database's
(`ROTATE_AS_SEEN`), and where one is another by now it does nothing, and all is looked at anew. So
an application that keeps its user signed in costs one statement each time rather than two.
"""

from collections import OrderedDict
from datetime import datetime
from uuid import UUID

from django.conf import settings

from core import clock
from core.prepared import Row
from idp.clients.authentication import MachineClient
from idp.storage.parts import TOUCH_INTERVAL
from sessions import evaluation

MAX_SEEN = 4096  # some four kilobytes each; what stands on more than this text is not kept
MAX_LENGTH = 4096
TOKENS = {"current", "previous", "successor_sealed", "generation", "rotated_at"}

# By the bytes of their ids: to compare UUIDs is Python, in which threads take turns, and an ordered
# dict that two of them change in the middle of that is broken.
_seen: OrderedDict[bytes, Row] = OrderedDict()


def remember(row: Row, *, used_at: datetime | None) -> None:
    """Keep a family that policy has just allowed to go on; its tokens are not kept.

    used_at: when that was written down as a use of its session. Where it was not, there had been
    one within the interval, by this or another application.
    """
    if len(row["standing"]) > MAX_LENGTH or not evaluation.is_whole(row):
        return
    used = used_at or max(row["last_used_at"], row["now"] - TOUCH_INTERVAL)
    kept = {name: value for name, value in row.items() if name not in TOKENS}
    key = row["family_id"].bytes
    _seen.pop(key, None)  # the last that was seen is the last to go
    _seen[key] = kept | {"last_used_at": used}
    while len(_seen) > MAX_SEEN:
        _seen.popitem(last=False)


def recall(family_id: UUID, client: MachineClient) -> Row | None:
    """What is known of a family of this client, as of now; None if it is nothing to judge by."""
    row = _seen.get(family_id.bytes)
    if row is None or row["client_id"] != client.id:
        return None
    if row["client_changed_at"] != client.changed_at:
        return None
    now = clock.now()
    if row["last_used_at"] + settings.SESSION_IDLE_LIFETIME <= now:  # used since, or over
        return None
    return row | {"now": now}


def forget(family_id: UUID | None = None) -> None:
    """Look at this one anew, or at all."""
    if family_id is None:
        _seen.clear()
    else:
        _seen.pop(family_id.bytes, None)
