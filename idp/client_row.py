"""A client's own row for those who authenticated as it: read once for each change of it.

A row of the same `changed_at` is the same row. Who writes by it compares that again in his
statement (`idp.client_auth.same_client`), which also asks whether the organisation is active.
"""

from idp.client_auth import MAX_CACHED, MachineClient, same_client
from idp.models import Client

_rows: dict[str, Client] = {}


def of(caller: MachineClient) -> Client:
    """The row of the client that authenticated, to read only; raises StaleClient if it changed."""
    row = _rows.get(caller.client_id)
    if row is None or row.pk != caller.id or row.changed_at != caller.changed_at:
        row = Client.unscoped.filter(pk=caller.id, is_active=True).first()
        same_client(caller, row.changed_at if row is not None else None)
        if len(_rows) >= MAX_CACHED:
            _rows.clear()
        _rows[caller.client_id] = row
    return row


def forget() -> None:
    """Drop every row, for tests."""
    _rows.clear()
