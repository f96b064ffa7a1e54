"""What two sets of rules answer to the same questions, in a process of its own that ends in time.

An evaluation cannot be interrupted, and holds every thread of its process. So that rules which
nobody has agreed to yet hold none that serves, they run in one that is killed when its time is
over. Questions and answers go through its pipes, a line each. No Django: values only.
"""

import subprocess
import sys
from pathlib import Path
from threading import Timer
from typing import IO, Any, Self

import orjson

from policy.bundle import Bundle
from policy.evaluator import UNDEFINED, PolicyUnavailable
from policy.rego import RegoEvaluator


class TrialOver(Exception):  # noqa: N818 - names a state
    """There are no more answers. is_late: its time was over; else the rules ended its process."""

    def __init__(self, *, is_late: bool) -> None:
        super().__init__("its time is over" if is_late else "its process has ended")
        self.is_late = is_late


class Trial:
    """Used as a context, which is how long its process lives, or `seconds` of the wall clock."""

    def __init__(self, base: Bundle, draft: Bundle, *, seconds: float) -> None:
        self.base, self.draft = base.revision, draft.revision
        self._rules = {"base": base.modules, "draft": draft.modules}
        self._timer = Timer(max(seconds, 0), self._end)
        self._timer.daemon = True
        self._is_late = False

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "policy.trial"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=Path(__file__).resolve().parent.parent,
            env={},
        )
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._process.kill()
        self._process.communicate()

    def ask(self, path: str, document: bytes) -> tuple[Any, Any]:
        """The answers of both, UNDEFINED where there is none; raises TrialOver."""
        try:
            if self._rules:
                self._send(orjson.dumps(self._rules))
                self._rules = {}
            self._send(orjson.dumps({"path": path, "input": orjson.Fragment(document)}))
            line = self._pipe(self._process.stdout).readline()
        except OSError:
            line = b""
        if not line.endswith(b"\n"):
            raise TrialOver(is_late=self._is_late)
        before, after = orjson.loads(line)
        return _value(before), _value(after)

    def _send(self, line: bytes) -> None:
        pipe = self._pipe(self._process.stdin)
        pipe.write(line + b"\n")
        pipe.flush()

    def _pipe(self, pipe: IO[bytes] | None) -> IO[bytes]:
        assert pipe is not None  # noqa: S101 - it was started with both
        return pipe

    def _end(self) -> None:
        self._is_late = True
        self._process.kill()


def _value(said: list[Any]) -> Any:
    """An answer as the process writes it down: a list of one, or of none where it is undefined."""
    return said[0] if said else UNDEFINED


def _answer(evaluator: RegoEvaluator, path: str, document: bytes) -> list[Any]:
    try:
        value = evaluator.evaluate(path, document)
    except PolicyUnavailable:
        return []
    return [] if value is UNDEFINED else [value]


def main() -> None:
    """Read both sets of rules, then one question after the other, and answer each."""
    rules = orjson.loads(sys.stdin.buffer.readline())
    both = [
        RegoEvaluator(Bundle(tuple(map(tuple, rules[which])), "")) for which in ("base", "draft")
    ]
    for line in sys.stdin.buffer:
        asked = orjson.loads(line)
        document = orjson.dumps(asked["input"])
        answers = [_answer(evaluator, asked["path"], document) for evaluator in both]
        sys.stdout.buffer.write(orjson.dumps(answers) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
