"""Makes `.venv` from the hash-locked requirements; run by `make`, with any Python that fits.

Safe to interrupt and to run twice at once: a lock lets one run install, and a stamp that names the
requirements is written last. Standard library only.
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
VENV = PROJECT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "installed"
REQUIREMENTS = ("requirements.txt", "requirements-dev.txt")


def main() -> None:
    """Install what the requirements say, unless just that is installed."""
    with (PROJECT / REQUIREMENTS[0]).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = _wanted()
        if _installed() == wanted and _runs("-c", ""):
            return
        STAMP.unlink(missing_ok=True)
        if not _runs("-m", "pip", "--version"):
            print("Making .venv …", file=sys.stderr, flush=True)
            shutil.rmtree(VENV, ignore_errors=True)
            _do(sys.executable, "-m", "venv", str(VENV))
        print("Installing the locked requirements into .venv …", file=sys.stderr, flush=True)
        files = [part for name in REQUIREMENTS for part in ("-r", name)]
        _do(
            *(str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            # The lock names every package: looking for more would only find what is newer than it.
            *("--no-input", "--require-hashes", "--no-deps", *files),
        )
        STAMP.write_text(wanted)


def _wanted() -> str:
    digest = hashlib.sha256(repr(sys.version_info[:2]).encode())
    for name in REQUIREMENTS:
        digest.update((PROJECT / name).read_bytes())
    return digest.hexdigest()


def _installed() -> str:
    try:
        return STAMP.read_text()
    except OSError:
        return ""


def _runs(*words: str) -> bool:
    try:
        return subprocess.run([PYTHON, *words], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _do(*command: str) -> None:
    if subprocess.run(command, cwd=PROJECT, stdin=subprocess.DEVNULL, check=False).returncode:
        sys.exit(f"sallyport: `{' '.join(command[:5])} …` failed: see above, then try again.")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("sallyport: interrupted; the next `make` goes on from here.")
