"""Conditions of access: what they see, and which of them do not hold.

A condition is a body (`policy.bodies`) that an administrator wrote. It sees who asked, what was
asked for, and the session that acts; nothing else, and no time.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from policy import bodies


class SessionSeen(NamedTuple):
    """level: 0 to 4. authentication_age: whole seconds. binding, address: "" for none.

    As it is, it is that of an application, which signs in nowhere.
    """

    level: int = 0
    methods: tuple[str, ...] = ()
    authentication_age: int = 0
    binding: str = ""
    tier: int = 0
    address: str = ""


def failing(
    conditions: Iterable[str],
    *,
    requester: Mapping[str, Any] | None,
    request: Mapping[str, Any],
    session: SessionSeen,
) -> list[str]:
    """Those that do not hold; what is undefined, fails or takes too long does not.

    requester: `name`, `roles`, `groups`, `workload`. request: `reason`, `ticket`, `roles`,
    `duration`, `starts_in`.
    """
    document = {
        "requester": requester,
        "request": request,
        "session": dict(zip(session._fields, session, strict=True)),
    }
    return [body for body in dict.fromkeys(conditions) if body and not bodies.holds(body, document)]
