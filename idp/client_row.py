"""A client's own row for those who authenticated as it: read once for each change of it.

A row of the same `changed_at` is the same row. Who writes by it compares that again in his
statement (`idp.client_auth.same_client`), which also asks whether the organisation is active.
"""

from typing import cast

from idp.client_auth import MAX_CACHED, MachineClient, same_client
from idp.models import Client

_rows: dict[str, Client] = {}


def of(caller: MachineClient) -> Client:
    """The row of the client that authenticated, to read only; raises StaleClient if it changed."""
    known = _rows.get(caller.client_id)
    if known is not None and (known.pk, known.changed_at) == (caller.id, caller.changed_at):
        return known
    row = Client.unscoped.filter(pk=caller.id, is_active=True).first()
    same_client(caller, None if row is None else row.changed_at)
    if len(_rows) >= MAX_CACHED:
        _rows.clear()
    found = _rows[caller.client_id] = cast("Client", row)
    return found


def forget() -> None:
    """Drop every row, for tests."""
    _rows.clear()
