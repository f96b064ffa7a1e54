"""Whether Rego files may decide: that they compile, judge facts alone, and pass their own tests.

`check` runs it in a process of its own: an evaluation knows no time limit and holds every thread,
and a file that nests deeply enough ends the process. No Django: values only.
"""

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from regorus import Engine

from policy import bundle
from policy.bodies import quiet
from policy.bundle import is_test, package_of

LIMIT_SECONDS = 20
NAME = re.compile(r"[a-z][a-z0-9_]{0,60}\.rego")
MAX_FILES, MAX_SIZE = 50, 65_536
# Reaching out, reading keys or tokens, or depending on when and where it runs.
BANNED = (
    "http.send", "io.jwt", "crypto.", "opa.runtime", "time.now_ns", "rand.", "net.lookup",
    "uuid.rfc4122", "trace(", "print(",
)  # fmt: skip
# Asked of every bundle: without an answer nobody would ever be let in.
NEEDED = ("sallyport.decision", "sallyport.response.actions")

_PLACE = re.compile(r"--> (\S+?):(\d+):(\d+)\n.*?\nerror: ([^\n]+)", re.DOTALL)
_TEST = re.compile(r"^(test_\w+)\b", re.MULTILINE)
_CALL = re.compile(r"(?<![\w.])([a-z_]\w*(?:\.[a-z_]\w*)*)\(")
_WITH = re.compile(r"\bwith\b")
_BRACKETED = re.compile(r"\]\s*\(")  # `time["now_ns"]()` is a call of `time.now_ns`, too
_FUNCTION = re.compile(r"^([a-z_]\w*)\(", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a file may not decide. line, column: from 1; 0 where it is about no place in it."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.message}"


@dataclass(frozen=True, slots=True)
class OwnTest:
    """One rule `test_…`, and whether it passed. message: what stopped it, if an error did."""

    file: str
    line: int
    name: str
    has_passed: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    faults: tuple[Fault, ...]
    tests: tuple[OwnTest, ...]

    @property
    def failed(self) -> tuple[OwnTest, ...]:
        return tuple(test for test in self.tests if not test.has_passed)

    @property
    def is_good(self) -> bool:
        return not self.faults and not self.failed

    def sentences(self) -> list[str]:
        """What is wrong, a line each."""
        told = [str(fault) for fault in self.faults]
        for run in self.failed:
            why = f": {run.message}" if run.message else ""
            told.append(f"{run.file}:{run.line}: {run.name} fails{why}")
        return told

    def document(self) -> dict[str, Any]:
        return {
            "faults": [asdict(fault) for fault in self.faults],
            "tests": [asdict(run) for run in self.tests],
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Verdict":
        return cls(
            tuple(Fault(**fault) for fault in document["faults"]),
            tuple(OwnTest(**run) for run in document["tests"]),
        )


def check(files: Mapping[str, str]) -> Verdict:
    """Compile these files, by name, and run their tests, within a time limit."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "policy.checking"],
            input=json.dumps(dict(files)).encode(),
            cwd=Path(__file__).resolve().parent.parent,
            env={},
            capture_output=True,
            check=False,
            timeout=LIMIT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return _only("these rules take too long")
    if done.returncode:
        return _only("these rules end the process that evaluates them")
    return Verdict.from_document(json.loads(done.stdout))


def examine(files: Mapping[str, str]) -> Verdict:
    """What `check` does, in this process."""
    faults = _of_form(files) or _of_compiling(files)
    if faults:
        return Verdict(tuple(faults), ())
    return Verdict((), tuple(_run_tests(files)))


def _only(message: str) -> Verdict:
    return Verdict((Fault("", 0, 0, message),), ())


def _of_form(files: Mapping[str, str]) -> list[Fault]:
    if not any(not is_test(name) for name in files):
        return [Fault("", 0, 0, "there is no rule")]
    if len(files) > MAX_FILES:
        return [Fault("", 0, 0, f"there are more than {MAX_FILES} files")]
    faults = []
    for name, text in sorted(files.items()):
        if not NAME.fullmatch(name):
            faults.append(Fault(name, 0, 0, "a file is called like session.rego"))
        elif len(text.encode()) > MAX_SIZE:
            faults.append(Fault(name, 0, 0, f"it is longer than {MAX_SIZE} bytes"))
        elif "\0" in text:
            faults.append(Fault(name, 0, 0, "it is no text"))
        else:
            faults += _of_words(name, text)
    if not faults:
        try:
            bundle.of_modules(files, with_tests=True)
        except ValueError as failure:
            name, _, message = str(failure).partition(": ")
            faults.append(Fault(name, 1, 1, message))
    return faults


def _of_words(name: str, text: str) -> list[Fault]:
    """Rules judge facts, and nothing else."""
    faults = []
    package = package_of(text)
    if not package or not (is_test(name) or package.partition(".")[0] == "sallyport"):
        faults.append(Fault(name, 1, 1, "the package is sallyport, or below it"))
    plain = quiet(text)
    for number, line in enumerate(plain.splitlines(), 1):
        faults += [
            Fault(name, number, line.index(word) + 1, f"{word.strip(' .(')} is not for rules")
            for word in BANNED
            if word in line
        ]
    faults += [
        _fault_at(name, plain, found.start(), "a function is called by its plain name")
        for found in _BRACKETED.finditer(plain)
    ]
    if not is_test(name):
        faults += [
            _fault_at(name, plain, found.start(), "with is not for rules")
            for found in _WITH.finditer(plain)
        ]
    return faults


def _fault_at(name: str, text: str, place: int, message: str) -> Fault:
    line, column = text.count("\n", 0, place) + 1, place - text.rfind("\n", 0, place)
    return Fault(name, line, column, message)


def _of_compiling(files: Mapping[str, str]) -> list[Fault]:
    engine, rules = Engine(), Engine()
    try:
        for name in sorted(files):
            engine.add_policy(name, files[name])
            if not is_test(name):
                rules.add_policy(name, files[name])
        rules.set_input_json("{}")
        rules.eval_query_as_json("data")  # errors show when a rule is evaluated, not before
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as failure:  # noqa: BLE001 - a panic of the engine is no Exception
        return [_fault_of(str(failure))]
    return _of_calls(files) or _of_answers(rules)


def _of_calls(files: Mapping[str, str]) -> list[Fault]:
    """Functions that nobody knows, also where no rule has called them so far."""
    ours = {found for text in files.values() for found in _FUNCTION.findall(quiet(text))}
    known = {"set": True}  # the empty set, which is grammar
    faults = []
    for name, text in sorted(files.items()):
        plain = quiet(text)
        for call in _CALL.finditer(plain):
            function = call[1]
            if function.rpartition(".")[2] in ours:
                continue
            if function not in known:
                known[function] = _is_built_in(function)
            if not known[function]:
                message = f"could not find function {function}"
                faults.append(_fault_at(name, plain, call.start(), message))
    return faults


def _is_built_in(function: str) -> bool:
    engine = Engine()
    try:
        engine.add_policy("probe.rego", f"package probe\n\nx := {function}(1)\n")
        engine.eval_rule_as_json("data.probe.x")
    except RuntimeError as failure:
        return "could not find function" not in str(failure)
    return True


def _of_answers(engine: Engine) -> list[Fault]:
    faults = []
    for rule in NEEDED:
        try:
            engine.eval_rule_as_json(f"data.{rule}")
        except RuntimeError:
            faults.append(Fault("", 0, 0, f"there is no rule data.{rule}"))
    return faults


def _run_tests(files: Mapping[str, str]) -> list[OwnTest]:
    engine = Engine()
    for name, source in bundle.of_modules(files, with_tests=True).modules:
        engine.add_policy(name, source)
    runs = []
    for name in sorted(filter(is_test, files)):
        text = files[name]
        package = package_of(text)
        for found in _TEST.finditer(quiet(text)):
            rule = f"data.{package}.{found[1]}"
            line = text.count("\n", 0, found.start()) + 1
            try:
                engine.set_input_json("{}")  # without it, values of the test before stay
                has_passed, message = engine.eval_rule_as_json(rule) == "true", ""
            except RuntimeError as failure:
                has_passed, message = False, str(_fault_of(str(failure)))
            runs.append(OwnTest(name, line, found[1], has_passed, message))
    return runs


def _fault_of(message: str) -> Fault:
    found = _PLACE.search(message)
    if found is None:
        return Fault("", 0, 0, message.strip().partition("\n")[0][:200])
    return Fault(found[1], int(found[2]), int(found[3]), found[4])


def main() -> None:
    """Read the files as a JSON object on standard input, and write the verdict."""
    files: dict[str, str] = json.load(sys.stdin)
    print(json.dumps(examine(files).document()))  # noqa: T201 - what this process is for


if __name__ == "__main__":
    main()
