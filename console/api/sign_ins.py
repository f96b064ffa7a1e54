"""Sign-ins of the organisation's people, as risk judged them."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from ninja import Query, Router, Schema
from pydantic import Field

from accounts.models import User
from console.api.door import Administration, Administrator
from console.api.lookup import one, within
from console.api.own_sessions import Judgement, SignInTold, show_sign_in
from console.api.paging import Place
from console.api.shapes import Whose
from risk import flows
from risk.models import SignIn, UserRisk, Verdict

router = Router(auth=Administrator())


class SignInOfSomebody(SignInTold):
    organisation: Whose
    user: UUID
    email: str


class SignIns(Schema):
    items: list[SignInOfSomebody]
    next: str | None


class WhichSignIns(Place):
    """level: at least this one."""

    user: UUID | None = None
    level: Annotated[int, Field(ge=0, le=3)] = 0
    verdict: Verdict | None = None


class MarkOfRisk(Schema):
    """level: 0 where no mark is on the account. until: when it fades."""

    level: int
    until: datetime | None


@router.get("/sign-ins", response=SignIns)
def list_sign_ins(request: Administration, narrowed: Query[WhichSignIns]) -> dict[str, Any]:
    """Every sign-in as it was judged; `user`, `level`, `verdict`."""
    caller = request.auth
    rows = within(SignIn, caller).filter(level__gte=narrowed.level)
    if narrowed.user is not None:
        rows = rows.filter(user_id=narrowed.user)
    if narrowed.verdict is not None:
        rows = rows.filter(verdict=narrowed.verdict)
    filters = narrowed.dict(exclude={"limit", "cursor"})
    listing = caller.listing("sign-ins", narrowed, **filters)
    return listing.page(rows.select_related("user"), _show)


@router.post("/sign-ins/{uuid:sign_in_id}/judge", response=SignInOfSomebody)
def judge_sign_in(request: Administration, sign_in_id: UUID, said: Judgement) -> dict[str, Any]:
    """Say whether it was its owner. `compromised` ends it, and marks the account."""
    caller = request.auth
    sign_in = one(SignIn, caller, sign_in_id, "user")
    flows.judge_sign_in(
        sign_in=sign_in,
        verdict=said.verdict,
        by="administrator",
        actor=f"accounts.User:{caller.user.pk}",
        now=caller.now,
    )
    return _show(one(SignIn, caller, sign_in_id, "user"))


@router.get("/users/{uuid:user_id}/risk", response=MarkOfRisk)
def read_risk(request: Administration, user_id: UUID) -> dict[str, Any]:
    """The mark that is on an account now."""
    caller = request.auth
    user = one(User, caller, user_id)
    marks = within(UserRisk, caller)
    mark = marks.filter(user_id=user.pk, ends_at__gt=caller.now).first()
    return {"level": mark.level if mark else 0, "until": mark.ends_at if mark else None}


def _show(sign_in: SignIn) -> dict[str, Any]:
    return show_sign_in(sign_in) | {
        "organisation": sign_in.organisation,
        "user": sign_in.user_id,
        "email": sign_in.user.email,
    }
