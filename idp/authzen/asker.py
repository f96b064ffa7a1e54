"""On whose behalf policy is asked, and so whose people and resources count."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Asker:
    """A client. client_id: its name; stem: its row. form: how it knows people (`names.py`).

    jti: of the access token that it shows, "" where the product itself asks for the client.
    """

    client_id: str
    stem: UUID
    jti: str
    form: str
