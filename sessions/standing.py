"""Whether a login session is good for a request."""

from datetime import datetime, timedelta

from django.conf import settings

from policy.decision import Outcome
from policy.facts import Trigger
from sessions import evaluation
from sessions.models import LoginSession

PASSING = {Outcome.ALLOW, Outcome.RESTRICT, Outcome.STEP_UP}


def is_good(session: LoginSession, now: datetime, *, trigger: Trigger = Trigger.REQUEST) -> bool:
    """Let policy judge this very request; `session.outcome` says what it answered.

    A verdict is written down when it differs from the last one, or once a minute.
    """
    seen = evaluation.look(session_id=session.id, trigger=trigger).outcome
    fresh: timedelta = settings.SESSION_REEVALUATION_INTERVAL
    is_fresh = session.evaluated_at is not None and now - session.evaluated_at < fresh
    if not (is_fresh and seen in PASSING and seen == session.outcome):
        judged = evaluation.evaluate(session_id=session.id, trigger=trigger, now=now)
        seen = judged.outcome
    session.outcome = seen.value
    return seen in PASSING
