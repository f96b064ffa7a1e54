"""Connectors and names of devices by the API."""

from typing import Any

import pytest

from core import clock
from devices.models import Connector, DeviceIdentifier
from tests.support.api import code_of
from tests.support.machine import Machine
from tests.support.rows import changed, snapshot

pytestmark = pytest.mark.django_db

FLEET = {"kind": "fleet", "name": "Fleet", "authentication": "secret"}


def made(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 201, answer.content
    told: dict[str, Any] = answer.json()
    return told


def test_one_is_made_mapped_renewed_and_switched_off(bob):
    told = made(bob.post("/connectors", FLEET | {"checks": {"Disk": "disk_encryption"}}))
    row, secret = told["connector"]["id"], told["secret"]

    assert Connector.unscoped.get().has_secret(secret)
    assert told["connector"]["path"] == f"/devices/api/connectors/{row}/"
    assert secret not in bob.get(f"/connectors/{row}").content.decode()
    mapped = bob.send("PUT", f"/connectors/{row}/checks", {"checks": {"FW": "firewall"}}).json()
    assert mapped["checks"] == {"FW": "firewall"}
    renewed = made(bob.post(f"/connectors/{row}/rotate-secret"))["secret"]
    connector = Connector.unscoped.get()
    assert (connector.has_secret(secret), connector.has_secret(renewed)) == (False, True)
    assert bob.post(f"/connectors/{row}/forget").json() == {"devices": 0}
    assert bob.post(f"/connectors/{row}/switch-off").json()["disabled_at"]
    assert code_of(bob.post(f"/connectors/{row}/switch-off")) == (409, "conflict")
    assert [each["id"] for each in bob.get("/connectors").json()["items"]] == [row]


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        ({"kind": "cloudflare", "authentication": "signature"}, 400),
        ({"kind": "cloudflare", "authentication": "access_token"}, 400),
        ({"checks": {"Disk": "no_such_check"}}, 400), ({"name": "\x07"}, 400),
        ({"kind": "other"}, 422), ({"checks": []}, 422), ({"secret": "mine"}, 422),
        ({"name": "x" * 101}, 422),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_and_nothing_is_written(bob, wish, status):
    before = snapshot()

    assert code_of(bob.post("/connectors", FLEET | wish)) == (status, "invalid_request")
    assert changed(before) == []


def test_a_name_is_taken_once(bob):
    made(bob.post("/connectors", FLEET))

    assert code_of(bob.post("/connectors", FLEET)) == (409, "conflict")


class TestTables:
    @pytest.fixture
    def path(self, bob) -> str:
        wish = {"kind": "mdm", "name": "MDM", "authentication": "none"}
        told = made(bob.post("/connectors", wish))
        assert (told["secret"], told["connector"]["path"]) == (None, "")
        return f"/connectors/{told['connector']['id']}/table"

    @pytest.fixture
    def device(self, bob, employee):
        device = Machine().enrolled_by(employee.user)
        name = {"device": str(device.pk), "kind": "serial", "value": "5CD1234"}
        made(bob.post("/device-identifiers", name))
        return device

    def table(self, serial: str = "5CD1234", said: str = "pass") -> str:
        at = clock.now().isoformat()
        return f"serial,observed_at,disk_encryption\n{serial},{at},{said}\n"

    def test_it_is_looked_at_first_and_then_taken_in(self, bob, path, device):
        before = snapshot()
        tried = bob.post(path, {"table": self.table()}).json()
        assert tried == {"devices": 1, "checks": 1, "unknown": [], "faults": []}
        assert changed(before) == []

        taken = bob.post(path, {"table": self.table(), "is_dry": False}).json()

        assert (taken["devices"], taken["checks"]) == (1, 1)
        assert device.results.filter(source__startswith="mdm:").exists()

    def test_with_a_fault_nothing_is_written_and_it_is_told(self, bob, path, device):
        bad = self.table() + f"5CD1234,{clock.now().isoformat()},perhaps\n"
        before = snapshot()

        assert len(bob.post(path, {"table": bad}).json()["faults"]) == 1
        refused = bob.post(path, {"table": bad, "is_dry": False})
        assert code_of(refused) == (400, "invalid_request")
        assert "Nothing was taken in." in refused.json()["detail"]
        many = self.table() + "5CD1234,,\n" * 502
        assert code_of(bob.post(path, {"table": many})) == (400, "invalid_request")
        assert changed(before) == []

    def test_other_kinds_take_none(self, bob):
        row = made(bob.post("/connectors", FLEET))["connector"]["id"]

        refused = bob.post(f"/connectors/{row}/table", {"table": self.table()})
        assert code_of(refused) == (400, "invalid_request")


class TestNames:
    def test_a_device_is_called_and_not_any_more(self, bob, employee):
        device = Machine().enrolled_by(employee.user)
        name = {"device": str(device.pk), "kind": "serial", "value": "5cd1234"}

        told = made(bob.post("/device-identifiers", name))

        assert (told["value"], bool(told["confirmed_at"])) == ("5CD1234", True)
        listed = bob.get("/device-identifiers", device=str(device.pk)).json()["items"]
        assert [each["id"] for each in listed] == [told["id"]]
        assert bob.send("DELETE", f"/device-identifiers/{told['id']}").json() == {"did": True}
        assert code_of(bob.send("DELETE", f"/device-identifiers/{told['id']}")) == (
            404, "not_found",
        )  # fmt: skip
        assert not DeviceIdentifier.unscoped.exists()

    def test_what_is_no_name_is_refused(self, bob, employee):
        device = Machine().enrolled_by(employee.user)
        name = {"device": str(device.pk), "kind": "serial", "value": "System Serial Number"}

        assert code_of(bob.post("/device-identifiers", name)) == (400, "invalid_request")
        assert not DeviceIdentifier.unscoped.exists()


def test_another_organisations_do_not_exist(bob, carol, employee):
    row = made(bob.post("/connectors", FLEET))["connector"]["id"]
    device = Machine().enrolled_by(employee.user)
    name = {"device": str(device.pk), "kind": "serial", "value": "5CD1234"}
    called = made(bob.post("/device-identifiers", name))["id"]
    before = snapshot()

    for method, path, body in (
        ("GET", f"/connectors/{row}", None),
        ("PUT", f"/connectors/{row}/checks", {"checks": {}}),
        ("POST", f"/connectors/{row}/rotate-secret", None),
        ("POST", f"/connectors/{row}/forget", None),
        ("POST", f"/connectors/{row}/switch-off", None),
        ("POST", f"/connectors/{row}/table", {"table": "serial,observed_at\n"}),
        ("POST", "/device-identifiers", name),
        ("DELETE", f"/device-identifiers/{called}", None),
    ):
        assert code_of(carol.send(method, path, body)) == (404, "not_found"), path
    assert carol.get("/connectors").json()["items"] == []
    assert carol.get("/device-identifiers").json()["items"] == []
    assert changed(before) == []
