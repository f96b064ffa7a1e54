"""Pages of one's own devices, and who may see a score."""

import pytest

from core import clock
from devices import flows
from devices.models import Device
from tests import cast
from tests.support.machine import Machine, passing

pytestmark = pytest.mark.django_db


@pytest.fixture
def machine():
    return Machine()


@pytest.fixture
def device(client, employee, machine):
    checks = passing(disk_encryption="fail", firewall="missing")
    return machine.trusted_by(employee.user, type(client)(), checks=checks)


@pytest.fixture
def alice(client, employee):
    cast.sign_in(client, employee)
    return client


def test_without_devices_the_page_says_how_to_begin(alice):
    page = alice.get("/devices/").content.decode()

    assert "No devices yet" in page
    assert 'href="/devices/enrol/"' in page


def test_my_devices_are_listed_with_what_they_lack(alice, device):
    page = alice.get("/devices/").content.decode()

    assert "alice-laptop" in page
    assert "score 44 of 100" in page  # 60 - 12 - 4
    assert "Partly trusted" in page
    assert "key kept in hardware, disk encrypted" in page


def test_one_device_says_why_and_what_to_do(alice, device):
    page = alice.get(f"/devices/{device.id}/").content.decode()

    assert '<strong id="device-score">44</strong> of 100, tier 2 of 4' in page
    assert "Encrypt the disk with LUKS" in page
    assert "sudo ufw enable" in page
    assert "Not passed" in page
    assert "Not reported" in page
    assert page.index('id="check-hardware_key"') < page.index('id="check-secure_boot"')


def test_a_tier_that_waits_for_a_second_report_says_so(alice, employee, machine, client):
    machine.enrolled_by(employee.user)
    machine.report(client)

    page = alice.get(f"/devices/{machine.device_id}/").content.decode()

    assert "One more report confirms a higher tier" in page


def test_a_device_that_is_silent_says_so(alice, device, later):
    later(hours=2)
    assert "has not reported for a while" in alice.get(f"/devices/{device.id}/").content.decode()
    later(hours=23)
    page = alice.get(f"/devices/{device.id}/").content.decode()
    assert "Nothing was reported for 24 hours: not more than 20" in page
    assert "Hardly trusted" in page or "Not trusted" in page


@pytest.mark.parametrize("state", ["pending", "suspended", "lost", "revoked", "retired"])
def test_every_state_has_a_page(alice, device, state):
    Device.unscoped.update(state=state)

    assert alice.get("/devices/").status_code == 200
    page = alice.get(f"/devices/{device.id}/")
    assert page.status_code == 200
    assert 'id="checks"' not in page.content.decode()


@pytest.mark.parametrize("path", ["", "score/", "lost/", "retire/"])
@pytest.mark.parametrize("who", ["approver", "outsider"])
def test_anothers_device_does_not_exist(client, device, who, path, request):
    someone = request.getfixturevalue(who)
    is_administrator = who == "approver" and path == "score/"
    cast.sign_in(client, someone)

    answer = client.get(f"/devices/{device.id}/{path}")

    assert answer.status_code == (200 if is_administrator else 404)
    device.refresh_from_db()
    assert device.state == "enrolled"


@pytest.mark.parametrize("path", ["lost/", "retire/", "rename/"])
def test_nor_can_it_be_changed(client, device, outsider, path):
    cast.sign_in(client, outsider)

    assert client.post(f"/devices/{device.id}/{path}", {"name": "x"}).status_code == 404
    device.refresh_from_db()
    assert (device.state, device.name) == ("enrolled", "alice-laptop")


def test_it_is_renamed(alice, device):
    answer = alice.post(f"/devices/{device.id}/rename/", {"name": "work"}, follow=True)

    assert "The name was changed" in answer.content.decode()
    device.refresh_from_db()
    assert device.name == "work"


def test_an_empty_name_is_told_beside_the_field(alice, device):
    answer = alice.post(f"/devices/{device.id}/rename/", {"name": ""})

    assert answer.status_code == 200
    assert "This field is required" in answer.content.decode()


@pytest.mark.parametrize(("path", "state"), [("lost/", "lost"), ("retire/", "retired")])
def test_it_is_put_out_of_use(alice, device, path, state):
    answer = alice.post(f"/devices/{device.id}/{path}")

    assert (answer.status_code, answer["Location"]) == (302, "/devices/")
    device.refresh_from_db()
    assert device.state == state
    assert device.tier_at(clock.now()) == 0


def test_an_old_sign_in_does_not_put_it_out_of_use(alice, device, later):
    later(minutes=11)

    answer = alice.post(f"/devices/{device.id}/lost/")

    assert answer["Location"].startswith("/step-up/")
    device.refresh_from_db()
    assert device.state == "enrolled"


class TestTheScore:
    def test_it_is_explained_part_by_part(self, alice, device):
        answer = alice.get(f"/devices/{device.id}/score/?explain=1")

        assert answer["Content-Type"] == "application/json"
        said = answer.json()
        assert (said["score"], said["tier"], said["version"]) == (44, 2, 1)
        checks = {check["id"]: check for check in said["checks"]}
        assert checks["screen_lock"] == {
            "id": "screen_lock", "status": "pass", "weight": 10, "result": 1.0,
            "evidence": "device_key", "evidence_factor": 0.8, "freshness": 1.0, "points": 8.0,
            "lost": 2.0, "value": None, "observed_at": checks["screen_lock"]["observed_at"],
            "remedy": None,
        }  # fmt: skip
        assert checks["firewall"]["status"] == "missing"
        assert round(sum(check["points"] for check in checks.values())) == 44
        assert len(said["tier_ends_at"]) == 2

    def test_anybody_can_do_the_sum(self, alice, device):
        """The parts and the published formula give the score."""
        said = alice.get(f"/devices/{device.id}/score/?explain=1").json()

        whole = sum(check["weight"] for check in said["checks"])
        gained = sum(
            c["weight"] * c["result"] * c["evidence_factor"] * c["freshness"]
            for c in said["checks"]
        )
        assert min([round(100 * gained / whole), *(c["at_most"] for c in said["caps"])]) == 44

    def test_without_explain_it_is_short(self, alice, device):
        said = alice.get(f"/devices/{device.id}/score/").json()

        assert said.keys() == {"as_of", "score", "state", "tier"}

    def test_a_cap_is_named(self, alice, device):
        flows.report_lost(device=device, actor=None, now=clock.now())

        said = alice.get(f"/devices/{device.id}/score/?explain=1").json()

        assert (said["score"], said["tier"]) == (0, 0)
        assert {"id": "shut", "at_most": 0} in said["caps"]

    def test_an_administrator_with_one_factor_sees_nothing(self, client, device, approver):
        cast.sign_in(client, approver, acr="aal1")

        answer = client.get(f"/devices/{device.id}/score/")

        assert (answer.status_code, answer.json()["error"]) == (404, "not_found")
