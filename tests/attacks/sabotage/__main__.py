"""Runs the tests of the defences named, each without its defence; see the package."""

import os
import subprocess
import sys
from pathlib import Path

from tests.attacks.sabotage import DEFENCES, TESTS, files_of, named
from tests.attacks.sabotage.plugin import VARIABLE


def _rounds(names: list[str]) -> list[list[str]]:
    """These defences in as few runs as can be: in each of them a file is for one defence."""
    rounds: list[dict[Path, str]] = []
    for name in names:
        files = files_of(name)
        free = next((taken for taken in rounds if taken.keys().isdisjoint(files)), None)
        if free is None:
            rounds.append(free := {})
        free.update(dict.fromkeys(files, name))
    return [list(dict.fromkeys(taken.values())) for taken in rounds]


def _run(names: list[str]) -> int:
    """One run without these defences."""
    files = [str(path) for name in names for path in files_of(name)]
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "tests.attacks.sabotage.plugin", "-n0", "-q"),
            *("--tb=no", "--no-header", "-r", "N", "--disable-warnings", *files),
        ],
        cwd=TESTS.parent,
        env=os.environ | {VARIABLE: " ".join(names)},
        check=False,
    ).returncode


def main(names: list[str]) -> int:
    """Run the tests of these, of all without any; 0 if every sabotage was noticed."""
    try:
        chosen = named(names) if names else list(DEFENCES)
    except KeyError as unknown:
        print(f"no sabotage is known for {unknown.args[0]}")
        return 2
    return max([_run(part) for part in _rounds(chosen)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
