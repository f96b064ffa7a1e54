"""A real Open Policy Agent follows the published policy, and a product that is judged by it."""

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.policy.test_decisions import GOOD
from tests.support import opa
from tests.support.instance import Instance
from tests.support.opa import Opa

pytestmark = pytest.mark.instance
RULES = Path(__file__).resolve().parent.parent.parent / "policies"
WITHIN_SECONDS = 30
CLOSED = 'reasons contains "closed" if input.trigger == "refresh"\n'


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    opa.binary()
    with Instance(with_demo=True) as running:
        yield running


@pytest.fixture(scope="module")
def configuration(instance: Instance) -> str:
    """What docs/operate.md says."""
    said = instance.manage(
        *("register_client", "acme", "OPA", "--grant-type", "client_credentials"),
        *("--scope", "policy:read"),
    )
    told = dict(re.findall(r"^(client_id|client_secret): (\S+)$", said, re.MULTILINE))
    token = httpx.post(
        f"{instance.base_url}/oauth/token",
        data={"grant_type": "client_credentials", "scope": "policy:read"},
        auth=(told["client_id"], told["client_secret"]),
    ).json()["access_token"]
    return json.dumps(
        {
            # By itself OPA gets a token where the address is https.
            "services": {
                "sallyport": {
                    "url": instance.base_url,
                    "credentials": {"bearer": {"token": token}},
                }
            },
            "bundles": {
                "sallyport": {
                    "service": "sallyport",
                    "resource": "policy/bundle.tar.gz",
                    "polling": {"min_delay_seconds": 1, "max_delay_seconds": 1},
                    "signing": {"keyid": "sallyport"},
                }
            },
            "keys": {"sallyport": {"algorithm": "ES256", "key": instance.manage("policy", "key")}},
        }
    )


def until(condition: Callable[[], bool], why: Callable[[], str]) -> None:
    deadline = time.monotonic() + WITHIN_SECONDS
    while not condition():
        assert time.monotonic() < deadline, why()
        time.sleep(0.1)


def counting(instance: Instance) -> str:
    (revision,) = re.findall(r"^\* (\S+)", instance.manage("policy", "list"), re.MULTILINE)
    return str(revision)


def reasons(server: Opa) -> list[str]:
    asked = {"input": GOOD.document()}
    answer = httpx.post(f"{server.url}/v1/data/sallyport/decision", json=asked).json()
    return list(answer["result"]["reasons"])


def demo_people(instance: Instance) -> list[str]:
    return [user["email"] for user in instance.demo["users"]][:2]


def publish(instance: Instance, folder: Path) -> str:
    """As people do it: one writes, another asks for it, a third agrees."""
    for path in RULES.glob("*.rego"):
        text = path.read_text()
        if path.name == "session.rego":
            text += CLOSED
        elif path.name == "session_test.rego":
            text = "package sallyport_test\n"
        (folder / path.name).write_text(text)
    author, publisher = demo_people(instance)
    said = instance.manage("policy", "write", str(folder), "--by", author, "--note", "Closed")
    (revision,) = re.findall(r"^revision: (\S+)$", said, re.MULTILINE)
    instance.inside(
        "from accounts.models import User; from policy.models import PolicyVersion;"
        "from tests.support.publishing import publish;"
        f"publish(version=PolicyVersion.objects.get(revision={revision!r}),"
        f" publisher=User.unscoped.get(email={publisher!r}))"
    )
    return str(revision)


def test_it_pulls_verifies_and_follows(
    instance: Instance, configuration: str, tmp_path: Path
) -> None:
    with Opa(configuration=configuration) as server:
        shipped = counting(instance)
        until(lambda: server.revision("sallyport") == shipped, lambda: server.log)
        assert reasons(server) == []

        published = publish(instance, tmp_path)

        assert counting(instance) == published
        until(lambda: server.revision("sallyport") == published, lambda: server.log)
        assert reasons(server) == ["closed"]

        _, publisher = demo_people(instance)
        instance.manage("policy", "rollback", "--by", publisher, "--reason", "It closes too much")

        until(lambda: server.revision("sallyport") == shipped, lambda: server.log)
        assert reasons(server) == []


def test_it_refuses_what_another_key_has_signed(instance: Instance, configuration: str) -> None:
    with Instance() as stranger:
        changed = json.loads(configuration)
        changed["keys"]["sallyport"]["key"] = stranger.manage("policy", "key")
    with Opa(configuration=json.dumps(changed)) as server:
        until(lambda: "failed to verify" in server.log.lower(), lambda: server.log)

        assert server.revision("sallyport") == ""
        assert httpx.get(f"{server.url}/health?bundles=true").status_code == 500


def test_a_product_is_judged_by_it(instance: Instance, configuration: str) -> None:
    """It is ready once the server holds its bundle, and not without the server."""
    server = Opa(configuration=configuration)
    instance.extra |= {
        "SALLYPORT_POLICY__ENGINE": "opa",
        "SALLYPORT_POLICY__OPA_URL": server.url,
    }
    with server:
        instance.restart()  # and waits until it is ready
        assert httpx.get(f"{instance.base_url}/readyz").json()["parts"]["policy"]
        assert '"/v1/data/sallyport/decision"' in server.log
    assert not httpx.get(f"{instance.base_url}/readyz").json()["parts"]["policy"]
