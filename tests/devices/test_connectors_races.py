"""Connectors while others act: nothing is left over, and nobody waits for ever."""

import pytest

from core import clock
from core.errors import Refusal
from devices import flows
from devices.connectors import administration, delivery
from devices.connectors.identifiers import Kind
from devices.models import CheckResult, Connector, DeviceIdentifier
from tests.support.connectors import connector, laptop, report, result
from tests.support.racing import race

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_arrives_while_it_is_switched_off_does_not_stay(acme) -> None:
    laptop(acme, uuid="4740d59f-699e-5b29-960b-979aaf9bbeeb")
    fleet = connector(acme).connector

    def act(number: int) -> None:
        if number == 0:
            administration.switch_off(connector=fleet, actor="tests", now=clock.now())
        else:
            heard = Connector.unscoped.get(pk=fleet.pk)
            payload = [result([{"encrypted": "1"}], age_seconds=-number)]
            delivery.take_call(heard, payload, body=b"", now=clock.now())

    race(act, runners=6, tolerate=Refusal)

    assert not Connector.unscoped.get(pk=fleet.pk).is_live
    assert CheckResult.unscoped.count() == 0


def test_two_connectors_that_name_the_same_devices_do_not_block_each_other(acme) -> None:
    devices = [laptop(acme, name=f"laptop {n}", serial=f"5CD000{n}") for n in range(4)]
    tables = [connector(acme, "mdm", "none", name=f"MDM {n}").connector for n in range(4)]
    at = clock.now().isoformat()

    def act(number: int) -> int:
        if number >= len(tables):
            return report(devices[number - len(tables)])
        names = [f"5CD000{n}" for n in range(4)]
        lines = [f"{name},{at},pass" for name in (names if number % 2 else reversed(names))]
        content = "\n".join(["serial,observed_at,firewall", *lines]).encode()
        outcome = delivery.take_table(
            tables[number], content, actor="tests", is_dry=False, now=clock.now()
        )
        return outcome.checks

    answers = race(act, runners=8)

    assert answers[:4] == [4] * 4
    for device in devices:
        device.refresh_from_db()
        assert device.score == flows.judge(device, now=clock.now()).value


def test_a_name_is_given_to_one_device_only(acme) -> None:
    devices = [laptop(acme, name=f"laptop {n}") for n in range(6)]

    def act(number: int) -> str:
        made = administration.identify(
            device=devices[number],
            kind=Kind.SERIAL,
            value="5CD1234",
            actor="tests",
            now=clock.now(),
        )
        return str(made.device_id)

    winners = race(act, runners=6, tolerate=Refusal)

    assert winners == [str(DeviceIdentifier.unscoped.get().device_id)]
