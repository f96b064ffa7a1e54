"""Claims about a person by name (OpenID Connect Core 1.0 §5.1), and which each scope gives (§5.4).

What was never said is left out: a claim is neither "" nor null. `organisation` and `roles` are our
own. What people say of themselves comes from their profile; only `email` was confirmed.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from core.prepared import Row
from sessions.evaluation import is_email_verified

PROFILE = (
    "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile",
    "picture", "website", "gender", "birthdate", "zoneinfo", "locale",
)  # fmt: skip
NAMES_OF_SCOPE: dict[str, tuple[str, ...]] = {
    "profile": ("name", *PROFILE, "updated_at", "organisation"),
    "email": ("email", "email_verified"),
    "address": ("address",),
    "phone": ("phone_number", "phone_number_verified"),
    "roles": ("roles",),
}
NAMES = tuple(name for names in NAMES_OF_SCOPE.values() for name in names)


def names_of(scopes: Iterable[str]) -> list[str]:
    """The claims that these scopes give, each once."""
    return [name for scope in dict.fromkeys(scopes) for name in NAMES_OF_SCOPE.get(scope, ())]


def of_row(row: Row, names: Iterable[str], *, roles: Sequence[str]) -> dict[str, Any]:
    """The claims of these names that the person has; names that we don't know are passed over.

    row: of a statement with PROFILE_COLUMNS and the facts of a session.
    roles: what policy leaves of them.
    """
    wanted = list(names)
    claims = {name: _READERS[name](row) for name in wanted if name in _READERS}
    if "roles" in wanted:
        claims["roles"] = list(roles)
    return {name: value for name, value in claims.items() if value not in ("", None, {})}


def _said(name: str) -> Callable[[Row], Any]:
    def read(row: Row) -> Any:
        profile = row["profile"]
        return None if profile is None else profile[name]

    return read


def _phone_number_verified(row: Row) -> bool | None:
    """Nothing without a number."""
    profile = row["profile"]
    return profile["phone_number_verified"] if profile and profile["phone_number"] else None


_READERS: dict[str, Callable[[Row], Any]] = {
    **{name: _said(name) for name in (*PROFILE, "address", "phone_number")},
    "phone_number_verified": _phone_number_verified,
    "name": lambda row: row["name"],
    "email": lambda row: row["email"],
    "email_verified": is_email_verified,
    "organisation": lambda row: row["organisation"],
    "updated_at": lambda row: int(row["profile_changed_at"].timestamp()),
}
READABLE = frozenset(_READERS)  # of a person, each by itself
