"""Floors under what we depend on: below them stand known holes."""

import re
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent.parent
FLOORS = {
    "authlib": "1.7.1",  # CVE-2026-27962, CVE-2026-28490, CVE-2026-28498, CVE-2026-41479
    "joserfc": "1.7.4",
    "django": "5.2.15",
    "django-allauth": "65.21.1",  # the row lock on recovery codes
    "cryptography": "46.0.0",
    "pyjwt": "2.13.0",  # CVE-2026-32597, CVE-2026-48526
    "oauthlib": "3.2.2",
}
NEEDED = {"authlib", "joserfc", "django", "django-allauth", "cryptography"}
BANNED = ["python-jose", "regorus", "pycrypto", "django-debug-toolbar"]
LOCKS = ["requirements.txt", "requirements-dev.txt"]
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^ \\;]+)", re.MULTILINE)


def pins(lock: str) -> dict[str, str]:
    found = PIN.findall((ROOT / lock).read_text())
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in found}


@pytest.mark.parametrize(("name", "floor"), FLOORS.items())
def test_what_is_installed_stands_above_its_floor(name, floor):
    try:
        installed = metadata.version(name)
    except metadata.PackageNotFoundError:
        assert name not in NEEDED
        return
    assert Version(installed) >= Version(floor)


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize(("name", "floor"), FLOORS.items())
def test_so_does_what_is_locked(lock, name, floor):
    version = pins(lock).get(name)

    assert version is None or Version(version) >= Version(floor)
    assert version is not None or lock != "requirements.txt" or name not in NEEDED


@pytest.mark.parametrize("name", BANNED)
def test_these_are_never_taken(name):
    assert all(name not in pins(lock) for lock in LOCKS)
    with pytest.raises(metadata.PackageNotFoundError):
        metadata.version(name)


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_is_locked_by_hashes_and_comes_from_an_index(lock):
    text = (ROOT / lock).read_text()
    entries = re.split(r"\n(?=[A-Za-z0-9])", text)
    unhashed = [
        entry.split("\n")[0]
        for entry in entries
        if PIN.match(entry) and "--hash=sha256:" not in entry
    ]

    assert unhashed == []
    assert not re.search(r"git\+|https?://|^-e |--(extra-)?index-url", text, re.MULTILINE)


def test_the_locks_name_every_package():
    """So that `config.install` need not look for more, which would find what is newer than them."""
    missing = []
    for name in {**pins(LOCKS[0]), **pins(LOCKS[1])}:
        for text in metadata.requires(name) or []:
            need = Requirement(text)
            if need.marker is not None and not need.marker.evaluate({"extra": ""}):
                continue
            if not need.specifier.contains(metadata.version(need.name)):
                missing.append(f"{name} needs {need}")

    assert missing == []
    assert '"--no-deps"' in (ROOT / "config" / "install.py").read_text()


def test_one_second_factor_stack():
    """Two would each think that the other has asked (D7)."""
    from django.conf import settings

    assert "allauth.mfa" not in settings.INSTALLED_APPS
    assert settings.OTP_TOTP_SYNC is False
