"""Chat rooms at a server of somebody else, and what arrived there."""

import json
from typing import Any

from access import flows
from access.chat.models import Happening
from access.flows.rooms import AddedRoom
from access.tasks import tell_rooms
from accounts.models import Organisation
from core import clock
from tests.support.elsewhere import Elsewhere

PATH = "/services/T0/B0/very-secret"


def room(
    of: Organisation, url: str, *, form: str = "generic", name: str = "", **said: Any
) -> AddedRoom:
    """A room that is told of everything, unless `happenings` says of what."""
    said.setdefault("happenings", Happening.values)
    return flows.add_room(
        organisation=of, name=name or f"#{form}", form=form, url=url, now=clock.now(), **said
    )


def told(elsewhere: Elsewhere) -> list[dict[str, Any]]:
    """Have rooms told; what arrived since the last time."""
    before = len(elsewhere.requests)
    tell_rooms()
    return [json.loads(body) for _, _, _, body in elsewhere.requests[before:]]


def types(elsewhere: Elsewhere) -> list[str]:
    return [each["type"] for each in told(elsewhere)]
