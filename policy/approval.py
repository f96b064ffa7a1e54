"""That somebody else has agreed, before a version counts.

Who agrees to what is kept by `access`, above; it hands in how it is known. Without that nothing is
published.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from core.errors import Refusal
from policy.models import PolicyVersion

if TYPE_CHECKING:
    from accounts.models import User


class Approvals(Protocol):
    def demand_administrator(self, *, user: "User", now: datetime) -> None:
        """Refuse not_allowed unless this person may see to policy, by what they are."""

    def consume(
        self,
        *,
        approval_id: UUID,
        version: PolicyVersion,
        publisher: "User",
        session_id: UUID,
        now: datetime,
    ) -> None:
        """Use the approval up, in the transaction of whoever calls; refuse unless it still holds.

        It is of this very version, was asked for by whoever publishes, and is used once.
        """


class _Wired:
    approvals: Approvals | None = None


def hand_in(approvals: Approvals) -> None:
    """Tell how approvals are known; done once, when the process starts."""
    _Wired.approvals = approvals


def approvals() -> Approvals:
    """Refuses temporarily_unavailable where nobody has handed them in."""
    if _Wired.approvals is None:
        raise Refusal.unavailable("Nobody can agree to a policy now.")
    return _Wired.approvals
