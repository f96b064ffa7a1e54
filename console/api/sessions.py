"""Who is signed in now."""

from datetime import datetime
from typing import Any
from uuid import UUID

from ninja import Query, Router, Schema

from console.api.door import Administration, Administrator
from console.api.lookup import one, within
from console.api.paging import Place
from console.api.shapes import Did, Whose
from sessions.flows import end_session
from sessions.models import EndReason, LoginSession

router = Router(auth=Administrator())


class SessionTold(Schema):
    id: UUID
    organisation: Whose
    user: UUID
    email: str
    started_at: datetime
    last_used_at: datetime
    expires_at: datetime
    acr: str
    address: str | None
    outcome: str
    binding: str


class Sessions(Schema):
    items: list[SessionTold]
    next: str | None


class OfUser(Place):
    user: UUID | None = None


@router.get("", response=Sessions)
def list_sessions(request: Administration, narrowed: Query[OfUser]) -> dict[str, Any]:
    """Live sign-ins; `user`: of one person."""
    caller = request.auth
    live = LoginSession.unscoped.live(caller.now).values("pk")
    rows = within(LoginSession, caller).filter(pk__in=live)
    if narrowed.user is not None:
        rows = rows.filter(user_id=narrowed.user)
    filters = {"user": narrowed.user}
    listing = caller.listing("sessions", narrowed, **filters)
    return listing.page(rows.select_related("user"), _show_session)


@router.delete("/{uuid:session_id}", response=Did)
def end_one_session(request: Administration, session_id: UUID) -> dict[str, Any]:
    """End a sign-in, and whatever hangs on it."""
    caller = request.auth
    did = end_session(
        session=one(LoginSession, caller, session_id),
        reason=EndReason.ENDED_BY_ADMINISTRATOR,
        now=caller.now,
        actor=f"accounts.User:{caller.user.pk}",
    )
    return {"did": did}


def _show_session(session: LoginSession) -> dict[str, Any]:
    told = {name: getattr(session, name, None) for name in SessionTold.model_fields}
    return told | {"user": session.user_id, "email": session.user.email}
