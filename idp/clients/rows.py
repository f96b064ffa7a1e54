"""A client's own row, with its organisation, for those who authenticated as it.

A row of the same `changed_at` is the same row, so it need not be read for each request. That the
organisation is still active it does not say: who writes by a kept row compares both again in his
statement (`authentication.same_client`), and everybody else reads it anew.
"""

from typing import cast

from accounts.flows import find_lock
from accounts.models import LockTarget
from core import clock
from idp.clients.authentication import MAX_CACHED, MachineClient, same_client
from idp.models import Client

_rows: dict[str, Client] = {}


def of(caller: MachineClient) -> Client:
    """The row as it was first read; raises StaleClient if it has changed since."""
    known = _rows.get(caller.client_id)
    if known is not None and (known.pk, known.changed_at) == (caller.id, caller.changed_at):
        return known
    row = read(caller)
    if len(_rows) >= MAX_CACHED:
        _rows.clear()
    _rows[caller.client_id] = row
    return row


def read(caller: MachineClient) -> Client:
    """The row as it stands, not locked, active in an active organisation; raises StaleClient."""
    live = Client.unscoped.filter(is_active=True, organisation__is_active=True)
    row = live.select_related("organisation").filter(pk=caller.id).first()
    if row is not None and _is_locked(row):
        row = None
    same_client(caller, None if row is None else row.changed_at)
    return cast("Client", row)


def _is_locked(row: Client) -> bool:
    targets = {LockTarget.CLIENT: row.client_id}
    lock = find_lock(organisation_id=row.organisation_id, targets=targets, now=clock.now())
    return lock is not None


def forget() -> None:
    """Drop every row, for tests."""
    _rows.clear()
