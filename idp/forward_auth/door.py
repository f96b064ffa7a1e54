"""The door of forward-auth, in front of Django's handler: whatever goes wrong here is a no."""

import logging
from collections.abc import Mapping
from typing import Any

import orjson
from django.db import connection

from audit import recorder
from core import clock
from core.errors import Refusal
from idp.forward_auth import hosts, judging, replies
from idp.forward_auth.asked import Asked, Shape, read, shape_of
from idp.forward_auth.judging import Judged, Verdict
from idp.machine.wire import Answer
from idp.storage import database
from idp.storage.forward_auth import NOTE_FORWARD_REFUSAL, TOUCH_FORWARDED
from idp.storage.parts import is_touch_due

logger = logging.getLogger(__name__)


def answer(environ: Mapping[str, Any]) -> Answer | None:
    """Answer a proxy, or a browser at an application's host; None for every other path.

    Any method: what is not judged is not let through, whatever it is.
    """
    shape = shape_of(environ.get("PATH_INFO", ""))
    if shape is None:
        return None
    try:
        result = _answer(environ, shape)
    except Refusal as refusal:
        result = replies.refused(refusal)
    except Exception:
        logger.exception("forward-auth lacks what it needs; the answer is no")
        if not connection.in_atomic_block:
            connection.close()
        result = replies.refused(Refusal.unavailable())
    result.headers.append(("Content-Length", str(len(result.body))))
    result.headers.extend(replies.PLAIN_HEADERS)
    return result


def _answer(environ: Mapping[str, Any], shape: Shape) -> Answer:
    asked = read(environ, shape)
    if clock.is_off():
        raise Refusal.unavailable()
    tokens = (
        recorder.transaction_id.set(recorder.LATER),
        recorder.request_address.set(asked.address),
    )
    try:
        if shape is Shape.HOST:
            return hosts.answer(asked)
        judged = judging.judge(asked)
        _follow(asked, judged)
        return replies.of(asked, judged)
    finally:
        recorder.transaction_id.reset(tokens[0])
        recorder.request_address.reset(tokens[1])


def _follow(asked: Asked, judged: Judged) -> None:
    """What a verdict leaves behind: that the session is in use, or that it was refused."""
    row = judged.row
    if row is None or row["session_id"] is None:
        return
    if judged.verdict is Verdict.ALLOW:
        is_due = is_touch_due(row) or is_touch_due(row, "forward_last_used_at")
        if asked.is_activity and is_due:
            params = {
                "session": row["session_id"],
                "id": row["forward_id"],
                "clock_offset": clock.offset(),
            }
            database.one(TOUCH_FORWARDED, params)
        return
    if judged.decision is None:
        return
    params = {
        "id": row["forward_id"],
        "reasons": orjson.dumps(judged.reasons).decode(),
        "decision_id": str(judged.decision.decision_id),
        "revision": judged.decision.revision,
        "clock_offset": clock.offset(),
        **recorder.branch_params(asked.address),
    }
    database.one(NOTE_FORWARD_REFUSAL, params)
