"""Refresh families as this process saw them last: what a refresh is judged by before it asks.

Facts are kept here, never an answer: policy judges them at each use, as of that moment. And they
count only if they are so still: the statement that rotates compares them with the database's
(`ROTATE_AS_SEEN`), and where one is another by now it does nothing, and all is looked at anew. So
an application that keeps its user signed in costs one statement each time rather than two.
"""

from collections import OrderedDict
from typing import Any
from uuid import UUID

from core import clock
from core.prepared import Row
from idp.clients.authentication import MachineClient
from sessions import evaluation

MAX_SEEN = 4096  # some four kilobytes each
TOKENS = {"current", "previous", "successor_sealed", "generation", "rotated_at"}

_seen: OrderedDict[UUID, Row] = OrderedDict()


def remember(row: Row, **changed: Any) -> None:
    """Keep a family that policy has just allowed to go on; its tokens are not kept."""
    if not evaluation.is_whole(row):
        return
    kept = {name: value for name, value in row.items() if name not in TOKENS}
    _seen.pop(row["family_id"], None)  # the last that was seen is the last to go
    _seen[row["family_id"]] = kept | changed
    while len(_seen) > MAX_SEEN:
        _seen.popitem(last=False)


def recall(family_id: UUID, client: MachineClient) -> Row | None:
    """What is known of a family of this client, as of now; None if nothing is."""
    row = _seen.get(family_id)
    if row is None or (row["client_id"], row["client_changed_at"]) != (
        client.id,
        client.changed_at,
    ):
        return None
    return row | {"now": clock.now()}


def forget(family_id: UUID | None = None) -> None:
    """Look at this one anew, or at all."""
    if family_id is None:
        _seen.clear()
    else:
        _seen.pop(family_id, None)
