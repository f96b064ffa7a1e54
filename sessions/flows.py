"""Starting, strengthening and ending login sessions."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.sessions.models import Session as CookieSession
from django.db import transaction

from accounts import mail
from accounts.flows import place_lock, rotate_security_stamp
from accounts.models import LockTarget, User
from audit.events import Event
from audit.recorder import record, ref
from core.assurance import Assurance
from core.errors import Refusal
from core.ids import digest
from devices.models import Browser
from risk.levels import RiskLevel
from sessions.models import BindingChallenge, BoundKey, EndReason, LoginSession
from sessions.signals import assurance_changed, session_ended

LOCKED_BY_OWNER = "locked by its owner"
TOUCH_INTERVAL = timedelta(minutes=1)


@transaction.atomic
def start_session(
    *,
    user: Any,
    session_key: str,
    assurance: Assurance,
    browser: Browser | None,
    address: str,
    user_agent: str,
    now: datetime,
) -> LoginSession:
    """Write down a sign-in. An earlier login session of the same cookie is replaced."""
    key_digest = digest(session_key)
    for old in LoginSession.unscoped.select_for_update().filter(
        session_key_digest=key_digest, ended_at=None
    ):
        end_session(session=old, reason=EndReason.REPLACED, now=now)
    lifetime: timedelta = settings.SESSION_ABSOLUTE_LIFETIME
    session = LoginSession.objects.create(
        organisation_id=user.organisation_id,
        user=user,
        browser=browser,
        session_key_digest=key_digest,
        acr=assurance.level.acr,
        amr=list(assurance.methods),
        credentials=list(assurance.credentials),
        auth_time=assurance.authenticated_at or now,
        started_at=now,
        last_used_at=now,
        expires_at=now + lifetime,
        address=address,
        user_agent=user_agent[:512],
        security_stamp=user.security_stamp,
    )
    record(
        Event.SESSION_STARTED,
        organisation_id=user.organisation_id,
        actor=user,
        subject=session,
        session_id=session.id,
        device_id=browser.device_id if browser else None,
        address=address,
        now=now,
        **session.describe(),
    )
    return session


def note_risk(*, session: LoginSession, level: RiskLevel) -> None:
    """Write down how unusual this sign-in was, for whatever judges the session."""
    LoginSession.unscoped.filter(id=session.id).update(risk_level=level)
    session.risk_level = level


@transaction.atomic
def raise_assurance(*, session: LoginSession, assurance: Assurance, now: datetime) -> LoginSession:
    """Take over what a step-up has proven, and when.

    A proof as strong as the session's adds to it. A weaker one replaces it: what was not proven
    again is not made fresh.
    """
    locked = LoginSession.unscoped.select_for_update().get(id=session.id)
    methods, credentials = set(assurance.methods), set(assurance.credentials)
    if assurance.level >= locked.level:
        methods |= set(locked.amr)
        credentials |= set(locked.credentials)
    locked.acr = assurance.level.acr
    locked.amr = sorted(methods)
    locked.credentials = sorted(credentials)
    locked.auth_time = assurance.authenticated_at or now
    locked.last_used_at = now
    locked.outcome = ""  # the verdict was about the weaker one
    locked.save(update_fields=["acr", "amr", "credentials", "auth_time", "last_used_at", "outcome"])
    record(
        Event.ASSURANCE_RAISED,
        organisation_id=locked.organisation_id,
        actor=f"accounts.User:{locked.user_id}",
        subject=locked,
        session_id=locked.id,
        now=now,
        **locked.describe(),
    )
    transaction.on_commit(lambda: assurance_changed.send(LoginSession, session=locked))
    return locked


@transaction.atomic
def end_session(
    *,
    session: LoginSession,
    reason: EndReason,
    now: datetime,
    actor: str | None = None,
    because: Mapping[str, Any] | None = None,
) -> bool:
    """End a session once; returns whether this call did it.

    Whatever hangs on it (refresh families, tokens) reads `ended_at` at use. Its key is forgotten.
    because: what audit keeps of the decision to do so.
    """
    ended = LoginSession.unscoped.filter(id=session.id, ended_at=None).update(
        ended_at=now, end_reason=reason
    )
    if not ended:
        return False
    session.ended_at, session.end_reason = now, reason
    BoundKey.unscoped.filter(session_id=session.id).delete()
    record(
        Event.SESSION_ENDED,
        organisation_id=session.organisation_id,
        actor=actor or f"accounts.User:{session.user_id}",
        subject=session,
        session_id=session.id,
        now=now,
        reason=reason,
        **(because or {}),
    )
    transaction.on_commit(lambda: session_ended.send(LoginSession, session=session, reason=reason))
    return True


@transaction.atomic
def end_other_sessions(*, user: Any, keep: UUID | None, now: datetime) -> int:
    """End every live session of the user but one; returns how many."""
    others = LoginSession.unscoped.filter(user=user, ended_at=None).order_by("id")
    if keep is not None:
        others = others.exclude(id=keep)
    return sum(
        end_session(session=session, reason=EndReason.ENDED_BY_USER, now=now)
        for session in others.select_for_update()
    )


@transaction.atomic
def sign_out_everywhere(*, user: User, reason: EndReason, now: datetime, actor: str) -> int:
    """End whatever the user is signed in to; returns how many sessions this call ended.

    A new security stamp ends what has not become a session yet: a sign-in that still owes its
    second factor, a link to reset the password. No session goes on, not even the one that asks.
    actor: a typed reference, as audit keeps it. Refuses not_found when the user is gone.
    """
    if not User.unscoped.select_for_update(no_key=True).filter(pk=user.pk).exists():
        raise Refusal.not_found()
    live = LoginSession.unscoped.filter(user_id=user.pk, ended_at=None).order_by("id")
    ended = sum(
        end_session(session=session, reason=reason, now=now, actor=actor)
        for session in live.select_for_update()
    )
    rotate_security_stamp(user=user, now=now)
    record(
        Event.USER_SIGNED_OUT,
        organisation_id=user.organisation_id,
        actor=actor,
        subject=user,
        now=now,
        reason=reason,
        sessions=ended,
    )
    return ended


@transaction.atomic
def lock_account(*, user: User, now: datetime) -> None:
    """Let somebody shut their own account, at once and everywhere.

    A recovery by mail opens it again, or an administrator. Ends every session, the one that asks
    included. Refuses not_found when the user is gone.
    """
    place_lock(
        organisation_id=user.organisation_id,
        target_type=LockTarget.USER,
        target=str(user.pk),
        reason=LOCKED_BY_OWNER,
        needs_recovery=True,
        now=now,
        actor=user,
    )
    sign_out_everywhere(user=user, reason=EndReason.LOCKED, now=now, actor=ref(user))
    mail.notify(user, "account/email/locked_by_owner", now=now)


@transaction.atomic
def adopt_security_stamp(*, session: LoginSession, stamp: UUID, now: datetime) -> None:
    """Keep this session through its own user's change of a credential, and end all others.

    The session that made the change has just proven itself strongly; the others have not.
    """
    LoginSession.unscoped.filter(id=session.id, ended_at=None).update(security_stamp=stamp)
    others = LoginSession.unscoped.filter(user_id=session.user_id, ended_at=None).order_by("id")
    for other in others.exclude(id=session.id).select_for_update():
        end_session(session=other, reason=EndReason.CREDENTIALS_CHANGED, now=now)


def touch(*, session: LoginSession, now: datetime) -> None:
    """Note that the session is in use, at most once a minute."""
    if now - session.last_used_at >= TOUCH_INTERVAL:
        LoginSession.unscoped.filter(id=session.id, ended_at=None).update(last_used_at=now)
        session.last_used_at = now


def purge(*, before: datetime) -> int:
    """Delete sessions that ended or expired long ago, spent cookie sessions and challenges."""
    BindingChallenge.unscoped.filter(expires_at__lt=before).delete()
    CookieSession.objects.filter(expire_date__lt=before).delete()
    deleted, _ = LoginSession.unscoped.filter(expires_at__lt=before).delete()
    return deleted
