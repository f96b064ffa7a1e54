"""What a machine looks like: one module a system, one function a check."""

from datetime import datetime
from typing import Any

from examples.posture_agent.collect import linux, macos, windows
from examples.posture_agent.collect.check import CHECKS, UNSEEN, Seen
from examples.posture_agent.machine import Machine

MAX_TEXT_LENGTH = 100
SYSTEMS = {"linux": linux, "macos": macos, "windows": windows}


def collect(machine: Machine, *, key_storage: str, now: datetime) -> dict[str, Any]:
    """`os`, `checks` and `hardware` of a report. What this system cannot tell is missing."""
    system = SYSTEMS.get(machine.system)
    seen: dict[str, Seen] = system.look(machine, now=now) if system else {}
    seen["hardware_key"] = Seen("fail" if key_storage == "software" else "pass", key_storage)
    observed_at = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    described = system.describe(machine) if system else {"name": machine.system, "version": ""}
    hardware = _short(system.hardware(machine)) if system else {}
    return {
        "os": _short(described),
        "checks": [_written(name, seen.get(name, UNSEEN), observed_at) for name in CHECKS],
        **({"hardware": hardware} if hardware else {}),
    }


def _short(said: dict[str, str]) -> dict[str, str]:
    """Texts as the server takes them: printable, and no longer than this."""
    return {
        name: "".join(filter(str.isprintable, text))[:MAX_TEXT_LENGTH]
        for name, text in said.items()
    }


def _written(name: str, seen: Seen, observed_at: str) -> dict[str, Any]:
    check: dict[str, Any] = {"id": name, "status": seen.status, "observed_at": observed_at}
    if seen.value is not None:
        check["value"] = seen.value
    return check
