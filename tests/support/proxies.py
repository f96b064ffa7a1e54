"""Real proxies by the configurations of deploy/forward-auth, each for one test module.

nginx is installed where it is missing, as root on Debian (`why_not`); Caddy, Traefik and Envoy are
used where they are on the path. Nothing of the machine's own servers is read or touched.
"""

import fcntl
import os
import shutil
import signal
import ssl
import subprocess
import tempfile
import time
from contextlib import suppress
from http import HTTPStatus
from ipaddress import ip_address
from pathlib import Path
from typing import Self

import httpx
from cryptography import x509

from tests.support.elsewhere import authority

DEPLOY = Path(__file__).resolve().parents[2] / "deploy" / "forward-auth"
KINDS = ("nginx", "caddy", "traefik", "envoy")
HOST = "127.0.0.1"
STARTS_WITHIN_SECONDS = 20
NGINX = """
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/tmp; proxy_temp_path {folder}/tmp; fastcgi_temp_path {folder}/tmp;
    uwsgi_temp_path {folder}/tmp; scgi_temp_path {folder}/tmp;
    {site}
}}
"""
CADDY = """{{
	admin off
	auto_https disable_redirects
	skip_install_trust
	persist_config off
}}
{site}
"""
TRAEFIK = """
entryPoints:
  websecure:
    address: "127.0.0.1:{port}"
providers:
  file:
    filename: {folder}/dynamic.yml
    watch: false
log:
  level: WARN
"""


def why_not(kind: str) -> str:
    """Why this proxy cannot run here; empty if it can."""
    if kind == "nginx" and _program(kind) is None and os.geteuid() == 0 and shutil.which("apt-get"):
        with (Path(tempfile.gettempdir()) / "sallyport-nginx.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if _program(kind) is None:
                _install()
    if _program(kind):
        return ""
    how = "apt-get install nginx-light" if kind == "nginx" else "put it on the path"
    return f"{kind} is not here: {how}"


def _program(kind: str) -> str | None:
    return shutil.which(kind, path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def _install() -> None:
    for words in (("update",), ("install", "-y", "--no-install-recommends", "nginx-light")):
        subprocess.run(
            ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120", *words],
            env={"DEBIAN_FRONTEND": "noninteractive", **os.environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )


class Proxy:
    """One proxy over TLS on a port of loopback, before an application and us."""

    def __init__(self, kind: str, *, port: int, sallyport: int, application: int) -> None:
        self.kind, self.port = kind, port
        self.origin = f"https://{HOST}:{port}"
        self.folder = Path(tempfile.mkdtemp(prefix=f"sallyport-{kind}-"))
        self.folder.chmod(0o755)
        (self.folder / "tmp").mkdir()
        self.process: subprocess.Popen[bytes] | None = None
        certificate, key = authority().sign([x509.IPAddress(ip_address(HOST))])
        self.certificate = self._write("wiki.pem", certificate.decode())
        self.key = self._write("wiki.key", key.decode())
        self._ports = {":8000": f":{sallyport}", ":9000": f":{application}"}
        self._upstreams = (sallyport, application)

    def __enter__(self) -> Self:
        command = {
            "nginx": self._nginx,
            "caddy": self._caddy,
            "traefik": self._traefik,
            "envoy": self._envoy,
        }[self.kind]()
        self.process = subprocess.Popen(
            command,
            cwd=self.folder,
            env={**os.environ, "HOME": str(self.folder), "XDG_DATA_HOME": str(self.folder)},
            stdin=subprocess.DEVNULL,
            stdout=(self.folder / "said.log").open("wb"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        deadline = time.monotonic() + STARTS_WITHIN_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.kind} does not start:\n{self.logs()}")
            time.sleep(0.05)
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

    def _answers(self) -> bool:
        """Traefik listens before it has read which sites there are."""
        context = ssl.create_default_context(cadata=authority().pem)
        try:
            return httpx.get(f"{self.origin}/", verify=context).status_code != HTTPStatus.NOT_FOUND
        except httpx.TransportError:
            return False

    def logs(self) -> str:
        files = (self.folder / "said.log", self.folder / "error.log")
        return "".join(file.read_text(errors="replace")[-6000:] for file in files if file.exists())

    # --- each by its shipped configuration, for this host, these ports, this certificate ----------

    def _nginx(self) -> list[str]:
        site = self._filled(
            "nginx.conf",
            ("listen 443 ssl", f"listen {HOST}:{self.port} ssl"),
            ("server_name wiki.example.com", f"server_name {HOST}"),
            ("https://wiki.example.com;", f"{self.origin};"),
        )
        user = "user root;" if os.geteuid() == 0 else ""
        path = self._write("nginx.conf", NGINX.format(folder=self.folder, user=user, site=site))
        return [str(_program("nginx")), "-p", str(self.folder), "-c", str(path)]

    def _caddy(self) -> list[str]:
        site = self._filled(
            "Caddyfile",
            ("wiki.example.com {", f"{self.origin} {{\n\ttls {self.certificate} {self.key}"),
        )
        path = self._write("Caddyfile", CADDY.format(site=site))
        return [str(_program("caddy")), "run", "--adapter", "caddyfile", "--config", str(path)]

    def _traefik(self) -> list[str]:
        dynamic = self._filled(
            "traefik.yml", ("`wiki.example.com`", f"`{HOST}`"), ("`wiki.example.com`", f"`{HOST}`")
        )
        pair = f"certFile: {self.certificate}, keyFile: {self.key}"
        stores = f"\ntls:\n  stores:\n    default:\n      defaultCertificate: {{{pair}}}\n"
        self._write("dynamic.yml", dynamic + stores)
        path = self._write("traefik.yml", TRAEFIK.format(port=self.port, folder=self.folder))
        return [str(_program("traefik")), f"--configfile={path}"]

    def _envoy(self) -> list[str]:
        (sallyport, application) = self._upstreams
        whole = self._filled(
            "envoy.yaml",
            ("0.0.0.0, port_value: 443", f"{HOST}, port_value: {self.port}"),
            ('domains: ["wiki.example.com"]', f'domains: ["{HOST}:{self.port}"]'),
            ("port_value: 8000", f"port_value: {sallyport}"),
            ("port_value: 9000", f"port_value: {application}"),
        )
        path = self._write("envoy.yaml", whole)
        return [str(_program("envoy")), "-c", str(path), "--disable-hot-restart", "-l", "warn"]

    def _filled(self, name: str, *changes: tuple[str, str]) -> str:
        """A shipped file with what it says to change, changed; each of it has to be there."""
        text = (DEPLOY / name).read_text()
        paths = {"/etc/ssl/wiki.pem": self.certificate, "/etc/ssl/wiki.key": self.key}
        for old, new in {**paths, **self._ports}.items():
            text = text.replace(old, str(new))
        for old, new in changes:
            assert old in text, f"{name} has no {old} any more"
            text = text.replace(old, new, 1)
        return text

    def _write(self, name: str, content: str) -> Path:
        path = self.folder / name
        path.write_text(content)
        return path
