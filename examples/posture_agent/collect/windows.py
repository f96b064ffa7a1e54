"""Windows, by what its commands say.

Some of them tell only an administrator: then another says as much to everybody, or it is missing.
"""

import json
import re
from datetime import UTC, datetime
from typing import Any

from examples.posture_agent.collect.check import Seen, all_of, judged, patched
from examples.posture_agent.machine import Machine

PROTECTED, UNPROTECTED = {"1"}, {"2", "3", "4", "5", "6"}  # System.Volume.BitLockerProtection
VOLUME = (
    "(New-Object -ComObject Shell.Application).NameSpace($env:SystemDrive).Self"
    ".ExtendedProperty('System.Volume.BitLockerProtection')"
)
DEFENDER = (
    "Get-MpComputerStatus | Select-Object AMServiceEnabled,AntivirusEnabled,"
    "RealTimeProtectionEnabled,AntivirusSignatureAge | ConvertTo-Json"
)
NEWEST_PATCH = (
    "(Get-HotFix | Where-Object InstalledOn | Sort-Object InstalledOn | Select-Object -Last 1)"
    ".InstalledOn.ToString('yyyy-MM-dd')"
)
PRODUCT = (
    "Get-CimInstance Win32_ComputerSystemProduct | Select-Object IdentifyingNumber,UUID"
    " | ConvertTo-Json"
)
OLDEST_GOOD_SIGNATURES_DAYS = 7
SECURE_BOOT_STATE = r"HKLM\SYSTEM\CurrentControlSet\Control\SecureBoot\State"
DESKTOP = r"HKCU\Control Panel\Desktop"
POLICY = r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System"


def look(machine: Machine, *, now: datetime) -> dict[str, Seen]:
    return {
        "os_patch_age": patched(day(powershell(machine, NEWEST_PATCH)), now=now),
        "disk_encryption": judged(disk_encryption(machine)),
        "screen_lock": judged(screen_lock(machine)),
        "endpoint_protection": judged(defender(powershell(machine, DEFENDER))),
        "firewall": judged(
            firewall(machine.run("netsh", "advfirewall", "show", "allprofiles", "state"))
        ),
        "secure_boot": judged(secure_boot(machine)),
        "managed": judged(managed(machine.run("dsregcmd", "/status"))),
    }


def describe(machine: Machine) -> dict[str, str]:
    says = re.search(r"\[Version ([\d.]+)\]", machine.run("cmd", "/c", "ver") or "")
    return {"name": "Windows", "version": says[1] if says else ""}


def hardware(machine: Machine) -> dict[str, str]:
    try:
        said: Any = json.loads(powershell(machine, PRODUCT) or "")
    except ValueError:
        return {}
    names = {"serial": "IdentifyingNumber", "uuid": "UUID"}
    found = {kind: said.get(name) for kind, name in names.items()} if isinstance(said, dict) else {}
    return {kind: text for kind, text in found.items() if isinstance(text, str) and text}


def powershell(machine: Machine, script: str) -> str | None:
    return machine.run("powershell", "-NoProfile", "-NonInteractive", "-Command", script)


def disk_encryption(machine: Machine) -> bool | None:
    says = manage_bde(machine.run("manage-bde", "-status", "C:"))
    return shell_protection(powershell(machine, VOLUME)) if says is None else says


def manage_bde(says: str | None) -> bool | None:
    """Protection that is suspended leaves the key on the disk in clear."""
    state = re.search(r"Protection Status:\s*Protection (On|Off)", says or "")
    done = re.search(r"Percentage Encrypted:\s*([\d.,]+)\s*%", says or "")
    if state is None or done is None:
        return None
    return state[1] == "On" and done[1].replace(",", ".").startswith("100")


def shell_protection(says: str | None) -> bool | None:
    value = (says or "").strip()
    return True if value in PROTECTED else False if value in UNPROTECTED else None


def defender(says: str | None) -> bool | None:
    """On, watching, and with signatures of this week."""
    try:
        status: Any = json.loads(says or "")
    except ValueError:
        return None
    if not isinstance(status, dict):
        return None
    age = status.get("AntivirusSignatureAge")
    fresh = age <= OLDEST_GOOD_SIGNATURES_DAYS if isinstance(age, int) else None
    names = ("AMServiceEnabled", "AntivirusEnabled", "RealTimeProtectionEnabled")
    values = [status.get(name) for name in names]
    return all_of([*(value if isinstance(value, bool) else None for value in values), fresh])


def firewall(says: str | None) -> bool | None:
    """On for every profile: whoever controls the network chooses which one applies."""
    states = re.findall(r"^State\s+(ON|OFF)\s*$", says or "", re.MULTILINE)
    return all_of(state == "ON" for state in states)


def secure_boot(machine: Machine) -> bool | None:
    says = (powershell(machine, "Confirm-SecureBootUEFI") or "").strip()
    if says in {"True", "False"}:
        return says == "True"
    value = registry(machine, SECURE_BOOT_STATE, "UEFISecureBootEnabled")
    return {"0x1": True, "0x0": False}.get(value or "")


def screen_lock(machine: Machine) -> bool | None:
    """A screen saver that asks for the password, or the machine's own limit of idleness."""
    limit = registry(machine, POLICY, "InactivityTimeoutSecs")
    if limit is not None and re.fullmatch(r"0x0*[1-9a-f][0-9a-f]*", limit):
        return True
    names = ("ScreenSaveActive", "ScreenSaverIsSecure")
    known = {"1": True, "0": False}
    return all_of(known.get(registry(machine, DESKTOP, name) or "") for name in names)


def registry(machine: Machine, key: str, name: str) -> str | None:
    says = machine.run("reg", "query", key, "/v", name)
    value = re.search(rf"^\s*{name}\s+REG_\w+\s+(\S+)", says or "", re.MULTILINE)
    return None if value is None else value[1]


def managed(says: str | None) -> bool | None:
    """Has an address of a device management."""
    if says is None:
        return None
    if re.search(r"MdmUrl\s*:\s*https://\S+", says):
        return True
    return False if "AzureAdJoined" in says else None


def day(says: str | None) -> datetime | None:
    try:
        return datetime.strptime((says or "").strip(), "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None
