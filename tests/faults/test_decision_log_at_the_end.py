"""A product that is stopped has written every answer of its policy."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest

from tests.support.instance import Instance

pytestmark = pytest.mark.instance
ASKED = {
    "subject": {"type": "user", "id": "nobody@acme.example"},
    "action": {"name": "read"},
    "resource": {"type": "report", "id": "q3"},
}


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    environment = {"SALLYPORT_POLICY__LOG_LIFETIME": "P14D"}
    with Instance(with_demo=True, workers=2, environment=environment) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(instance: Instance) -> httpx.Client:
    said = instance.manage(
        *("register_client", "acme", "Gateway", "--grant-type", "client_credentials"),
        *("--scope", "authzen"),
    )
    told = dict(re.findall(r"^(client_id|client_secret): (\S+)$", said, re.MULTILINE))
    form = {"grant_type": "client_credentials", "scope": "authzen"}
    answer = httpx.post(
        f"{instance.base_url}/oauth/token",
        data=form,
        auth=(told["client_id"], told["client_secret"]),
    )
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    return httpx.Client(base_url=instance.base_url, headers=headers)


def ask(gateway: httpx.Client, times: int) -> None:
    for _ in range(times):
        assert gateway.post("/access/v1/evaluation", json=ASKED).json()["decision"] is False


def written(instance: Instance) -> int:
    with psycopg.connect(instance.database_url) as connection:
        row = connection.execute("SELECT sum(count) FROM policy_decisionbatch").fetchone()
    return int(row[0] or 0) if row else 0


def test_it_is_there_within_a_second(instance: Instance, gateway: httpx.Client) -> None:
    ask(gateway, 10)
    began = time.monotonic()

    while written(instance) < 10:
        assert time.monotonic() - began < 5, "it is written half a second later"
        time.sleep(0.05)


def test_stopping_loses_none_and_they_are_exported_without_names(
    instance: Instance, gateway: httpx.Client
) -> None:
    before = written(instance)
    ask(gateway, 25)

    instance.stop("web")

    assert written(instance) - before == 25
    lines = instance.manage("export_decisions").splitlines()
    exported: list[dict[str, Any]] = [json.loads(line) for line in lines]
    assert len(exported) == before + 25
    assert {line["path"].partition("/")[0] for line in exported} == {"sallyport"}
    assert "nobody@" not in "".join(lines)
