"""Runs the scripts of `tests/interop/javascript` against an instance, each a library's own way."""

import fcntl
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey

from tests.support.instance import Instance

FOLDER = Path(__file__).parent / "javascript"
OLDEST_NODE = 20
SCRIPT_SECONDS = 180
# Nobody listens there: the scripts stop where the browser would leave for the application.
CALLBACK, SIGNED_OUT = "https://app.acme.example/callback", "https://app.acme.example/"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"

Steps = dict[str, dict[str, Any]]


def why_not() -> str:
    """Why the libraries cannot run here; empty if they can."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "node and npm are not here (only these tests need them)"
    said = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False)
    found = re.match(r"v(\d+)", said.stdout)
    if found is None or int(found[1]) < OLDEST_NODE:
        return f"node {said.stdout.strip()} is older than {OLDEST_NODE}, which the libraries want"
    return ""


def play(script: str, instance: Instance, **further: Any) -> Steps:
    """What the library saw, by step. further: what the script's scene has beside demo.json."""
    _install()
    scene = instance.var / f"{script}.json"
    scene.write_text(json.dumps(instance.demo | further))
    flow = subprocess.run(
        ["node", str(FOLDER / f"{script}.mjs"), str(scene)],
        capture_output=True,
        text=True,
        check=False,
        timeout=SCRIPT_SECONDS,
    )
    assert flow.returncode == 0, f"{flow.stdout}\n{flow.stderr}\n{instance.logs('web')[-3000:]}"
    return {step.pop("step"): step for step in map(json.loads, flow.stdout.splitlines())}


def keys_in_place_of_secrets(instance: Instance) -> dict[str, Any]:
    """A scene's client with the FAPI 2 profile, and a token by which two more register themselves."""
    key = ECKey.generate_key("P-256", {"kid": "interop-1", "alg": "ES256", "use": "sig"})
    metadata = instance.var / "fapi2.json"
    metadata.write_text(
        json.dumps(
            {
                "security_profile": "fapi2",
                "jwks": {"keys": [key.as_dict(private=False)]},
                "dpop_bound_access_tokens": True,
            }
        )
    )
    said = instance.manage(
        *("register_client", "acme", "Vault", "--auth-method", "private_key_jwt"),
        *("--redirect-uri", CALLBACK, "--post-logout-redirect-uri", SIGNED_OUT),
        *("--metadata", str(metadata)),
    )
    token = instance.manage(
        *("make_initial_access_token", "acme", "--uses", "2"),
        *("--grant-type", "authorization_code", "--grant-type", "refresh_token"),
        *("--grant-type", DEVICE_CODE),
    )
    return {
        "callback": CALLBACK,
        "signed_out": SIGNED_OUT,
        "fapi2": {"client_id": _told(said, "client_id"), "jwk": key.as_dict(private=True)},
        "initial_access_token": _told(token, "initial_access_token"),
    }


def _told(printed: str, name: str) -> str:
    (value,) = re.findall(rf"^{name}: (\S+)$", printed, re.MULTILINE)
    return str(value)


def _install() -> None:
    """Bring the libraries of the lock file, once for all who run at the same time."""
    with (Path(tempfile.gettempdir()) / f"sallyport-npm-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done, wanted = FOLDER / "node_modules/.package-lock.json", FOLDER / "package-lock.json"
        if done.exists() and done.stat().st_mtime >= wanted.stat().st_mtime:
            return
        answer = subprocess.run(
            ["npm", "ci", "--ignore-scripts"],
            cwd=FOLDER,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    if answer.returncode:
        reason = f"npm ci failed: {answer.stderr[-500:]}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
