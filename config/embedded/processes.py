"""Processes that may not be children of ours: are they alive, what are they, make them end."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

POLL_SECONDS = 0.02


def is_running(pid: int) -> bool:
    """Tell whether a process lives; a zombie does not, whosever child it is."""
    try:
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            return False
    except ChildProcessError:
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return _state(pid) != "Z"


def program_of(pid: int) -> str:
    """Name the program that a process runs, without its folder; empty when unknown."""
    try:
        return Path(f"/proc/{pid}/exe").readlink().name.removesuffix(" (deleted)")
    except OSError:
        pass
    if Path("/proc/self/exe").exists():
        return ""
    answer = subprocess.run(
        ["ps", "-o", "comm=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return Path(answer.stdout.strip()).name


def folder_of(pid: int) -> Path | None:
    """Say where a process works; None when the system does not tell."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink()
    except OSError:
        return None


def end(pid: int, *steps: tuple[signal.Signals, float]) -> bool:
    """Send each signal in turn, waiting its seconds for the process to end; True if it ended."""
    for number, patience in steps:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return True
        if wait_for_end([pid], seconds=patience):
            return True
    return False


def wait_for_end(pids: Sequence[int], *, seconds: float) -> bool:
    """Wait until none of the processes lives; False when some outlived the patience."""
    deadline = time.monotonic() + seconds
    while any(is_running(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _state(pid: int) -> str:
    try:
        # The name in parentheses may itself hold spaces and parentheses.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""
