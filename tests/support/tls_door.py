"""TLS in front of a running instance, and a home whose browser trusts it.

Browsers speak Device Bound Session Credentials over TLS alone, and only where they trust the
certificate by themselves: an exception on the command line is not enough.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any, Self

from cryptography import x509

from tests.support.elsewhere import authority, server_context

PACKAGE = "libnss3-tools"


class TlsDoor(ThreadingTCPServer):
    """https://localhost on a free port; what comes in goes on to a port of plain HTTP."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Visitor)
        self.inner_port = 0
        context = server_context([x509.DNSName("localhost")])
        self.socket = context.wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False
        )

    @property
    def url(self) -> str:
        return f"https://localhost:{self.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, *_: Any) -> None:
        """A browser that hangs up is no fault."""


class _Visitor(BaseRequestHandler):
    server: TlsDoor

    def handle(self) -> None:
        with socket.create_connection(("127.0.0.1", self.server.inner_port)) as inner:
            back = threading.Thread(target=_pour, args=(inner, self.request), daemon=True)
            back.start()
            _pour(self.request, inner)
            back.join()


def _pour(source: Any, target: Any) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
        source.shutdown(socket.SHUT_RD)


def trusting_home() -> Path:
    """A new home folder whose NSS database trusts the authority of the tests."""
    home = Path(tempfile.mkdtemp(prefix="sallyport-home-"))
    database = home / ".pki" / "nssdb"
    database.mkdir(parents=True)
    (home / "authority.pem").write_text(authority().pem)
    for words in (
        ("-N", "--empty-password"),
        ("-A", "-t", "C,,", "-n", "tests", "-i", str(home / "authority.pem")),
    ):
        subprocess.run([_certutil(), "-d", f"sql:{database}", *words], check=True)
    return home


def _certutil() -> str:
    """The one on the path, or out of Debian's package; fails with one sentence without any."""
    found = os.environ.get("CERTUTIL") or shutil.which("certutil")
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        found = _by_apt()
    if found is None:
        sys.exit(
            f"sallyport: the browser tests of bound sessions need certutil: install {PACKAGE}, or "
            "name one in CERTUTIL."
        )
    return found


def _by_apt() -> str | None:
    quiet = {"DEBIAN_FRONTEND": "noninteractive", **os.environ}
    for words in (("update",), ("install", "-y", "--no-install-recommends", PACKAGE)):
        subprocess.run(
            ["apt-get", "-qq", *words],
            env=quiet,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            check=False,
        )
    return shutil.which("certutil")
