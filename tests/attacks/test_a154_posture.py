"""A154: getting past the demand for a trusted device.

Skipping it, another device's report, another's device, an old report, an unsigned or a forged one,
clocks that are off. Trust is a row on this side, made by a report that the device has signed over a
nonce of ours, and compared at every use.
"""

import base64
import json

import pytest
from joserfc.jwk import ECKey

from core import clock
from devices.models import Browser as SeenBrowser
from devices.models import Device, Enrolment, PostureReport
from policy.decision import Outcome
from policy.facts import Trigger
from sessions.evaluation import Resource, evaluate
from tests import cast
from tests.support.machine import Machine, passing, seconds, tampered

pytestmark = pytest.mark.django_db

DEMANDS = Resource(required_tier=2)


@pytest.fixture
def laptop(employee):
    machine = Machine()
    machine.enrolled_by(employee.user)
    return machine


@pytest.fixture
def spare(employee):
    """Another device of hers, on which all is well."""
    machine = Machine(name="spare")
    machine.enrolled_by(employee.user)
    return machine


@pytest.fixture
def on_laptop(client, employee, laptop):
    """Alice's session in a browser on the laptop."""
    session = cast.sign_in(client, employee)
    SeenBrowser.unscoped.filter(pk=session.browser_id).update(device_id=laptop.device_id)
    return session


def tier(machine: Machine) -> int:
    return Device.unscoped.get(pk=machine.device_id).tier_at(clock.now())


def is_let_in(session) -> bool:
    decision = evaluate(
        session_id=session.id, trigger=Trigger.AUTHORIZE, resource=DEMANDS, now=clock.now()
    )
    return decision.outcome is Outcome.ALLOW


def test_what_is_asked_for_can_be_had(client, laptop, on_laptop):
    """So that the refusals below say something."""
    for _ in range(2):
        laptop.report(client)

    assert tier(laptop) == 2
    assert is_let_in(on_laptop)


def test_a_session_without_a_device_is_not_let_in(client, employee):
    assert not is_let_in(cast.sign_in(client, employee))


def test_a_session_on_a_device_that_said_nothing_is_not_let_in(laptop, on_laptop):
    assert not is_let_in(on_laptop)


def test_a_session_elsewhere_gains_nothing_by_a_trusted_device(client, employee, laptop, on_laptop):
    for _ in range(2):
        laptop.report(client)

    elsewhere = cast.sign_in(type(client)(), employee)

    assert not is_let_in(elsewhere)


def test_somebody_elses_device_lends_no_trust(client, laptop, on_laptop, approver):
    """He knows its id, and names it wherever a request could carry it."""
    for _ in range(2):
        laptop.report(client)
    thief = type(client)()
    session = cast.sign_in(thief, approver)
    name = laptop.device_id

    thief.get("/devices/", {"device": name, "device_id": name}, headers={"X-Device-Id": name})
    thief.post(f"/devices/{name}/rename/", {"name": "mine"})
    thief.cookies["device"] = name
    thief.get("/")

    assert not is_let_in(session)
    session.browser.refresh_from_db()
    assert session.browser.device is None


def test_a_report_of_a_healthy_device_does_not_speak_for_another(client, laptop, spare):
    for _ in range(2):
        answer = laptop.send(client, spare.signed(spare.claims(laptop.nonce(client))))
        assert answer.status_code == 400
        own = spare.claims(laptop.nonce(client), iss=laptop.device_id)
        assert laptop.send(client, spare.signed(own)).status_code == 400

    assert tier(laptop) == 0


def test_a_report_by_a_key_of_ones_own_does_not_count(client, laptop):
    for _ in range(2):
        forged = laptop.signed(laptop.claims(laptop.nonce(client)), key=ECKey.generate_key("P-256"))
        assert laptop.send(client, forged).json()["error"] == "wrong_key"

    assert tier(laptop) == 0


def test_a_report_without_a_signature_does_not_count(client, laptop):
    head = {"alg": "none", "typ": "posture+jwt", "kid": laptop.thumbprint}
    for end in ("", "AAAA"):
        parts = (head, laptop.claims(laptop.nonce(client)))
        encoded = [base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=") for p in parts]
        text = b".".join([*encoded, end.encode()])
        assert laptop.send(client, text).json()["error"] == "invalid_report"

    assert not PostureReport.unscoped.exists()


def test_a_finding_is_not_turned_round_on_the_way(client, laptop):
    bad = passing(disk_encryption="fail", os_patch_age="fail")
    for _ in range(2):
        text = laptop.signed(laptop.claims(laptop.nonce(client), checks=bad))
        assert laptop.send(client, tampered(text, checks=passing())).status_code == 400

    assert tier(laptop) == 0


def test_a_good_report_kept_back_does_not_hide_a_bad_one(client, laptop):
    """Signed while all was well, held back by malware, sent after the bad one."""
    for _ in range(2):
        laptop.report(client)
    kept = laptop.signed(laptop.claims(laptop.nonce(client)))
    laptop.report(client, checks=passing(disk_encryption="fail", os_patch_age="fail"))
    assert tier(laptop) == 1

    answers = [laptop.send(client, kept) for _ in range(2)]

    assert {answer.json().get("error") for answer in answers} == {"replayed"}
    assert tier(laptop) == 1


def test_a_report_is_not_signed_in_advance(client, laptop, later):
    """With a nonce of tomorrow, which nobody has yet, or one that has run out by then."""
    nonce = laptop.nonce(client)
    tomorrow = seconds() + 86_400
    ready = [
        laptop.signed(laptop.claims("whatever", iat=tomorrow)),
        laptop.signed(laptop.claims(nonce, iat=tomorrow)),
    ]

    later(days=1)

    assert {laptop.send(client, text).json().get("error") for text in ready} == {"stale"}
    assert tier(laptop) == 0


@pytest.mark.parametrize("minutes", [-5, -2, 2, 5])
def test_a_report_by_a_clock_that_is_off_does_not_count(client, laptop, minutes):
    answer = laptop.report(client, iat=seconds() + 60 * minutes)

    assert (answer.status_code, answer.json()["error"]) == (400, "stale")
    assert not PostureReport.unscoped.exists()


def test_trust_of_yesterday_is_not_trust_of_today(client, laptop, on_laptop, later):
    for _ in range(2):
        laptop.report(client)
    ends_at = Device.unscoped.get(pk=laptop.device_id).tier_ends_at[1]
    assert is_let_in(on_laptop)

    later(seconds=(ends_at - clock.now()).total_seconds() - 20)
    assert is_let_in(on_laptop)
    later(seconds=21)

    assert not is_let_in(on_laptop)


@pytest.mark.parametrize("state", ["suspended", "lost", "revoked", "retired"])
def test_a_device_that_is_out_lends_no_trust_from_that_moment(client, laptop, on_laptop, state):
    for _ in range(2):
        laptop.report(client)

    Device.unscoped.filter(pk=laptop.device_id).update(state=state)

    assert not is_let_in(on_laptop)


def test_a_thief_of_a_session_does_not_enrol_a_machine_of_his(client, employee, later):
    """A cookie that was stolen brings no passkey along."""
    machine = Machine(name="thief")
    code = machine.ask(client).json()["user_code"]
    cast.sign_in(client, employee, acr="phr")
    later(minutes=6)

    for path in ("/devices/enrol/", "/devices/enrol/this-browser/"):
        assert client.post(path, {"user_code": code})["Location"].startswith("/step-up/")
    assert Enrolment.objects.get().approved_at is None
