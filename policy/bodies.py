"""Rules that administrators write: the body of one Rego rule over an input of ours.

A body is conditions, one a line, that must all hold. It judges its input and nothing else: no
imports, no data, no other rules, and no built-in that reaches out or depends on when it runs.
Patterns are regular expressions of Rust's crate, which take time in proportion to the text.
"""

import re
import threading
import time
from collections.abc import Mapping
from typing import Any

import orjson
from regorus import Engine

MAX_LENGTH = 2000
MAX_KEPT = 64
# What one judgement may take of a processor. Plain rules take a thousandth of it; one that goes
# through lists within lists holds for nobody, and is not tried again for a while.
BUDGET_NS = 100_000_000
PAUSE_SECONDS = 60
QUERY = "data.sallyport.body.holds"
HEAD = "package sallyport.body\n\nimport rego.v1\n\ndefault holds := false\n\nholds if {\n"
TAIL = "\n}\n"
FIRST_LINE = HEAD.count("\n")
PATTERN = "regex.match(input.pattern, input.text)"
# What a body may call: plain functions of their arguments.
BUILT_INS = frozenset(
    {
        "abs", "ceil", "floor", "round", "count", "max", "min", "sum", "concat", "contains",
        "endswith", "startswith", "indexof", "lower", "upper", "replace", "split", "sprintf",
        "substring", "trim", "trim_left", "trim_prefix", "trim_right", "trim_space", "trim_suffix",
        "regex.match", "array.concat", "array.slice", "object.get", "object.keys", "is_string",
        "is_number", "is_boolean", "is_array", "is_object", "to_number", "net.cidr_contains",
    }
)  # fmt: skip
_pauses: dict[str, float] = {}
_threads = threading.local()
_QUIET = re.compile(r'#[^\n]*|"(?:\\.|[^"\\\n])*"|`[^`]*`')
_WHERE = re.compile(r"--> body\.rego:(\d+):\d+.*?error: ([^\n]+)", re.DOTALL)
_WORDS = re.compile(r"[A-Za-z_][\w.]*\s*\(?|\]\s*\(|[{}]")
_KEYWORDS = frozenset({"package", "import", "default", "with", "data", "if", "else", "as"})


class BodyError(Exception):
    """A body that cannot be used. line: within the body, from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line, self.message = line, message


def check(body: str, example: Mapping[str, Any]) -> None:
    """Raise BodyError unless this is a body, and can be evaluated over an input like `example`."""
    if len(body) > MAX_LENGTH:
        raise BodyError(1, f"a rule has at most {MAX_LENGTH} characters")
    _read(body)
    try:
        began = time.thread_time_ns()
        _evaluate(body, example)
    except RuntimeError as error:
        raise _told(error) from error
    if time.thread_time_ns() - began > BUDGET_NS:
        raise BodyError(1, "this takes too long")


def quiet(text: str) -> str:
    """Rego with comments and strings blanked out, each character in its place."""
    return _QUIET.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def holds(body: str, document: Mapping[str, Any]) -> bool:
    """Whether every condition of the body holds; an error is a no, and so is what takes too long.

    An evaluation cannot be interrupted: one that was slow is not begun again for a minute.
    """
    if time.monotonic() < _pauses.get(body, 0):
        return False
    began = time.thread_time_ns()
    try:
        held = _evaluate(body, document)
    except RuntimeError:
        held = False
    if time.thread_time_ns() - began <= BUDGET_NS:
        return held
    if len(_pauses) >= MAX_KEPT:
        _pauses.clear()
    _pauses[body] = time.monotonic() + PAUSE_SECONDS
    return False


def check_pattern(pattern: str) -> None:
    """Raise BodyError unless this is a regular expression."""
    try:
        _evaluate(PATTERN, {"pattern": _whole(pattern), "text": ""})
    except RuntimeError as error:
        raise BodyError(1, "this is no regular expression") from error


def matches(pattern: str, text: str) -> bool:
    """Whether the whole text matches; an error is a no."""
    try:
        return _evaluate(PATTERN, {"pattern": _whole(pattern), "text": text})
    except RuntimeError:
        return False


def _whole(pattern: str) -> str:
    return rf"\A(?:{pattern})\z"


def _evaluate(body: str, document: Mapping[str, Any]) -> bool:
    """Raises RuntimeError, whatever goes wrong: the evaluator's panics are BaseExceptions."""
    try:
        engine = _compiled(body)
        engine.set_input_json(orjson.dumps(document).decode())
        return orjson.loads(engine.eval_rule_as_json(QUERY)) is True
    except (KeyboardInterrupt, SystemExit, RuntimeError):
        raise
    except BaseException as failure:
        raise RuntimeError(str(failure)) from failure


def _compiled(body: str) -> Any:
    """An engine belongs to its thread and dies with it: a later one of the same id has its own."""
    kept: dict[str, Any] = _threads.__dict__
    if body not in kept:
        engine = Engine()
        engine.add_policy("body.rego", f"{HEAD}{body}{TAIL}")
        if len(kept) >= MAX_KEPT:
            kept.clear()
        kept[body] = engine
    return kept[body]


def _read(body: str) -> None:
    """Raise BodyError for what is more than conditions of one rule."""
    depth = 0
    for found in _WORDS.finditer(quiet(body)):
        word, line = found.group().strip(), body.count("\n", 0, found.start()) + 1
        if word[0] == "]":  # `time["now_ns"]()` is a call of `time.now_ns`, too
            raise BodyError(line, "a rule calls functions by their plain names")
        depth += {"{": 1, "}": -1}.get(word, 0)
        if depth < 0:
            raise BodyError(line, "this brace closes nothing")
        if word in _KEYWORDS or word.startswith("data."):
            raise BodyError(line, f"a rule may not say {word}")
        if word.endswith("(") and (name := word[:-1].strip()) not in BUILT_INS:
            if name in {"in", "not", "some", "every", "and", "or"}:
                continue
            raise BodyError(line, f"a rule may not call {name}")
    if depth:
        raise BodyError(body.count("\n") + 1, "a brace is not closed")


def _told(error: RuntimeError) -> BodyError:
    found = _WHERE.search(str(error))
    if found is None:
        return BodyError(1, "this cannot be evaluated")
    return BodyError(max(1, int(found[1]) - FIRST_LINE), found[2].strip())
