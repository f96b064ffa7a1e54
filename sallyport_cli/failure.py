"""What ends a command, and with which exit code."""

from enum import IntEnum


class Code(IntEnum):
    """Beside 0 and 2, which argparse has for a call that does not fit."""

    REFUSED = 1
    NOT_SIGNED_IN = 3
    PROOF_NEEDED = 4
    AWAY = 5
    NOT_APPROVED = 6


class Failure(Exception):  # noqa: N818 - an end, not always an error
    """words: for people."""

    def __init__(self, code: Code, words: str) -> None:
        super().__init__(words)
        self.code, self.words = code, words
