"""macOS, by what its commands and property lists say to everybody."""

import plistlib
import re
from datetime import UTC, datetime
from typing import Any

from examples.posture_agent.collect.check import Seen, judged, patched
from examples.posture_agent.machine import Machine

FIREWALL = "/usr/libexec/ApplicationFirewall/socketfilterfw"
SOFTWARE_UPDATE = "/Library/Preferences/com.apple.SoftwareUpdate.plist"
INSTALL_HISTORY = "/Library/Receipts/InstallHistory.plist"
UPDATERS = {"softwareupdated", "SoftwareUpdateNotificationManager", "macOS Installer"}


def look(machine: Machine, *, now: datetime) -> dict[str, Seen]:
    return {
        "os_patch_age": patch_age(machine, now=now),
        "disk_encryption": judged(file_vault(machine.run("fdesetup", "status"))),
        "screen_lock": judged(screen_lock(machine.run("sysadminctl", "-screenLock", "status"))),
        "endpoint_protection": judged(gatekeeper(machine.run("spctl", "--status"))),
        "firewall": judged(firewall(machine.run(FIREWALL, "--getglobalstate"))),
        "secure_boot": judged(secure_boot(machine.run("system_profiler", "SPiBridgeDataType"))),
        "managed": judged(managed(machine.run("profiles", "status", "-type", "enrollment"))),
        "rooted": judged(integrity(machine.run("csrutil", "status"))),
    }


def describe(machine: Machine) -> dict[str, str]:
    said = dict(re.findall(r"^(\w+):\s*(.+?)\s*$", machine.run("sw_vers") or "", re.MULTILINE))
    os_ = {"name": said.get("ProductName", "macOS"), "version": said.get("ProductVersion", "")}
    return os_ | ({"build": said["BuildVersion"]} if "BuildVersion" in said else {})


def hardware(machine: Machine) -> dict[str, str]:
    says = machine.run("ioreg", "-rd1", "-c", "IOPlatformExpertDevice") or ""
    names = {"serial": "IOPlatformSerialNumber", "uuid": "IOPlatformUUID"}
    found = {kind: re.search(rf'"{name}" = "([^"]+)"', says) for kind, name in names.items()}
    return {kind: match[1] for kind, match in found.items() if match}


def file_vault(says: str | None) -> bool | None:
    """Encryption that is still under way, or being undone, protects nothing yet."""
    if says is None or "in progress" in says:
        return False if says else None
    state = re.search(r"FileVault is (On|Off)", says)
    return None if state is None else state[1] == "On"


def firewall(says: str | None) -> bool | None:
    state = re.search(r"State = (\d)", says or "")
    return None if state is None else state[1] != "0"


def gatekeeper(says: str | None) -> bool | None:
    """XProtect scans what Gatekeeper assesses; so it is on while assessments are."""
    state = re.search(r"assessments (enabled|disabled)", says or "")
    return None if state is None else state[1] == "enabled"


def screen_lock(says: str | None) -> bool | None:
    if says is None:
        return None
    if re.search(r"screenLock is off", says):
        return False
    return True if re.search(r"screenLock delay is (immediate|\d+ seconds)", says) else None


def secure_boot(says: str | None) -> bool | None:
    """Macs with a T2 chip say it here; where nothing is said, it is unknown."""
    state = re.search(r"Secure Boot:\s*(.+)", says or "")
    return None if state is None else state[1].strip() == "Full Security"


def managed(says: str | None) -> bool | None:
    state = re.search(r"MDM enrollment:\s*(Yes|No)", says or "")
    return None if state is None else state[1] == "Yes"


def integrity(says: str | None) -> bool | None:
    """System Integrity Protection: off means that the system can be rewritten."""
    state = re.search(r"System Integrity Protection status:\s*(\w+)", says or "")
    return None if state is None else {"enabled": True, "disabled": False}.get(state[1])


def patch_age(machine: Machine, *, now: datetime) -> Seen:
    """The last successful look for updates if it left none; else the last update installed."""
    settings = _plist(machine, SOFTWARE_UPDATE)
    if isinstance(settings, dict) and settings.get("LastUpdatesAvailable") == 0:
        looked = settings.get("LastSuccessfulDate")
        if isinstance(looked, datetime):
            return patched(looked.replace(tzinfo=UTC), now=now)
    history = _plist(machine, INSTALL_HISTORY)
    installed = [
        entry["date"].replace(tzinfo=UTC)
        for entry in (history if isinstance(history, list) else [])
        if isinstance(entry, dict)
        and entry.get("processName") in UPDATERS
        and isinstance(entry.get("date"), datetime)
    ]
    return patched(max(installed, default=None), now=now)


def _plist(machine: Machine, path: str) -> Any:
    content = machine.content(path)
    try:
        return None if content is None else plistlib.loads(content)
    except (plistlib.InvalidFileException, ValueError, OverflowError):
        return None
