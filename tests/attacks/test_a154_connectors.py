"""A154: speaking for a device through a connector: the word of another product.

A forged call, an unsigned one, one kept back and sent again, one of yesterday or of tomorrow, one
that names another organisation's device, one of any size. Each is answered, changes nothing that is
kept of the device, and leaves its tier as it was.
"""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings

from accounts.models import Organisation
from audit.events import Event
from audit.models import AuditEvent
from core import clock
from devices import flows
from devices.connectors.administration import Made
from devices.models import CheckResult, Device, DeviceIdentifier, PostureReport
from tests.cast import Person
from tests.support.connectors import (
    UUID,
    call,
    connector,
    failing,
    laptop,
    report,
    result,
    said,
    signed,
)

pytestmark = pytest.mark.django_db

HEALTHY = [{"encrypted": "1"}]


@pytest.fixture
def fleet(acme: Organisation) -> Made:
    """Signs what it says, as an operator sets it up who can."""
    return connector(acme, authentication="signature")


@pytest.fixture
def device(acme: Organisation, employee: Person) -> Device:
    device = laptop(acme, employee.user, uuid=UUID, fleet_host="17")
    for _ in range(2):
        report(device, disk_encryption="fail")
    device.refresh_from_db()
    return device


def deliver(to: Made, payload: Any, *, signature: str | None = None) -> Any:
    body = json.dumps(payload).encode()
    signature = signed(body, to.secret) if signature is None else signature
    return call(to.connector, body, X_Sallyport_Signature=signature)


def standing(device: Device) -> tuple[int, int]:
    """What the device is worth now: its score and its tier."""
    device.refresh_from_db()
    now = clock.now()
    return flows.judge(device, now=now).value, device.tier_at(now)


def deliveries() -> int:
    return AuditEvent.objects.filter(event=Event.CONNECTOR_DELIVERED).count()


def test_what_is_asked_for_can_be_had(fleet: Made, device: Device) -> None:
    """So that the refusals below say something."""
    before, _ = standing(device)

    assert deliver(fleet, [result(HEALTHY)]).status_code == 200

    assert standing(device)[0] > before
    assert deliveries() == 1


FORGERIES = {
    "unsigned": lambda body, key: "",
    "by a key of one's own": lambda body, key: signed(body, "x" * 43),
    "over another body": lambda body, key: signed(b"[]", key),
    "with another time": lambda body, key: "t=1" + signed(body, key).removeprefix("t="),
    "the digest alone": lambda body, key: signed(body, key).partition("v1=")[2],
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_call_changes_nothing(fleet: Made, device: Device, forge: Any) -> None:
    payload = [result(HEALTHY)]
    before = standing(device)

    answer = deliver(fleet, payload, signature=forge(json.dumps(payload).encode(), fleet.secret))

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert said(device, fleet.connector.source) == {}
    assert (standing(device), deliveries()) == (before, 0)


def test_a_call_without_its_secret_changes_nothing(acme: Organisation, device: Device) -> None:
    plain = connector(acme, name="another", authentication="secret")

    for secret in ("", "x" * 43):
        assert call(plain.connector, [result(HEALTHY)], secret=secret).status_code == 401

    assert said(device, plain.connector.source) == {}


def test_a_call_of_another_time_is_not_heard(fleet: Made, device: Device, later: Any) -> None:
    """Signed genuinely while all was well, and sent by whoever had kept it."""
    body = json.dumps([result(HEALTHY)]).encode()
    kept = signed(body, fleet.secret)
    later(minutes=5, seconds=1)

    answer = call(fleet.connector, body, X_Sallyport_Signature=kept)

    assert answer.status_code == 401
    assert said(device, fleet.connector.source) == {}


def test_a_good_call_sent_again_does_not_hide_a_bad_one(fleet: Made, device: Device) -> None:
    """Within its five minutes it is genuine, and says what was so before."""
    good = [result(HEALTHY, age_seconds=60)]
    deliver(fleet, good)
    deliver(fleet, [result([])])
    worse, reports = standing(device), PostureReport.unscoped.count()

    assert deliver(fleet, good).json()["checks"] == 0

    assert said(device, fleet.connector.source)["disk_encryption"] == ("fail", None)
    assert (standing(device), PostureReport.unscoped.count()) == (worse, reports)


def test_what_claims_to_be_of_tomorrow_says_nothing(fleet: Made, device: Device) -> None:
    """It would stay fresh for a day, and no truth of today would be newer."""
    answer = deliver(fleet, [result(HEALTHY, age_seconds=-86_400)])

    assert answer.json()["checks"] == 0
    assert said(device, fleet.connector.source) == {}


def test_what_was_so_the_day_before_is_worth_nothing(fleet: Made, device: Device) -> None:
    """A product that has seen nothing since cannot vouch for now."""
    old = [result(HEALTHY, age_seconds=int(timedelta(hours=25).total_seconds()))]

    deliver(fleet, old)

    score = flows.judge(device, now=clock.now())
    line = next(line for line in score.lines if line.check_id == "disk_encryption")
    assert (line.status, line.points) == ("pass", 0)


def test_another_organisations_device_is_nobody(
    globex: Organisation, fleet: Made, device: Device
) -> None:
    """Its serial number stands on its underside; whoever runs another organisation can say it."""
    theirs = connector(globex, authentication="signature")
    before = standing(device)

    answer = deliver(theirs, [result(HEALTHY)])

    assert answer.json() == {"devices": 0, "checks": 0, "unknown": [f"uuid {UUID}"], "ignored": {}}
    assert standing(device) == before
    assert not CheckResult.unscoped.filter(device=device, source__startswith="connector").exists()


def test_nor_is_its_score_told(globex: Organisation, acme: Organisation, device: Device) -> None:
    laptop(acme, name="named", serial="5CD1234")
    gateway = connector(globex, "cloudflare", "secret")
    asked = {"devices": [{"device_id": "1", "serial_number": "5CD1234", "email": ""}]}

    answer = call(
        gateway.connector,
        asked,
        Cf_Access_Client_Id=str(gateway.connector.pk),
        Cf_Access_Client_Secret=gateway.secret,
    )

    assert answer.json() == {"result": {"1": {"s2s_id": "", "score": 0}}}


def test_a_machine_does_not_choose_its_own_name(
    acme: Organisation, fleet: Made, device: Device
) -> None:
    """Under another's name it would gather what is said of that one."""
    impostor = laptop(acme, name="impostor")
    DeviceIdentifier.objects.create(
        organisation=acme, device=impostor, kind="serial", value="5CD9999", added_at=clock.now()
    )
    row = result(HEALTHY)
    row["details"]["decorations"] = {"hardware_serial": "5CD9999"}
    row["details"]["hostIdentifier"] = "laptop"

    assert deliver(fleet, [row]).json()["devices"] == 0

    assert not CheckResult.unscoped.filter(device=impostor).exists()


@pytest.mark.parametrize("size", [(1 << 20) + 1, 3 << 20], ids=["a byte more", "three times"])
def test_a_body_of_any_size_is_not_read(fleet: Made, device: Device, size: int) -> None:
    body = b"[" + b" " * (size - 2) + b"]"
    assert len(body) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE or size > 1 << 20

    answer = call(fleet.connector, body, X_Sallyport_Signature=signed(body, fleet.secret))

    assert answer.status_code == 413
    assert deliveries() == 0


def test_ten_thousand_hosts_are_refused_whole(fleet: Made, device: Device) -> None:
    payload = failing() | {"hosts": [{"id": n} for n in range(1, 10_001)]}

    assert deliver(fleet, payload).status_code == 400

    assert said(device, fleet.connector.source) == {}
