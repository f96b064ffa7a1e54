"""The plugin of pytest: runs each test without the defence that it is for."""

import os
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.attacks.sabotage import DEFENCES, TESTS, files_of
from tests.attacks.sabotage.defence import Defence

VARIABLE = "SABOTAGE"
# A file for the names of those that were noticed.
NOTICED = "SABOTAGE_NOTICED"


@cache
def _chosen() -> dict[str, Defence]:
    return {name: DEFENCES[name] for name in os.environ.get(VARIABLE, "").split()}


@cache
def _by_file() -> dict[Path, Defence]:
    return {path: defence for name, defence in _chosen().items() for path in files_of(name)}


def _of(item: pytest.Item) -> Defence | None:
    return _by_file().get(item.path)


def pytest_collection_finish() -> None:
    """Load every page first: what is imported without its defence would stay so for other tests."""
    import_module("config.urls")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Run a test without its defence; once one test has noticed, the others are left out."""
    defence = _of(item)
    if defence is None:
        return (yield)
    defence.tests += 1
    if defence.noticed_by:
        item.add_marker(pytest.mark.skip(reason="noticed already"))
        return (yield)
    with pytest.MonkeyPatch.context() as patch:
        defence.remove(patch)
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[Any]:
    """A test that fails has noticed, unless what failed is the sabotage or the preparation."""
    report = yield
    defence = _of(item)
    if defence is not None and report.failed:
        if report.when != "call":
            defence.broken.append(f"{item.name} could not begin")
        elif call.excinfo is not None and _ended_here(call.excinfo):
            defence.broken.append(f"{item.name} ended in it")
        else:
            defence.noticed_by.append(item.name)
    return report


def _ended_here(failure: pytest.ExceptionInfo[BaseException]) -> bool:
    """Whether of all our own code it was a sabotage that went on last."""
    paths = [Path(entry.path) for entry in failure.traceback]
    ours = [path for path in paths if TESTS.parent in path.parents and ".venv" not in path.parts]
    return bool(ours) and Path(__file__).parent in ours[-1].parents


def pytest_sessionfinish(session: pytest.Session) -> None:
    if not _chosen():
        return
    noticed = [name for name, defence in _chosen().items() if defence.noticed_by]
    if NOTICED in os.environ:
        Path(os.environ[NOTICED]).write_text(" ".join(noticed), encoding="utf-8")
    if session.exitstatus in {0, 1}:
        session.exitstatus = 0 if len(noticed) == len(_chosen()) else 1


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for name, defence in _chosen().items():
        if defence.noticed_by:
            result = f"noticed by {defence.noticed_by[0]}"
        elif defence.broken:
            result = f"BROKEN: {defence.broken[0]}"
        else:
            result = f"NOT NOTICED by any of {defence.tests} tests"
        terminalreporter.write_line(f"{name:<16} {defence.what:<68}  {result}")
