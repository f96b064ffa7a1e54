"""One's own sign-ins: those that live, and those that were."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from ninja import Query, Router, Schema

from console.api.door import Account, Request
from console.api.paging import Listing, Place
from console.api.shapes import Did, Sent
from console.reading import live_sessions_of
from core.errors import Refusal
from risk import flows as risk
from risk.models import SignIn, Verdict
from sessions.flows import end_other_sessions, end_session, lock_account
from sessions.models import EndReason, LoginSession

router = Router(auth=Account())

FRESH = timedelta(minutes=10)  # as on the pages


class OwnSession(Schema):
    """is_this: whether it is the one that the token is of."""

    id: UUID
    started_at: datetime
    last_used_at: datetime
    expires_at: datetime
    acr: str
    address: str | None
    browser: str
    binding: str
    is_this: bool


class OwnSessions(Schema):
    items: list[OwnSession]
    next: str | None


class Ended(Schema):
    count: int


class SignInTold(Schema):
    """level: 0 to 3; score: 0 to 100. because: what spoke against it, and for it, in words.

    verdict: "" until somebody has said whether it was its owner.
    """

    id: UUID
    at: datetime
    session: UUID
    level: int
    score: float
    because: list[str]
    place: str
    network: str
    address: str | None
    browser: str
    is_known_browser: bool
    verdict: str
    judged_at: datetime | None


class OwnSignIns(Schema):
    items: list[SignInTold]
    next: str | None


class Judgement(Sent):
    """compromised ends it, and marks the account."""

    verdict: Verdict


@router.get("/sessions", response=OwnSessions)
def list_own_sessions(request: Request, place: Query[Place]) -> dict[str, Any]:
    """Where the caller is signed in now."""
    caller = request.auth
    rows = live_sessions_of(caller.user, now=caller.now)
    listing = Listing("own sessions", caller.user.pk, place, caller.now, {})
    return listing.page(rows, lambda session: _show_session(session, caller.session_id))


@router.delete("/sessions/{uuid:session_id}", response=Did)
def end_own_session(request: Request, session_id: UUID) -> dict[str, Any]:
    """End one of the caller's own sign-ins, and whatever hangs on it."""
    caller = request.auth
    caller.demand_recent(FRESH)
    rows = LoginSession.objects.within_id(caller.user.organisation_id)
    session = rows.filter(user_id=caller.user.pk, pk=session_id).first()
    if session is None:
        raise Refusal.not_found()
    return {"did": end_session(session=session, reason=EndReason.ENDED_BY_USER, now=caller.now)}


@router.post("/sessions/end-others", response=Ended)
def end_own_others(request: Request) -> dict[str, Any]:
    """End every sign-in of the caller but the one that the token is of."""
    caller = request.auth
    caller.demand_recent(FRESH)
    count = end_other_sessions(user=caller.user, keep=caller.session_id, now=caller.now)
    return {"count": count}


@router.post("/lock", response=Did)
def lock_own_account(request: Request) -> dict[str, Any]:
    """Lock the caller's own account, at once and everywhere; this token ends with it.

    No proof is asked for: whoever is in a hurry has to get it done.
    """
    caller = request.auth
    lock_account(user=caller.user, now=caller.now)
    return {"did": True}


@router.get("/sign-ins", response=OwnSignIns)
def list_own_sign_ins(request: Request, place: Query[Place]) -> dict[str, Any]:
    """When, where and with what the caller signed in, and how unusual that was."""
    caller = request.auth
    rows = SignIn.objects.within_id(caller.user.organisation_id).filter(user_id=caller.user.pk)
    return Listing("own sign-ins", caller.user.pk, place, caller.now, {}).page(rows, show_sign_in)


@router.post("/sign-ins/{uuid:sign_in_id}/judge", response=SignInTold)
def judge_own_sign_in(request: Request, sign_in_id: UUID, said: Judgement) -> dict[str, Any]:
    """Say of one of the caller's sign-ins whether it was they."""
    caller = request.auth
    caller.demand_recent(FRESH)
    rows = SignIn.objects.within_id(caller.user.organisation_id)
    sign_in = rows.filter(user_id=caller.user.pk, pk=sign_in_id).first()
    if sign_in is None:
        raise Refusal.not_found()
    return show_sign_in(
        risk.judge_sign_in(
            sign_in=sign_in,
            verdict=said.verdict,
            by="user",
            actor=f"accounts.User:{caller.user.pk}",
            now=caller.now,
        )
    )


def show_sign_in(sign_in: SignIn) -> dict[str, Any]:
    return {
        "id": sign_in.pk,
        "at": sign_in.at,
        "session": sign_in.session_id,
        "level": sign_in.level,
        "score": sign_in.score,
        "because": [reason.words for reason in sign_in.for_people],
        "place": sign_in.place,
        "network": sign_in.network,
        "address": sign_in.address,
        "browser": sign_in.browser_name,
        "is_known_browser": sign_in.is_known_browser,
        "verdict": sign_in.verdict,
        "judged_at": sign_in.judged_at,
    }


def _show_session(session: LoginSession, this: UUID) -> dict[str, Any]:
    told = {name: getattr(session, name, None) for name in OwnSession.model_fields}
    browser = session.browser
    return told | {
        "browser": "" if browser is None else browser.name,
        "is_this": session.pk == this,
    }
