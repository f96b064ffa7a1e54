"""A real Apache httpd for one test module: its own process, ports, configuration and folder.

As root on Debian, `why_not` installs it where it is missing; elsewhere its answer names the
command that does. Nothing of the machine's own Apache is read or touched.
"""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Self

from cryptography import x509

from tests.support.elsewhere import authority

PACKAGES = ("apache2-bin", "libapache2-mod-auth-openidc")
COMMAND = f"apt-get install {' '.join(PACKAGES)}"
MODULES = Path("/usr/lib/apache2/modules")
NEEDED = (
    *("mpm_event", "authn_core", "authz_core", "authz_user", "headers", "proxy", "proxy_http"),
    *("ssl", "auth_openidc"),
)
STARTS_WITHIN_SECONDS = 20
CONFIGURATION = """
ServerRoot "{folder}"
ServerName localhost
PidFile "{folder}/httpd.pid"
ErrorLog "{folder}/error.log"
LogLevel warn auth_openidc:info
Mutex file:{folder}/run default
TraceEnable off
{modules}
{user}
StartServers 1
ServerLimit 1
ThreadsPerChild 24
MaxRequestWorkers 24
MinSpareThreads 1
MaxSpareThreads 24
{listen}
SSLSessionCache none
{sites}
"""
TLS = """
    SSLEngine on
    SSLCertificateFile "{folder}/server.pem"
    SSLCertificateKeyFile "{folder}/server.key"
    SSLProtocol -all +TLSv1.2 +TLSv1.3
"""


@cache
def why_not() -> str:
    """Why Apache cannot run here; empty if it can."""
    if _is_there():
        return ""
    if os.geteuid() == 0 and shutil.which("apt-get"):
        with (Path(tempfile.gettempdir()) / "sallyport-httpd.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not _is_there():
                _install()
    return "" if _is_there() else f"Apache with mod_auth_openidc is not here: {COMMAND}"


def _is_there() -> bool:
    return _program() is not None and all((MODULES / f"mod_{each}.so").exists() for each in NEEDED)


def _program() -> str | None:
    # Debian keeps it where ordinary people have no path.
    return shutil.which("apache2", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def _install() -> None:
    for words in (("update",), ("install", "-y", "--no-install-recommends", *PACKAGES)):
        subprocess.run(
            ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120", *words],
            env={"DEBIAN_FRONTEND": "noninteractive", **os.environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )


class Httpd:
    """Sites over TLS on ports of localhost, with a certificate of the tests' authority.

    with Httpd() as httpd:
        httpd.add_site(port, "...directives of a virtual host...")
        httpd.start()
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="sallyport-httpd-"))
        self.folder.chmod(0o755)  # its workers are not root
        (self.folder / "run").mkdir()
        self.process: subprocess.Popen[bytes] | None = None
        self._sites: dict[int, str] = {}
        names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
        certificate, key = authority().sign(names)
        self.write("server.pem", certificate)
        self.write("server.key", key)
        self.trusted = self.write("authority.pem", authority().pem.encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def write(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        return path

    def add_site(self, port: int, directives: str) -> None:
        self._sites[port] = directives

    def start(self) -> None:
        """Start it and wait until every site takes connections."""
        user = "User www-data\nGroup www-data" if os.geteuid() == 0 else ""
        tls = TLS.format(folder=self.folder)
        configuration = CONFIGURATION.format(
            folder=self.folder,
            user=user,
            modules="\n".join(
                f'LoadModule {each}_module "{MODULES}/mod_{each}.so"' for each in NEEDED
            ),
            listen="\n".join(f"Listen 127.0.0.1:{port}" for port in self._sites),
            sites="\n".join(
                f"<VirtualHost 127.0.0.1:{port}>{tls}{directives}</VirtualHost>"
                for port, directives in self._sites.items()
            ),
        )
        path = self.write("httpd.conf", configuration.encode())
        self.process = subprocess.Popen(
            [str(_program()), "-DFOREGROUND", "-f", str(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / "start.log").open("wb"),
            start_new_session=True,
        )
        deadline = time.monotonic() + STARTS_WITHIN_SECONDS
        for port in self._sites:
            while not _is_open(port):
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"Apache does not start:\n{self.logs()}")
                time.sleep(0.05)

    def logs(self) -> str:
        """The end of what it said."""
        files = (self.folder / "start.log", self.folder / "error.log")
        return "".join(file.read_text(errors="replace")[-6000:] for file in files if file.exists())


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
