"""What waits for an answer of whoever calls."""

from typing import Any

from ninja import Router, Schema

from access.reading import Waiting, count_inbox, inbox_of
from console.api.door import Own, Request
from console.api.grants import Answer, GrantTold, show_answer, tell_all

router = Router(auth=Own())


class Waits(Schema):
    """needed: approvals that this stage still needs, 0 where thresholds decide.

    risk: of whoever asks, 0 to 3. device, tier: that they asked from, "" and 0 for none that is
    known. earlier: how often they have asked for this before, by what became of it.
    """

    grant: GrantTold
    answers: list[Answer]
    is_escalated: bool
    needed: int
    risk: int
    device: str
    tier: int
    earlier: dict[str, int]


class Inbox(Schema):
    """total: of all that wait; the most urgent are listed."""

    items: list[Waits]
    total: int


@router.get("", response=Inbox)
def read_inbox(request: Request) -> dict[str, Any]:
    """Requests that the caller may answer now, the most urgent first."""
    caller = request.auth
    waiting = inbox_of(approver=caller.user, now=caller.now)
    told = tell_all([each.grant for each in waiting], caller)
    return {
        "items": [_show(each, grant) for each, grant in zip(waiting, told, strict=True)],
        "total": count_inbox(approver=caller.user, now=caller.now),
    }


def _show(waiting: Waiting, grant: dict[str, Any]) -> dict[str, Any]:
    return {
        "grant": grant,
        "answers": [show_answer(each) for each in waiting.approvals],
        "is_escalated": waiting.is_escalated,
        "needed": waiting.needed,
        "risk": int(waiting.risk),
        "device": "" if waiting.device is None else waiting.device.name,
        "tier": waiting.tier,
        "earlier": waiting.earlier,
    }
