"""What follows from a signal by itself: `policies/response.rego` says what, this does it.

Everything happens in the transaction of the cause, under its transaction id, so that cause,
decision and consequence stand together or not at all. Signals are what audit writes of devices and
of accounts at risk (`receivers.respond_to_audit`), and replays, which idp tells of itself.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts import mail
from accounts.flows import place_lock
from accounts.models import LockTarget, User
from audit.events import Event
from audit.recorder import one_cause, record
from policy import engine
from policy.journal import About
from policy.response import Act, Action, Response, Signal
from risk.flows import raise_user_risk
from risk.levels import RiskLevel
from sessions import flows
from sessions.models import EndReason, LoginSession


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom and what a signal is about; what is not known is None."""

    organisation_id: UUID
    user_id: UUID | None = None
    session_id: UUID | None = None
    device_id: UUID | None = None


@transaction.atomic
def respond(
    kind: str, *, about: Subject, now: datetime, facts: Mapping[str, Any] | None = None
) -> Response:
    """Ask the rules what follows from this, and do it."""
    response = engine.respond(
        Signal(kind, facts or {}), about=About(about.user_id, about.session_id)
    )
    if not response.actions:
        return response
    with one_cause():
        record(
            Event.RESPONSE_TAKEN,
            organisation_id=about.organisation_id,
            subject=f"accounts.User:{about.user_id}" if about.user_id else None,
            session_id=about.session_id,
            device_id=about.device_id,
            now=now,
            signal=kind,
            actions=[action.describe() for action in response.actions],
            failure=response.failure,
            decision_id=response.decision_id,
            policy_revision=response.revision,
        )
        for action in response.actions:
            _ACTS[action.act](action, about, kind, now)
    return response


def _lock(action: Action, about: Subject, kind: str, now: datetime) -> None:
    """Of what the signal does not name, nothing is locked."""
    targets = {
        LockTarget.USER: about.user_id,
        LockTarget.SESSION: about.session_id,
        LockTarget.DEVICE: about.device_id,
    }
    target_type = LockTarget(action.target)
    target = targets.get(target_type)
    if target is None:
        return
    place_lock(
        organisation_id=about.organisation_id,
        target_type=target_type,
        target=str(target),
        reason=f"rule: {kind}",
        ends_at=now + timedelta(minutes=action.minutes) if action.minutes else None,
        needs_recovery=action.needs_recovery,
        now=now,
    )


def _step_up(action: Action, about: Subject, kind: str, now: datetime) -> None:  # noqa: ARG001
    if about.user_id is not None:
        raise_user_risk(
            user_id=about.user_id,
            organisation_id=about.organisation_id,
            level=RiskLevel.HIGH,
            reason=kind,
            now=now,
        )


def _end_session(action: Action, about: Subject, kind: str, now: datetime) -> None:  # noqa: ARG001
    _end(_live(about, id=about.session_id), EndReason.REVOKED, now)


def _end_sessions(action: Action, about: Subject, kind: str, now: datetime) -> None:
    """All of the user's, or of whoever uses the device where nobody is named."""
    if about.user_id is not None:
        _end(_live(about, user_id=about.user_id), EndReason.REVOKED, now)
    else:
        _end_device_sessions(action, about, kind, now)


def _end_device_sessions(
    action: Action,  # noqa: ARG001
    about: Subject,
    kind: str,
    now: datetime,
) -> None:
    if about.device_id is not None:
        reason = EndReason.REVOKED if kind == "posture_changed" else EndReason.DEVICE_GONE
        _end(_live(about, browser__device_id=about.device_id), reason, now)


def _notify(action: Action, about: Subject, kind: str, now: datetime) -> None:  # noqa: ARG001
    people = User.objects.within_id(about.organisation_id).filter(is_active=True)
    if about.user_id is not None:
        people = people.filter(pk=about.user_id)
    elif about.device_id is not None:
        people = people.filter(devices__device_id=about.device_id).distinct()
    else:
        return
    for user in people:
        mail.notify(user, "account/email/response", now=now, kind=kind)


_ACTS: Mapping[Act, Callable[[Action, Subject, str, datetime], None]] = {
    Act.LOCK: _lock,
    Act.STEP_UP: _step_up,
    Act.END_SESSION: _end_session,
    Act.END_SESSIONS: _end_sessions,
    Act.END_DEVICE_SESSIONS: _end_device_sessions,
    Act.NOTIFY: _notify,
}


def _live(about: Subject, **named: Any) -> Iterable[LoginSession]:
    """In one order, so that two responses do not wait for each other."""
    rows = LoginSession.objects.within_id(about.organisation_id)
    return rows.filter(ended_at=None, **named).order_by("id").select_for_update(of=("self",))


def _end(sessions: Iterable[LoginSession], reason: EndReason, now: datetime) -> None:
    for session in sessions:
        flows.end_session(session=session, reason=reason, now=now, actor="")
