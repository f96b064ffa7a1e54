"""Runs the tests of the defences named, each without its defence; see the package."""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.attacks.sabotage import DEFENCES, TESTS, files_of, named, part_of
from tests.attacks.sabotage.plugin import NOTICED, VARIABLE

RAN = {0, 1}  # pytest: all passed, some failed


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


def _run(names: list[str]) -> list[str]:
    """One run without these defences: those of them that were missed by no test."""
    files = [str(path) for name in names for path in files_of(name)]
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as noticed:
        run = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-p", "tests.attacks.sabotage.plugin", "-n0"),
                *("-q", "--tb=no", "--no-header", "-r", "N", "--disable-warnings", *files),
            ],
            cwd=TESTS.parent,
            env=os.environ | {VARIABLE: " ".join(names), NOTICED: noticed.name},
            check=False,
        )
        told = noticed.read().split()
    if run.returncode not in RAN:
        print("these tests could not run, which says nothing of the defences")
    return [name for name in names if name not in told]


def _part(text: str) -> tuple[int, int]:
    number, parts = (int(each) for each in text.split("/"))
    if not 1 <= number <= parts:
        raise ValueError
    return number, parts


def main(words: list[str]) -> int:
    """Run the tests of those named, of all without any; 0 if every sabotage was noticed."""
    parser = argparse.ArgumentParser(prog="make sabotage")
    parser.add_argument("names", nargs="*", help="of defences, attacks, classes or modules")
    parser.add_argument("--part", type=_part, default=(1, 1), metavar="2/6", help="one of several")
    asked = parser.parse_args(words)
    try:
        chosen = named(asked.names) if asked.names else list(DEFENCES)
    except KeyError as unknown:
        print(f"no sabotage is known for {unknown.args[0]}")
        return 2
    chosen = part_of(chosen, *asked.part)
    done, missed = 0, list[str]()
    for names in _rounds(chosen):
        missed += _run(names)
        done += len(names)
        print(
            f"{done} of {len(chosen)} taken away; not noticed: {' '.join(missed) or 'none'}",
            flush=True,
        )
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
