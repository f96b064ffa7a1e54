"""What is locked, as SQL for the statements that let somebody through.

A lock is pulled at use: it stops from the transaction on that places it, whoever hears of it.
"""

from accounts.models import LockTarget
from core.clock import SQL_NOW as NOW

LIVE = f"l.lifted_at IS NULL AND (l.ends_at IS NULL OR l.ends_at > {NOW})"


def is_locked(target_type: LockTarget, target: str, *, organisation: str) -> str:
    """A condition. target, organisation: SQL expressions, constants of ours."""
    return f"""EXISTS (
    SELECT 1 FROM accounts_lock l
     WHERE l.organisation_id = {organisation} AND l.target = {target}
       AND l.target_type = '{target_type.value}' AND {LIVE})"""
