"""What is kept of an answer, and the place where the engine leaves it. Values only."""

from typing import Any, NamedTuple, Protocol
from uuid import UUID


class About(NamedTuple):
    """On whose behalf policy was asked; what is not known is None or "". client: its client_id."""

    user_id: UUID | None = None
    session_id: UUID | None = None
    client: str = ""


NOBODY = About()


class Entry(NamedTuple):
    """One question and its answer. text: the input, as JSON; failure: why there is no answer."""

    decision_id: UUID
    path: str
    text: bytes
    value: Any
    revision: str
    nanoseconds: int
    about: About = NOBODY
    failure: str = ""


class Journal(Protocol):
    def note(self, entry: Entry) -> None:
        """Take an entry, at once and without failing."""
