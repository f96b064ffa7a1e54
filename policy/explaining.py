"""Which rules spoke: one input asked again, rule by rule. Values only."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from regorus import Engine

from policy.bundle import Bundle, package_of
from policy.evaluator import UNDEFINED

MAX_VALUE_LENGTH = 400
_HEAD = re.compile(r"^(?:default[ \t]+)?([a-z_]\w*)(?![\w(.])", re.MULTILINE)
_NO_RULES = frozenset({"package", "import", "default"})
_UNDEFINED = '"<undefined>"'


@dataclass(frozen=True, slots=True)
class Spoken:
    """A rule and its value for the input. line: where it is first written, from 1.

    has_spoken: whether it has a value that says something: not false, not empty, and not the same
    for any input. parts: the members of a value that holds checks by name, and whether each holds.
    """

    name: str
    file: str
    line: int
    value: str
    has_spoken: bool
    parts: tuple[tuple[str, bool], ...] = ()


@dataclass(frozen=True, slots=True)
class Explained:
    """result: what the rule that was asked says now, UNDEFINED where it says nothing."""

    revision: str
    package: str
    result: Any
    rules: tuple[Spoken, ...]


def explain(bundle: Bundle, path: str, document: Any) -> Explained:
    """Ask each rule of the package that `path` is in. A rule that fails has no value."""
    asked = path.replace("/", ".")
    package, file, text = _module_of(bundle, asked)
    given, nothing = _engine(bundle, document), _engine(bundle, {})
    rules = []
    for name, line in _rules_of(text):
        value = _value(given, f"data.{package}.{name}")
        if value is UNDEFINED and line == 0:
            continue
        says = value is not UNDEFINED and value is not False and value not in ([], {}, "", None)
        differs = value != _value(nothing, f"data.{package}.{name}")
        rules.append(Spoken(name, file, line, _told(value), says and differs, _parts(value)))
    return Explained(bundle.revision, package, _value(given, f"data.{asked}"), tuple(rules))


def _module_of(bundle: Bundle, asked: str) -> tuple[str, str, str]:
    """The package that holds a rule, by the longest name, and its file."""
    found = ("", "", "")
    for name, text in bundle.modules:
        package = package_of(text)
        if asked.startswith(f"{package}.") and len(package) > len(found[0]):
            found = (package, name, text)
    return found


def _rules_of(text: str) -> Iterator[tuple[str, int]]:
    """Each rule that is no function, with its first line."""
    seen: set[str] = set()
    for head in _HEAD.finditer(text):
        name = head[1]
        if name in _NO_RULES or name in seen:
            continue
        seen.add(name)
        yield name, text.count("\n", 0, head.start()) + 1


def _engine(bundle: Bundle, document: Any) -> Any:
    engine = Engine()
    for name, source in bundle.modules:
        engine.add_policy(name, source)
    engine.set_input_json(json.dumps(document))
    return engine


def _value(engine: Any, path: str) -> Any:
    try:
        answer = engine.eval_rule_as_json(path)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # noqa: BLE001 - a panic of the engine is no Exception
        return UNDEFINED
    return UNDEFINED if answer == _UNDEFINED else json.loads(answer)


def _told(value: Any) -> str:
    if value is UNDEFINED:
        return ""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_VALUE_LENGTH else f"{text[:MAX_VALUE_LENGTH]}…"


def _parts(value: Any) -> tuple[tuple[str, bool], ...]:
    """The checks that a value holds by name, or in groups of them."""
    if not isinstance(value, dict) or not value:
        return ()
    if all(isinstance(each, dict) for each in value.values()):
        value = {name: held for group in value.values() for name, held in group.items()}
    if not all(isinstance(each, bool) for each in value.values()):
        return ()
    return tuple(sorted(value.items(), key=lambda part: (not part[1], part[0])))
