"""Chat rooms that are told what happens to access."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from ninja import Query, Router, Schema
from ninja.responses import Status
from pydantic import Field

from access import flows
from access.chat.delivery import latest
from access.chat.models import Format, Happening
from access.models import ChatDelivery, ChatWebhook
from console.api.door import Administration, Administrator
from console.api.lookup import one, within
from console.api.paging import Place
from console.api.shapes import Did, Name, Sent, Whose

router = Router(auth=Administrator())

Happenings = Annotated[list[Happening], Field(min_length=1, max_length=len(Happening))]


class RoomTerms(Sent):
    name: Name
    happenings: Happenings


class NewRoom(RoomTerms):
    """url: where the room takes messages. It is kept sealed, and never told again."""

    format: Format
    url: Annotated[str, Field(min_length=1, max_length=2048)]


class Tried(Schema):
    """The latest message that was tried. error: "" once the room took it."""

    happening: str
    attempts: int
    delivered_at: datetime | None
    error: str


class Room(Schema):
    """host: of its address. last: None until something was sent."""

    id: UUID
    organisation: Whose
    name: str
    format: str
    host: str
    happenings: list[str]
    created_at: datetime
    last: Tried | None


class AddedRoomTold(Room):
    """secret: what messages are signed with (Standard Webhooks), told this once; None: unsigned."""

    secret: str | None


class Rooms(Schema):
    items: list[Room]
    next: str | None


@router.get("", response=Rooms)
def list_rooms(request: Administration, place: Query[Place]) -> dict[str, Any]:
    """The rooms, without their addresses."""
    caller = request.auth
    listing = caller.listing("rooms", place)
    return listing.page_of_all(within(ChatWebhook, caller), _show)


@router.post("", response={201: AddedRoomTold})
def add_room(request: Administration, wish: NewRoom) -> Status[Any]:
    """Have a room told of these happenings."""
    caller = request.auth
    made = flows.add_room(
        organisation=caller.organisation,
        name=wish.name,
        form=wish.format,
        url=wish.url,
        happenings=wish.happenings,
        now=caller.now,
        actor=caller.user,
    )
    return Status(201, {**_one(made.webhook), "secret": made.secret})


@router.put("/{uuid:room_id}", response=Room)
def update_room(request: Administration, room_id: UUID, wish: RoomTerms) -> dict[str, Any]:
    """Call it otherwise, or have it told of others. Where it is stays as it is."""
    caller = request.auth
    changed = flows.update_room(
        webhook=one(ChatWebhook, caller, room_id),
        name=wish.name,
        happenings=wish.happenings,
        now=caller.now,
        actor=caller.user,
    )
    return _one(changed)


@router.post("/{uuid:room_id}/test", response={202: Did})
def send_test_message(request: Administration, room_id: UUID) -> Status[Any]:
    """Have a test message sent; what came of it stands at the room."""
    caller = request.auth
    flows.send_test(webhook=one(ChatWebhook, caller, room_id), now=caller.now, actor=caller.user)
    return Status(202, {"did": True})


@router.delete("/{uuid:room_id}", response=Did)
def remove_room(request: Administration, room_id: UUID) -> dict[str, Any]:
    """Tell it nothing any more, and forget where it is."""
    caller = request.auth
    flows.remove_room(webhook=one(ChatWebhook, caller, room_id), now=caller.now, actor=caller.user)
    return {"did": True}


def _one(room: ChatWebhook) -> dict[str, Any]:
    (told,) = _show([room])
    return told


def _show(rooms: list[ChatWebhook]) -> list[dict[str, Any]]:
    tried = latest(rooms)
    return [
        {name: getattr(room, name, None) for name in Room.model_fields}
        | {"last": _tried(tried[room.pk]) if room.pk in tried else None}
        for room in rooms
    ]


def _tried(row: ChatDelivery) -> dict[str, Any]:
    return {
        "happening": row.happening,
        "attempts": row.attempts,
        "delivered_at": row.delivered_at,
        "error": row.last_error,
    }
