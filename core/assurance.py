"""How strongly somebody has authenticated. Imports no Django, since policy uses it.

Levels 1 and 2 are authentication assurance levels of NIST SP 800-63B-4. `phr`, phishing-resistant,
and `phrh`, the same by a key that cannot leave its hardware, are those of OpenID Connect Extended
Authentication Profile ACR Values 1.0 §2; each includes the ones below it. Their names are the
values of `acr` in tokens. Methods are the `amr` values of RFC 8176.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from uuid import UUID


class Level(IntEnum):
    NONE = 0
    AAL1 = 1
    AAL2 = 2
    PHR = 3
    PHRH = 4

    @property
    def acr(self) -> str:
        return ACR_VALUES[self]

    @classmethod
    def from_acr(cls, acr: str) -> "Level":
        """The level an `acr` value names; `NONE` for an unknown or empty one."""
        return _BY_ACR.get(acr, Level.NONE)


ACR_VALUES = ("", "aal1", "aal2", "phr", "phrh")  # by level
_BY_ACR = {acr: Level(number) for number, acr in enumerate(ACR_VALUES)}


@dataclass(frozen=True)
class Assurance:
    """What has been proven, and when. Missing means nothing: the default is `NONE`.

    credentials: ids of the factors that it was proven by, passwords aside.
    """

    level: Level = Level.NONE
    methods: tuple[str, ...] = ()
    authenticated_at: datetime | None = None
    credentials: tuple[UUID, ...] = ()

    def satisfies(self, level: Level, max_age: timedelta | None, now: datetime) -> bool:
        """Whether this is at least `level` and no older than `max_age`."""
        if self.level < level:
            return False
        if max_age is None:
            return True
        return self.authenticated_at is not None and now - self.authenticated_at <= max_age
