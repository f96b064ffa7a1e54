"""People of the organisation: read, lock, close and open again, sign out."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from ninja import Query, Router, Schema

from access.models import Grant
from accounts import flows
from accounts.models import Lock, LockTarget, User
from console.api.door import Administration, Administrator, AdministratorCaller
from console.api.lookup import one, within
from console.api.paging import Place
from console.api.shapes import Flag, Line, Name, Seconds, Sent, Whose
from console.linking import follow
from sessions.flows import sign_out_everywhere
from sessions.models import EndReason

router = Router(auth=Administrator())


class UserTold(Schema):
    """is_locked: whether a lock on the account holds."""

    id: UUID
    organisation: Whose
    email: str
    name: str
    is_active: bool
    is_administrator: bool
    is_locked: bool
    person_id: UUID
    created_at: datetime
    last_login: datetime | None


class UserPage(Schema):
    items: list[UserTold]
    next: str | None


class OfAddress(Place):
    email: str = ""


class LockWish(Sent):
    """seconds: for how long, until it is lifted if left out. message: for the person."""

    reason: Name
    message: Line = ""
    seconds: Seconds | None = None
    needs_recovery: Flag = False


class Linked(Sent):
    other: UUID


class GrantResting(Schema):
    id: UUID
    requester: str
    until: datetime | None


class RequestLost(Schema):
    """That somebody could not answer a request any more."""

    approver: str
    grant: UUID


class LinkFollowing(Schema):
    """ended: active access that would end; stuck: approved access that could not begin."""

    ended: list[GrantResting]
    stuck: list[GrantResting]
    lost: list[RequestLost]


class Count(Schema):
    count: int


@router.get("", response=UserPage)
def list_users(request: Administration, narrowed: Query[OfAddress]) -> dict[str, Any]:
    """The people of the organisation; `email`: of this address alone."""
    caller = request.auth
    rows = within(User, caller)
    if narrowed.email:
        rows = rows.filter(email=narrowed.email.lower())
    listing = caller.listing("users", narrowed, email=narrowed.email)
    return listing.page_of_all(rows, lambda found: _show(found, caller))


@router.get("/{uuid:user_id}", response=UserTold)
def read_user(request: Administration, user_id: UUID) -> dict[str, Any]:
    """One person."""
    return _told(request, user_id)


@router.post("/{uuid:user_id}/lock", response=UserTold)
def lock_user(request: Administration, user_id: UUID, wish: LockWish) -> dict[str, Any]:
    """Stop whatever the person is signed in to, until it is lifted or over."""
    caller = request.auth
    flows.place_lock(
        organisation_id=caller.organisation.pk,
        target_type=LockTarget.USER,
        target=str(one(User, caller, user_id).pk),
        reason=wish.reason,
        message=wish.message,
        ends_at=None if wish.seconds is None else caller.now + timedelta(seconds=wish.seconds),
        needs_recovery=wish.needs_recovery,
        now=caller.now,
        actor=caller.user,
    )
    return _told(request, user_id)


@router.post("/{uuid:user_id}/unlock", response=UserTold)
def unlock_user(request: Administration, user_id: UUID) -> dict[str, Any]:
    """Lift the locks on the account, and forget failed sign-ins."""
    caller = request.auth
    user = one(User, caller, user_id)
    locks = within(Lock, caller).filter(
        pk__in=Lock.unscoped.live(caller.now).values("pk"),
        target_type=LockTarget.USER,
        target=str(user.pk),
    )
    for lock in locks.order_by("pk"):
        flows.lift_lock(lock=lock, now=caller.now, actor=caller.user)
    flows.unlock_account(user=user, now=caller.now, actor=caller.user)
    return _told(request, user_id)


@router.post("/{uuid:user_id}/deactivate", response=UserTold)
def deactivate_user(request: Administration, user_id: UUID) -> dict[str, Any]:
    """Close the account: sessions and tokens end now."""
    caller = request.auth
    user = one(User, caller, user_id)
    flows.deactivate_user(user=user, now=caller.now, actor=caller.user)
    return _told(request, user_id)


@router.post("/{uuid:user_id}/reactivate", response=UserTold)
def reactivate_user(request: Administration, user_id: UUID) -> dict[str, Any]:
    """Open the account again."""
    caller = request.auth
    user = one(User, caller, user_id)
    flows.reactivate_user(user=user, now=caller.now, actor=caller.user)
    return _told(request, user_id)


@router.post("/{uuid:user_id}/sign-out", response=Count)
def sign_user_out(request: Administration, user_id: UUID) -> dict[str, Any]:
    """End every session of the person; `count`: how many there were."""
    caller = request.auth
    ended = sign_out_everywhere(
        user=one(User, caller, user_id),
        reason=EndReason.ENDED_BY_ADMINISTRATOR,
        now=caller.now,
        actor=f"accounts.User:{caller.user.pk}",
    )
    return {"count": ended}


@router.post("/{uuid:user_id}/link/preview", response=LinkFollowing)
def preview_link(request: Administration, user_id: UUID, wish: Linked) -> dict[str, Any]:
    """What linking two accounts would do; nothing is kept."""
    caller = request.auth
    told = follow(one(User, caller, user_id), one(User, caller, wish.other), actor=caller.user)
    return {
        "ended": [_held(grant) for grant in told.ended],
        "stuck": [_held(grant) for grant in told.stuck],
        "lost": [{"approver": who.email, "grant": grant.pk} for who, grant in told.lost],
    }


@router.post("/{uuid:user_id}/link", response=UserTold)
def link_user(request: Administration, user_id: UUID, wish: Linked) -> dict[str, Any]:
    """Note that two accounts are one person's: they count as one where somebody has to agree."""
    caller = request.auth
    flows.link_accounts(
        user=one(User, caller, user_id),
        other=one(User, caller, wish.other),
        now=caller.now,
        actor=caller.user,
    )
    return _told(request, user_id)


@router.post("/{uuid:user_id}/unlink", response=UserTold)
def unlink_user(request: Administration, user_id: UUID) -> dict[str, Any]:
    """Note that the account is somebody else's than those that it was linked with."""
    caller = request.auth
    user = one(User, caller, user_id)
    flows.unlink_account(user=user, now=caller.now, actor=caller.user)
    return _told(request, user_id)


def _held(grant: Grant) -> dict[str, Any]:
    return {"id": grant.pk, "requester": grant.requester.email, "until": grant.ends_at}


def _told(request: Administration, user_id: UUID) -> dict[str, Any]:
    caller = request.auth
    (told,) = _show([one(User, caller, user_id)], caller)
    return told


def _show(found: list[User], caller: AdministratorCaller) -> list[dict[str, Any]]:
    locks = within(Lock, caller).filter(
        pk__in=Lock.unscoped.live(caller.now).values("pk"),
        target_type=LockTarget.USER,
        target__in=[str(user.pk) for user in found],
    )
    locked = set(locks.values_list("target", "organisation_id"))
    return [
        {
            "id": user.pk,
            "organisation": user.organisation,
            "email": user.email,
            "name": user.name,
            "is_active": user.is_active,
            "is_administrator": user.is_staff,
            "is_locked": (str(user.pk), user.organisation_id) in locked,
            "person_id": user.person_id,
            "created_at": user.created_at,
            "last_login": user.last_login,
        }
        for user in found
    ]
