"""What sessions hear from below: sign-in, sign-out, changed credentials."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db import transaction
from django.db.models.signals import post_save
from django.dispatch import receiver

from accounts.models import Group, Lock, LockTarget
from accounts.signals import credentials_changed, lock_placed
from audit.events import Event
from audit.models import AuditEvent
from core import clock
from core.http import client_address
from devices.flows import recognise
from devices.models import Browser, Device, State
from devices.signals import device_changed
from mfa.flows import Proof, passkey_added_at, proofs_to_assurance, proven_assurance
from mfa.proof import TOGETHER
from mfa.signals import factor_added
from mfa.stages import authentication_records
from policy.facts import Trigger
from risk.flows import Attempt, assess_login, confirm_sign_in
from risk.levels import RiskLevel
from risk.models import SignIn, Verdict
from risk.signals import sign_in_judged, user_risk_changed
from sessions import flows
from sessions.concerned import MANY, judge, judge_many_soon, live
from sessions.current import current_session_id
from sessions.evaluation import evaluate
from sessions.models import EndReason, LoginSession
from sessions.response import Subject, respond
from sessions.signals import assurance_changed, signed_in


@receiver(user_logged_in)
def start_login_session(sender: Any, *, request: Any, user: Any, **_: Any) -> None:  # noqa: ARG001
    """Every path that signs a browser in ends here, with what was really proven on the way."""
    now = clock.now()
    if request.session.session_key is None:  # flushed: somebody else was signed in before
        request.session.save()
    records = authentication_records(request, user)
    assurance = proven_assurance(records, now=now)
    address = client_address(request)
    user_agent = request.headers.get("User-Agent", "")
    with transaction.atomic():
        recognised = recognise(
            user=user,
            cookie=request.COOKIES.get(settings.BROWSER_COOKIE_NAME),
            user_agent=user_agent,
            address=address,
            now=now,
        )
        session = flows.start_session(
            user=user,
            session_key=request.session.session_key,
            assurance=assurance,
            browser=recognised.browser,
            address=address,
            user_agent=user_agent,
            now=now,
        )
        sign_in = assess_login(
            Attempt(
                user_id=user.pk,
                organisation_id=user.organisation_id,
                account=user.email,
                account_created_at=user.created_at,
                session_id=session.id,
                address=address,
                user_agent=user_agent,
                browser_id=recognised.browser.id,
                browser_name=recognised.browser.name,
                is_known_browser=not recognised.is_new,
                is_enrolled_device=is_on_enrolled_device(recognised.browser),
                level=assurance.level,
                passkey_added_at=passkey_added_at(records),
            ),
            now=now,
        )
        flows.note_risk(session=session, level=RiskLevel(sign_in.level))
        evaluate(session_id=session.id, trigger=Trigger.LOGIN, now=now)
    request.browser_cookie = recognised.cookie
    request.login_session = session
    request.assurance = assurance
    current_session_id.set(session.id)
    signed_in.send(
        LoginSession, user=user, session=session, browser_is_new=recognised.is_new, now=now
    )


def is_on_enrolled_device(browser: Browser) -> bool:
    """Whether the browser runs on a machine that is enrolled and still in good standing."""
    device = browser.device
    return device is not None and device.state == State.ENROLLED


@receiver(assurance_changed)
def confirm_by_proof(sender: Any, *, session: LoginSession, **_: Any) -> None:  # noqa: ARG001
    """An unusual sign-in becomes usual once its session has proven more."""
    confirm_sign_in(session_id=session.id, level=session.level, now=clock.now())


@receiver(sign_in_judged)
def end_disowned_session(
    sender: Any,  # noqa: ARG001
    *,
    sign_in: SignIn,
    verdict: Verdict,
    now: datetime,
    **_: Any,
) -> None:
    """Somebody else's sign-in is over. Were this never called, the account's risk would stop it."""
    if verdict != Verdict.COMPROMISED:
        return
    session = LoginSession.unscoped.filter(id=sign_in.session_id, ended_at=None).first()
    if session is not None:
        flows.end_session(session=session, reason=EndReason.DISOWNED, now=now)


@receiver(user_logged_out)
def end_login_session(sender: Any, *, request: Any, user: Any, **_: Any) -> None:  # noqa: ARG001
    session: LoginSession | None = getattr(request, "login_session", None)
    if session is not None:
        flows.end_session(session=session, reason=EndReason.SIGNED_OUT, now=clock.now())
        request.login_session = None


@receiver(credentials_changed)
def follow_credential_change(sender: Any, *, user: Any, stamp: UUID, **_: Any) -> None:  # noqa: ARG001
    """The session that changed the credential goes on; every other one ends now.

    Were this never called, the stamps would differ and all of them would end at their next use.
    """
    now = clock.now()
    theirs = live(user.organisation_id, user=user)
    current = current_session_id.get()
    session = theirs.filter(id=current).first() if current is not None else None
    if session is None:
        for other in theirs:
            flows.end_session(session=other, reason=EndReason.CREDENTIALS_CHANGED, now=now)
    else:
        flows.adopt_security_stamp(session=session, stamp=stamp, now=now)
        evaluate(session_id=session.id, trigger=Trigger.CREDENTIAL_CHANGE, now=now)


# What audit writes of, in the words of `policies/response.rego`.
SIGNALS: Mapping[str, str] = {
    Event.DEVICE_LOST: "device_lost",
    Event.DEVICE_REVOKED: "device_revoked",
    Event.DEVICE_SUSPENDED: "device_suspended",
    Event.DEVICE_TIER_CHANGED: "posture_changed",
    Event.USER_RISK_RAISED: "account_at_risk",
}


@receiver(post_save, sender=AuditEvent)
def respond_to_audit(sender: Any, *, instance: AuditEvent, **_: Any) -> None:  # noqa: ARG001
    """Let the rules answer what is written, in its own transaction: both happen, or neither."""
    kind = SIGNALS.get(instance.event)
    if kind is None or instance.organisation_id is None:
        return
    about = Subject(
        organisation_id=instance.organisation_id,
        user_id=_person(instance.subject),
        session_id=instance.session_id,
        device_id=instance.device_id,
    )
    respond(kind, about=about, now=instance.at, facts=instance.facts)


# What changes the rights of one person, and those of many.
CHANGED_RIGHTS = frozenset(
    {
        Event.ROLE_ASSIGNED,
        Event.ROLE_REVOKED,
        Event.ROLE_EXPIRED,
        Event.GROUP_MEMBER_ADDED,
        Event.GROUP_MEMBER_REMOVED,
        Event.USER_DEACTIVATED,
    }
)
CHANGED_GROUPS = frozenset({Event.GROUP_ROLE_ADDED, Event.GROUP_ROLE_REMOVED})


@receiver(post_save, sender=AuditEvent)
def judge_changed_rights(sender: Any, *, instance: AuditEvent, **_: Any) -> None:  # noqa: ARG001
    """Judge the live sessions of whose rights were changed, in that very transaction."""
    user_id = _person(instance.subject)
    if instance.event not in CHANGED_RIGHTS or user_id is None:
        return
    if instance.organisation_id is not None:
        mine = live(instance.organisation_id, user_id=user_id)
        judge(mine, trigger=Trigger.ADMIN, now=instance.at)


@receiver(post_save, sender=AuditEvent)
def judge_rights_of_many(sender: Any, *, instance: AuditEvent, **_: Any) -> None:  # noqa: ARG001
    """Have the sessions judged of all who hold a role that was changed, or are in such a group."""
    organisation_id = instance.organisation_id
    if organisation_id is None:
        return
    if instance.event == Event.ROLE_UPDATED:
        kind, target = "role", instance.subject.partition(":")[2]
    elif instance.event in CHANGED_GROUPS:
        group = Group.objects.within_id(organisation_id).get(name=instance.facts["group"])
        kind, target = "group", str(group.pk)
    else:
        return
    judge_many_soon(
        kind,
        target,
        organisation_id=organisation_id,
        trigger=Trigger.ADMIN,
        cause=instance.transaction_id,
    )


def _person(reference: str) -> UUID | None:
    label, _, key = reference.partition(":")
    return UUID(key) if label == "accounts.User" else None


# What a lock is about, where that is part of a session. A client is none: who uses it is stopped
# there and nowhere else.
LOCKED_IN_SESSIONS: Mapping[str, str] = {
    LockTarget.USER: "user_id",
    LockTarget.SESSION: "id",
    LockTarget.DEVICE: "browser__device_id",
    LockTarget.CREDENTIAL: "credentials__contains",
}


@receiver(lock_placed)
def judge_at_once(sender: Any, *, lock: Lock, cause: UUID, **_: Any) -> None:  # noqa: ARG001
    """End what a lock stops without waiting for its next use, so that lists are true."""
    name = LOCKED_IN_SESSIONS.get(lock.target_type)
    if name is not None:
        target = [lock.target] if name == "credentials__contains" else lock.target
        judge(live(lock.organisation_id, **{name: target}), trigger=Trigger.LOCK, now=clock.now())
    elif lock.target_type in MANY:
        judge_many_soon(
            lock.target_type,
            lock.target,
            organisation_id=lock.organisation_id,
            trigger=Trigger.LOCK,
            cause=cause,
        )


@receiver(device_changed)
def judge_by_device(sender: Any, *, device: Device, now: datetime, **_: Any) -> None:  # noqa: ARG001
    """End or restrict at once what runs on a device that is trusted less by now."""
    running = live(device.organisation_id, browser__device=device)
    judge(running, trigger=Trigger.POSTURE, now=now)


@receiver(user_risk_changed)
def judge_by_risk(
    sender: Any,  # noqa: ARG001
    *,
    user_id: UUID,
    organisation_id: UUID,
    now: datetime,
    **_: Any,
) -> None:
    """Let the person's sessions know at once that more, or less, has to be proven."""
    judge(live(organisation_id, user_id=user_id), trigger=Trigger.RISK, now=now)


@receiver(factor_added)
def strengthen_by_new_factor(
    sender: Any,  # noqa: ARG001
    *,
    user: Any,
    proof: Proof,
    now: datetime,
    **_: Any,
) -> None:
    """Adding a factor proves it: with the recent proof that let it be added, that makes two.

    Otherwise whoever was sent to add a factor would be asked for it again at once.
    """
    session_id = current_session_id.get()
    here = LoginSession.unscoped.filter(user_id=user.pk, ended_at=None)
    session = here.filter(id=session_id).first() if session_id else None
    if session is None or now - session.auth_time > TOGETHER:
        return
    assurance = proofs_to_assurance(password="pwd" in session.amr, proof=proof, now=now)
    if assurance.level >= session.level:
        flows.raise_assurance(session=session, assurance=assurance, now=now)
