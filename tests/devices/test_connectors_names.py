"""What machines say that they are called: a hint for administrators, and no more."""

from typing import Any

import pytest
from django.test import Client as Browser

from core import clock
from core.errors import Refusal
from devices.connectors import administration
from devices.connectors.identifiers import Kind
from devices.connectors.names import MAX_NAMES
from devices.models import CheckResult, Device, DeviceIdentifier
from tests import cast
from tests.support.connectors import UUID, call, connector, laptop, result
from tests.support.machine import Machine

pytestmark = pytest.mark.django_db
HARDWARE = {"serial": "5cd1234", "uuid": UUID.upper()}


@pytest.fixture
def machine(employee) -> Machine:
    made = Machine()
    made.enrolled_by(employee.user)
    return made


def names() -> set[tuple[str, bool]]:
    return {(str(row), row.confirmed_at is not None) for row in DeviceIdentifier.unscoped.all()}


def confirm(machine: Machine, value: str = "5CD1234") -> DeviceIdentifier:
    return administration.identify(
        device=Device.unscoped.get(pk=machine.device_id),
        kind=Kind.SERIAL,
        value=value,
        actor="tests",
        now=clock.now(),
    )


def test_they_are_kept_once_and_unconfirmed(client, machine) -> None:
    for _ in range(2):
        assert machine.report(client, hardware=HARDWARE).status_code == 200

    assert names() == {("serial 5CD1234", False), (f"uuid {UUID}", False)}


def test_no_connector_finds_a_machine_by_its_own_word(acme, client, machine) -> None:
    """Else it would gather what is said of the machine whose number it names."""
    machine.report(client, hardware=HARDWARE)
    fleet = connector(acme)

    answer = call(fleet.connector, [result([{"encrypted": "1"}])], secret=fleet.secret)

    assert answer.json()["devices"] == 0
    assert not CheckResult.unscoped.filter(source=fleet.connector.source).exists()


def test_nor_does_its_word_stand_in_the_way_of_the_right_one(acme, client, machine) -> None:
    machine.report(client, hardware=HARDWARE)

    right = laptop(acme, serial="5CD1234", name="the right one")

    with pytest.raises(Refusal, match="Another device"):
        confirm(machine)
    assert DeviceIdentifier.unscoped.get(confirmed_at__isnull=False).device == right


def test_once_confirmed_it_counts(acme, client, machine) -> None:
    machine.report(client, hardware=HARDWARE)
    fleet = connector(acme)
    row = result([{"encrypted": "1"}])
    row["details"]["decorations"] = {"hardware_serial": "5CD1234"}
    row["details"]["hostIdentifier"] = "laptop"

    confirm(machine)

    assert ("serial 5CD1234", True) in names()
    assert call(fleet.connector, [row], secret=fleet.secret).json()["devices"] == 1


def test_an_administrator_confirms_it_on_the_page(client, machine, approver) -> None:
    machine.report(client, hardware={"serial": "5CD1234"})
    admins = Browser()
    cast.sign_in(admins, approver)
    row = DeviceIdentifier.unscoped.get()

    admins.post(
        "/admin/devices/deviceidentifier/",
        {"action": "confirm", "_selected_action": [str(row.pk)]},
    )

    assert names() == {("serial 5CD1234", True)}


def test_a_machine_that_keeps_changing_its_mind_is_not_listened_to(client, machine) -> None:
    for number in range(MAX_NAMES + 2):
        machine.report(client, hardware={"serial": f"5CD{number:04}"})

    assert len(names()) == MAX_NAMES


def test_what_makers_leave_in_the_field_is_passed_over(client, machine) -> None:
    hardware = {"serial": "To be filled by O.E.M.", "uuid": "not settable"}

    assert machine.report(client, hardware=hardware).status_code == 200
    assert names() == set()


@pytest.mark.parametrize(
    "hardware",
    [[], "5CD1234", {"mac": "x"}, {"serial": 5}, {"serial": "x" * 101}, {"serial": "a\nb"}],
    ids=repr,
)
def test_a_report_of_another_form_is_refused(client, machine, hardware: Any) -> None:
    answer = machine.report(client, hardware=hardware)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_report")
    assert names() == set()
