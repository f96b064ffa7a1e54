"""Answers of policy, as a process has written them into the log."""

import zlib
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

from core.ids import new_id
from policy.models import DecisionBatch


def write_batch(user_id: UUID, *moments: datetime, client: str = "", **members: Any) -> list[str]:
    """One batch with an answer about somebody at each moment; returns their ids."""
    ids = [str(new_id()) for _ in moments]
    lines = [
        orjson.dumps(
            {
                "decision_id": decision_id, "at": at.timestamp(), "path": "sallyport/decision",
                "revision": "", "ns": 1000, "user": user_id, "session": None, "client": client,
                "input": {}, "error": "unavailable",
            }
            | members
        )
        for decision_id, at in zip(ids, moments, strict=True)
    ]  # fmt: skip
    DecisionBatch.objects.create(
        first_at=_read(min(moments)), last_at=_read(max(moments)), count=len(ids),
        source="test:1", users=[user_id], clients=[client] if client else [],
        body=zlib.compress(b"\n".join(lines)),
    )  # fmt: skip
    return ids


def _read(at: datetime) -> datetime:
    """As the log reads it again from a number."""
    return datetime.fromtimestamp(at.timestamp(), UTC)
