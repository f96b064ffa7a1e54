"""Everything policy may look at, as plain values, narrowed by whoever collects them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Trigger(StrEnum):
    """Why a session is judged now."""

    LOGIN = "login"
    AUTHORIZE = "authorize"
    TOKEN = "token"
    REFRESH = "refresh"
    INTROSPECT = "introspect"
    USERINFO = "userinfo"
    REQUEST = "request"
    ADMIN = "admin"
    SWEEP = "sweep"


@dataclass(frozen=True, slots=True)
class UserFacts:
    is_active: bool
    email_verified: bool
    stamp_matches: bool


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """Ages and remaining times in whole seconds; negative remaining time means over."""

    is_ended: bool
    idle_remaining: int
    absolute_remaining: int
    level: int
    authentication_age: int
    methods: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ResourceFacts:
    """What is asked for. required_level: 0 to 2; max_age: whole seconds, -1 for none."""

    client_is_active: bool = True
    required_level: int = 0
    max_age: int = -1


@dataclass(frozen=True, slots=True)
class Facts:
    """role_level: the strongest level that any of the user's live roles demands."""

    trigger: Trigger
    organisation_is_active: bool
    user: UserFacts
    session: SessionFacts
    role_level: int = 0
    resource: ResourceFacts = ResourceFacts()

    def document(self) -> dict[str, Any]:
        """The policy's `input`: these facts by their own names."""
        return {
            "trigger": self.trigger.value,
            "organisation_is_active": self.organisation_is_active,
            "user": _values(self.user),
            "session": _values(self.session),
            "role_level": self.role_level,
            "resource": _values(self.resource),
        }


def _values(part: UserFacts | SessionFacts | ResourceFacts) -> dict[str, Any]:
    """The fields of one part; `dataclasses.asdict` copies deeply, six times as slowly."""
    return {name: getattr(part, name) for name in part.__slots__}
