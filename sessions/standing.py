"""Whether a login session is good for a request: the verdict of policy, or a fresh one."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from policy.decision import Outcome
from policy.facts import Trigger
from sessions import evaluation


def is_good(session: Any, now: datetime) -> bool:
    """The verdict is reused for a minute; ends, stamps and idleness are compared each time.

    session: a LoginSession with `user_stamp`, its user's security stamp.
    """
    fresh: timedelta = settings.SESSION_REEVALUATION_INTERVAL
    if (
        session.is_live(now)
        and session.user_stamp == session.security_stamp
        and session.evaluated_at is not None
        and now - session.evaluated_at < fresh
        and session.outcome in {Outcome.ALLOW, Outcome.STEP_UP}
    ):
        return True
    decision = evaluation.evaluate(session_id=session.id, trigger=Trigger.REQUEST, now=now)
    return decision.outcome in {Outcome.ALLOW, Outcome.STEP_UP}
