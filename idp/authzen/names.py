"""How a caller names people, and how we name them to it.

Ids and e-mail addresses are understood, but from clients that are registered to know people by
user names: people choose those themselves, so no name is ever looked for among both. What a client
is registered for is also what a search tells it.
"""

from collections.abc import Iterable
from uuid import UUID

SUB, EMAIL, USERNAME = "sub", "email", "preferred_username"
FORMS = (SUB, EMAIL, USERNAME)
MAX_EMAIL_LENGTH, MAX_USERNAME_LENGTH = 254, 64


def stored(name: str, form: str) -> tuple[str, str] | None:
    """In which form a name is, and as it is stored; None for what names nobody."""
    if form == USERNAME:
        return (USERNAME, name.lower()) if len(name) <= MAX_USERNAME_LENGTH else None
    if "@" in name:
        return (EMAIL, name.lower()) if len(name) <= MAX_EMAIL_LENGTH else None
    user_id = id_of(name)
    return (SUB, str(user_id)) if user_id is not None else None


def sort(names: Iterable[str], form: str) -> dict[str, list[str]]:
    """The names as they are stored, by their form."""
    found: dict[str, set[str]] = {each: set() for each in FORMS}
    for name in names:
        known = stored(name, form)
        if known is not None:
            found[known[0]].add(known[1])
    return {each: sorted(values) for each, values in found.items()}


def id_of(text: object) -> UUID | None:
    """A UUID in its one written form; others would be one id by several names."""
    if not isinstance(text, str):
        return None
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text else None
