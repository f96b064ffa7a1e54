"""Every import follows the map."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
LAYERS = [
    "config", "console", "idp", "access", "sessions", "mfa", "accounts", "devices | risk", "policy",
    "audit", "protection", "core",
]  # fmt: skip
ROOMS = [room for layer in LAYERS for room in layer.split(" | ")]


def contracts() -> dict[str, dict]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    return {contract["id"]: contract for contract in settings["contracts"]}


def test_every_contract_is_kept():
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout
    assert f"{len(contracts())} kept, 0 broken" in done.stdout


def test_no_contract_has_quietly_gone():
    assert contracts().keys() >= {
        "map", "pure-policy", "inside-policy", "inside", "views-are-private", "authlib-in-idp",
        "factors-in-mfa",
    }  # fmt: skip


def test_every_room_stands_on_the_map():
    assert contracts()["map"]["layers"] == LAYERS
    folders = {path.parent.name for path in ROOT.glob("*/apps.py")}
    assert folders <= set(ROOMS)


def test_no_contract_makes_an_exception():
    assert not [c["id"] for c in contracts().values() if "ignore_imports" in c]


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_says_what_it_is_for(room):
    text = (ROOT / room / "__init__.py").read_text()

    assert text.startswith('"""')
