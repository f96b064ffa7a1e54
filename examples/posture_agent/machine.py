"""The machine that is looked at: its files, and what its commands print.

With a root other than `/` nothing of the real machine is read: files come from below that root, and
a command's output from `<root>/commands/<the command line, / written as _>`, where it was recorded.
"""

import os
import platform
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

COMMAND_TIMEOUT_SECONDS = 30
MAX_READ_BYTES = 1 << 20
MAX_LINKS = 16


@dataclass(frozen=True)
class Machine:
    """root: where its file system begins. system: linux, macos, windows or other."""

    root: Path = Path("/")
    system: str = "other"

    @property
    def is_real(self) -> bool:
        return self.root == Path("/")

    def path(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def text(self, path: str) -> str | None:
        """What a file says, or None if it cannot be read."""
        content = self.content(path)
        return None if content is None else content.decode(errors="replace")

    def content(self, path: str) -> bytes | None:
        try:
            with self.path(path).open("rb") as file:
                return file.read(MAX_READ_BYTES)
        except OSError:
            return None

    def names(self, path: str) -> list[str]:
        """The names in a folder, sorted; none if it cannot be read."""
        try:
            return sorted(entry.name for entry in self.path(path).iterdir())
        except OSError:
            return []

    def exists(self, path: str) -> bool:
        try:
            return self.path(path).exists()
        except OSError:
            return False

    def changed_at(self, path: str) -> datetime | None:
        try:
            return datetime.fromtimestamp(self.path(path).stat().st_mtime, UTC)
        except OSError:
            return None

    def owner(self, path: str) -> int | None:
        try:
            return self.path(path).stat().st_uid
        except OSError:
            return None

    def run(self, *command: str) -> str | None:
        """What a command prints on both channels, or None if it is absent, slow or fails."""
        if not self.is_real:
            return self.text("commands/" + " ".join(command).replace("/", "_"))
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=COMMAND_TIMEOUT_SECONDS,
                check=False,
                env=os.environ | {"LC_ALL": "C"},
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.decode(errors="replace") if done.returncode == 0 else None

    def environment(self) -> dict[str, str]:
        if self.is_real:
            return dict(os.environ)
        lines = (self.run("env") or "").splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def home(self) -> str:
        """The home folder of whoever the agent runs for."""
        if self.is_real:
            return str(Path.home())
        return self.environment().get("HOME") or "/root"


def this_machine(root: Path = Path("/")) -> Machine:
    """The real one, or the one below a root; which is a Linux machine unless it says otherwise."""
    if root != Path("/"):
        says = (root / "system").read_text().strip() if (root / "system").exists() else "linux"
        return Machine(root.resolve(), says)
    known = {"Linux": "linux", "Darwin": "macos", "Windows": "windows"}
    return Machine(root, known.get(platform.system(), "other"))
