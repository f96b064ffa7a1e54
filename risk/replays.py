"""A used token shown again: somebody may have copied it, so its user's account is at risk.

Only medium: what was copied is revoked already, and people reload pages.
For the machine endpoints, which write by prepared statements: `note_replay` goes into the
transaction that revokes what was replayed.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from audit.events import Event
from audit.recorder import Cursor, insert
from risk.flows.accounts import LASTS
from risk.levels import RiskLevel

REASON = "token_replay"
LEVEL = RiskLevel.MEDIUM
RAISE = f"""
INSERT INTO risk_userrisk AS k (user_id, organisation_id, level, reasons, raised_at, ends_at)
VALUES (%(user)s, %(organisation)s, {LEVEL.value}, '["{REASON}"]', %(now)s, %(ends_at)s)
ON CONFLICT (user_id) DO UPDATE
   SET level = CASE WHEN k.ends_at > %(now)s THEN GREATEST(k.level, EXCLUDED.level)
                    ELSE EXCLUDED.level END,
       reasons = CASE WHEN k.ends_at > %(now)s THEN EXCLUDED.reasons || (k.reasons - '{REASON}')
                      ELSE EXCLUDED.reasons END,
       raised_at = EXCLUDED.raised_at,
       ends_at = GREATEST(k.ends_at, EXCLUDED.ends_at)
"""


def note_replay(
    cursor: Cursor,
    *,
    user_id: UUID,
    organisation_id: UUID,
    now: datetime,
    address: str | None = None,
) -> None:
    """Raise the account at least to medium, and write that down."""
    params: dict[str, Any] = {
        "user": user_id,
        "organisation": organisation_id,
        "now": now,
        "ends_at": now + LASTS[LEVEL],
    }
    cursor.execute(RAISE, params)
    insert(
        cursor,
        Event.USER_RISK_RAISED,
        organisation_id=organisation_id,
        now=now,
        subject=f"accounts.User:{user_id}",
        address=address,
        facts={"level": LEVEL.label, "reason": REASON},
    )
