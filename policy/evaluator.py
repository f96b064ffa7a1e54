"""What answers a question to policy: the embedded engine (`policy/rego.py`) or an OPA server."""

from enum import Enum
from typing import Any, Final, Protocol


class PolicyUnavailable(Exception):  # noqa: N818 - names a state
    """The policy could not be evaluated."""


class Undefined(Enum):
    """What policy says nothing about. Never an answer that allows."""

    UNDEFINED = "undefined"

    def __bool__(self) -> bool:
        return False


UNDEFINED: Final = Undefined.UNDEFINED


class Evaluator(Protocol):
    def evaluate(self, path: str, document: bytes) -> Any:
        """The value of the rule at `path` for this input, a JSON text; UNDEFINED where it has none.

        path: as OPA's data API has it, `sallyport/decision`. Raises PolicyUnavailable.
        """
