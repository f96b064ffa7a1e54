"""openid-client, a certified relying-party library that nobody here wrote, against the product.

The script drives the real pages as a browser without JavaScript would: password, authenticator
code, consent. Each test below looks at one step of the one flow.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.instance import Instance

SCRIPT = Path(__file__).parent / "openid_client"
OLDEST_NODE = 20
FLOW_SECONDS = 180


def _node_is_missing() -> str:
    """Why the library cannot run here; empty if it can."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "node and npm are not here (only this test needs them)"
    said = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False)
    found = re.match(r"v(\d+)", said.stdout)
    if found is None or int(found[1]) < OLDEST_NODE:
        return f"node {said.stdout.strip()} is older than {OLDEST_NODE}, which openid-client wants"
    return ""


pytestmark = [
    pytest.mark.instance,
    pytest.mark.skipif(bool(_node_is_missing()), reason=_node_is_missing() or "-"),
]


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with Instance(with_demo=True) as running:
        yield running


@pytest.fixture(scope="module")
def steps(instance: Instance) -> dict[str, dict[str, Any]]:
    """What the library saw, by step."""
    _install()
    flow = subprocess.run(
        ["node", str(SCRIPT / "flow.mjs"), str(instance.var / "demo.json")],
        capture_output=True,
        text=True,
        check=False,
        timeout=FLOW_SECONDS,
    )
    assert flow.returncode == 0, f"{flow.stdout}\n{flow.stderr}\n{instance.logs('web')[-3000:]}"
    return {step.pop("step"): step for step in map(json.loads, flow.stdout.splitlines())}


def _install() -> None:
    answer = subprocess.run(
        ["npm", "ci", "--ignore-scripts"],
        cwd=SCRIPT,
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        reason = f"npm ci failed: {answer.stderr[-500:]}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


def test_it_discovers_the_provider(steps: dict[str, dict[str, Any]], instance: Instance) -> None:
    assert steps["discovery"] == {
        "issuer": instance.base_url,
        "pkce": ["S256"],
        "iss_parameter": True,
        "signing": ["ES256", "RS256"],
    }


def test_it_signs_a_person_in_with_password_and_authenticator_code(
    steps: dict[str, dict[str, Any]],
) -> None:
    login = steps["login"]

    assert login["token_type"] == "bearer"
    assert login["expires_in"] == 900
    assert login["has_refresh_token"] is True
    assert login["acr"] == "aal2"
    assert {"pwd", "otp", "mfa"} <= set(login["amr"])


def test_it_reads_userinfo_of_the_same_person(
    steps: dict[str, dict[str, Any]], instance: Instance
) -> None:
    assert steps["userinfo"]["same_subject"] is True
    assert steps["userinfo"]["email"] in {user["email"] for user in instance.demo["users"]}


def test_it_introspects_a_live_token_and_nonsense(steps: dict[str, dict[str, Any]]) -> None:
    assert steps["introspection"]["active"] is True
    assert steps["introspection"]["nonsense_active"] is False


def test_it_gets_a_new_refresh_token_each_time(steps: dict[str, dict[str, Any]]) -> None:
    assert steps["refresh"] == {
        "different_refresh_tokens": 3,
        "different_access_tokens": 3,
        "same_subject": True,
    }


def test_a_replayed_refresh_token_ends_the_family(steps: dict[str, dict[str, Any]]) -> None:
    assert steps["reuse"] == {
        "replayed": "invalid_grant",
        "newest": "invalid_grant",
        "access_active": False,
    }


def test_a_revoked_refresh_token_is_refused(steps: dict[str, dict[str, Any]]) -> None:
    assert steps["revocation"] == {"refresh": "invalid_grant", "access_active": False}


def test_signing_out_ends_session_and_tokens(
    steps: dict[str, dict[str, Any]], instance: Instance
) -> None:
    (client,) = (each for each in instance.demo["clients"] if each["name"] == "demo")

    assert steps["logout"] == {
        "back_at": client["post_logout_redirect_uris"][0],
        "same_state": True,
        "silent_sign_in": "login_required",
        "refresh": "invalid_grant",
        "access_active": False,
    }
