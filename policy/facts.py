"""Everything policy may look at, as plain values, narrowed by whoever collects them.

Named tuples, since they are made at every use: a frozen dataclass takes three times as long.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple


class Trigger(StrEnum):
    """Why a session is judged now."""

    LOGIN = "login"
    AUTHORIZE = "authorize"
    TOKEN = "token"
    REFRESH = "refresh"
    INTROSPECT = "introspect"
    USERINFO = "userinfo"
    AUTHZEN = "authzen"
    FORWARD_AUTH = "forward_auth"
    REQUEST = "request"
    DBSC_REFRESH = "dbsc_refresh"
    POSTURE = "posture"
    RISK = "risk"
    CREDENTIAL_CHANGE = "credential_change"
    LOCK = "lock"
    ADMIN = "admin"
    SWEEP = "sweep"


class UserFacts(NamedTuple):
    is_active: bool
    email_verified: bool
    stamp_matches: bool


class SessionFacts(NamedTuple):
    """Ages and remaining times in whole seconds; negative remaining time means over.

    binding: to which kind of key of the browser, "" for none; proof_age: since that key was last
    shown, -1 for never.
    """

    is_ended: bool
    idle_remaining: int
    absolute_remaining: int
    level: int
    authentication_age: int
    methods: tuple[str, ...] = ()
    binding: str = ""
    proof_age: int = -1
    age: int = 0


class DeviceFacts(NamedTuple):
    """The machine that the browser runs on. state: "" where it is none that was enrolled.

    tier: 0 to 4, as of now. posture_age: seconds since its last report, -1 for none.
    """

    is_enrolled: bool = False
    state: str = ""
    tier: int = 0
    posture_age: int = -1


class RiskFacts(NamedTuple):
    """level: of the sign-in; user_level: of the account as a whole; 0 (not assessed) to 3 (high).

    is_answered, is_user_answered: somebody has proven to be this user since. provable_level: the
    strongest that the user can prove; only asked where a level is high, else 0.
    """

    level: int = 0
    is_answered: bool = False
    user_level: int = 0
    is_user_answered: bool = False
    provable_level: int = 0


class NetworkFacts(NamedTuple):
    """has_changed: whether the use comes from another address than the sign-in."""

    has_changed: bool = False


NOTHING: Mapping[str, int] = {}


class ResourceFacts(NamedTuple):
    """What is asked for. required_level: 0 to 4; max_age: whole seconds, -1 for none.

    required_tier: of the device, 0 to 4. scope_tiers: the same for single scopes, by name.
    """

    client_is_active: bool = True
    required_level: int = 0
    max_age: int = -1
    required_tier: int = 0
    scope_tiers: Mapping[str, int] = NOTHING


class Facts(NamedTuple):
    """role_level: the strongest level that any of the user's live roles demands.

    role_tiers: of each live role that demands one, the device's. locks: the kinds of what is
    locked of all that takes part. binding_is_required: whether sessions must be bound.
    """

    trigger: Trigger
    organisation_is_active: bool
    user: UserFacts
    session: SessionFacts
    device: DeviceFacts = DeviceFacts()
    risk: RiskFacts = RiskFacts()
    network: NetworkFacts = NetworkFacts()
    locks: tuple[str, ...] = ()
    role_level: int = 0
    role_tiers: Mapping[str, int] = NOTHING
    binding_is_required: bool = False
    resource: ResourceFacts = ResourceFacts()

    def document(self) -> dict[str, Any]:
        """The policy's `input`: these facts by their own names."""
        return {
            "trigger": self.trigger.value,
            "organisation_is_active": self.organisation_is_active,
            "user": dict(zip(self.user._fields, self.user, strict=True)),
            "session": dict(zip(self.session._fields, self.session, strict=True)),
            "device": dict(zip(self.device._fields, self.device, strict=True)),
            "risk": dict(zip(self.risk._fields, self.risk, strict=True)),
            "network": dict(zip(self.network._fields, self.network, strict=True)),
            "locks": self.locks,
            "role_level": self.role_level,
            "role_tiers": self.role_tiers,
            "binding_is_required": self.binding_is_required,
            "resource": dict(zip(self.resource._fields, self.resource, strict=True)),
        }
