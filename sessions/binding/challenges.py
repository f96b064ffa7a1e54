"""Challenges: what a proof signs, once. Only their digests are kept, for two minutes.

Several of a session may be open at a time, so a proof that comes late still finds its own. None is
ever handed out twice: browsers keep the signature of a challenge, and would send it again.
"""

from datetime import datetime, timedelta

from core import clock, prepared
from core.errors import Refusal
from core.ids import digest, new_token
from sessions.models import BindingChallenge, LoginSession

LIFETIME = timedelta(minutes=2)
Purpose = BindingChallenge.Purpose
ISSUE = """
WITH over AS (
  DELETE FROM idp_sessions_bindingchallenge
   WHERE session_id = %(session)s AND expires_at < %(now)s)
INSERT INTO idp_sessions_bindingchallenge
  (organisation_id, session_id, purpose, digest, expires_at)
VALUES (%(organisation)s, %(session)s, %(purpose)s, %(digest)s, %(expires_at)s)
"""


def issue(*, session: LoginSession, purpose: str, now: datetime) -> str:
    """A new challenge, 43 base64url characters; those of the session that are over are deleted."""
    value = new_token()
    params = {
        "organisation": session.organisation_id,
        "session": session.id,
        "purpose": str(purpose),
        "digest": digest(value),
        "expires_at": now + LIFETIME,
        "now": now,
    }
    prepared.execute(ISSUE, params)
    return value


def is_recent(*, session: LoginSession, purpose: str, now: datetime) -> bool:
    """Whether one of this purpose was issued lately, answered or not."""
    return BindingChallenge.unscoped.filter(
        session=session, purpose=purpose, expires_at__gt=now
    ).exists()


def claim(value: str, *, session: LoginSession, purpose: str) -> None:
    """Use a challenge up, by one conditional update.

    Refuses stale_challenge when it is over, used, or never was one of this session's and purpose:
    a browser that is asked again has a good answer.
    """
    claimed = BindingChallenge.unscoped.filter(
        digest=digest(value),
        session=session,
        purpose=purpose,
        used_at=None,
        expires_at__gt=clock.sql_now(),
    ).update(used_at=clock.sql_now())
    if claimed != 1:
        raise stale()


def stale() -> Refusal:
    return Refusal("stale_challenge", "The challenge is over. Ask for another one.", 403)
