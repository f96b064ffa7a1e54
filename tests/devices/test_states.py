"""pending → enrolled → (suspended | lost | revoked) → retired: each step once, written down, told."""

import pytest

from audit.events import Event
from audit.models import AuditEvent
from core import clock
from core.errors import Refusal
from devices import flows
from devices.models import Browser, Device, TierCount
from tests import cast
from tests.accounts import mailbox
from tests.support.machine import Machine
from tests.support.racing import race

pytestmark = pytest.mark.django_db

STATES = ["pending", "enrolled", "suspended", "lost", "revoked", "retired"]
STEPS = {
    "approve": ({"pending"}, "enrolled", Event.DEVICE_ENROLLED),
    "suspend": ({"enrolled"}, "suspended", Event.DEVICE_SUSPENDED),
    "resume": ({"suspended"}, "enrolled", Event.DEVICE_RESUMED),
    "report_lost": ({"pending", "enrolled", "suspended"}, "lost", Event.DEVICE_LOST),
    "revoke": ({"pending", "enrolled", "suspended", "lost"}, "revoked", Event.DEVICE_REVOKED),
    "retire": (set(STATES) - {"retired"}, "retired", Event.DEVICE_RETIRED),
}


def step(name: str, device: Device, actor) -> Device:
    reason = {"reason": "it acts up"} if name in {"suspend", "revoke"} else {}
    return getattr(flows, name)(device=device, actor=actor.user, now=clock.now(), **reason)


@pytest.fixture
def machine():
    return Machine()


@pytest.fixture
def device(client, employee, machine):
    return machine.trusted_by(employee.user, client)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("name", STEPS)
def test_each_step_leads_from_where_it_may(device, approver, name, state):
    allowed, end, event = STEPS[name]
    Device.unscoped.update(state=state)

    if state not in allowed:
        with pytest.raises(Refusal, match="conflict"):
            step(name, device, approver)
        device.refresh_from_db()
        assert (device.state, device.score) == (state, 60)
        return
    changed = step(name, device, approver)
    assert changed.state == end
    written = AuditEvent.objects.filter(event=event).latest("at")
    assert (written.facts["previous"], written.facts["current"]) == (state, end)
    assert written.actor == f"accounts.User:{approver.user.pk}"
    assert written.device_id == device.pk


@pytest.mark.parametrize("name", ["suspend", "report_lost", "revoke", "retire"])
def test_its_trust_is_gone_at_once(device, approver, name):
    assert device.tier_at(clock.now()) == 2

    step(name, device, approver)

    device.refresh_from_db()
    assert (device.tier_at(clock.now()), device.score, device.tier_ends_at) == (0, 0, [])
    event = AuditEvent.objects.filter(event=Event.DEVICE_TIER_CHANGED).latest("at")
    assert (event.facts["previous"], event.facts["current"]) == (2, 0)


def test_after_a_suspension_two_reports_earn_it_again(client, machine, device, approver):
    flows.suspend(device=device, actor=approver.user, reason="", now=clock.now())
    flows.resume(device=device, actor=approver.user, now=clock.now())
    device.refresh_from_db()
    assert device.tier_at(clock.now()) == 0

    tiers = [machine.report(client).json()["tier"] for _ in range(2)]

    assert tiers == [0, 2]


def test_the_browsers_of_a_retired_device_are_free(client, employee, approver):
    session = cast.sign_in(client, employee)
    device = Machine().enrolled_by(employee.user, browser=session.browser)
    flows.report_lost(device=device, actor=employee.user, now=clock.now())
    assert Browser.unscoped.get(pk=session.browser_id).device == device, "a thief's, perhaps"

    flows.retire(device=device, actor=employee.user, now=clock.now())

    assert Browser.unscoped.get(pk=session.browser_id).device is None


@pytest.mark.parametrize("name", ["", " ", "x" * 101, "a\u202eb", "a\0b"])
def test_a_name_is_one_plain_line(device, employee, name):
    with pytest.raises(Refusal, match="invalid_request"):
        flows.rename(device=device, name=name, actor=employee.user, now=clock.now())


def test_a_new_name_is_written_down(device, employee):
    flows.rename(device=device, name=" my   laptop\n", actor=employee.user, now=clock.now())

    device.refresh_from_db()
    assert device.name == "my laptop"
    event = AuditEvent.objects.get(event=Event.DEVICE_RENAMED)
    assert event.facts == {"previous": "alice-laptop", "current": "my laptop"}


@pytest.mark.django_db(transaction=True)
def test_of_a_report_and_a_suspension_at_once_the_suspension_stands(
    client, machine, device, approver
):
    texts = [machine.signed(machine.claims(machine.nonce(client)))]

    def act(n):
        if n:
            step("suspend", device, approver)
        else:
            machine.send(type(client)(), texts[0])

    race(act, runners=2)

    device.refresh_from_db()
    assert (device.state, device.tier_ends_at, device.score) == ("suspended", [], 0)


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("report_lost", "Your device was reported lost"),
        ("suspend", "Your device was suspended"),
        ("revoke", "Your device was put out of use"),
    ],
)
def test_its_people_are_told_by_mail(
    device, employee, approver, name, subject, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        step(name, device, approver)

    assert mailbox.subjects(employee.email) == [subject]
    assert "Linux" in mailbox.latest(employee.email)
    assert "alice-laptop" not in mailbox.latest(employee.email)


def test_an_enrolment_is_told_by_mail(employee, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        Machine().enrolled_by(employee.user)

    assert mailbox.subjects(employee.email) == ["A device was enrolled as yours"]


class TestInventory:
    def test_each_organisation_has_a_count_of_its_day(self, client, device, employee, outsider):
        Machine(name="fresh").enrolled_by(employee.user)
        Machine(name="out").enrolled_by(employee.user)
        Device.unscoped.filter(name="out").update(state="lost")
        Machine(name="theirs").enrolled_by(outsider.user)

        flows.count_tiers(now=clock.now())
        flows.count_tiers(now=clock.now())

        counts = dict(TierCount.unscoped.values_list("organisation__slug", "counts"))
        assert counts == {"acme": [1, 0, 1, 0, 0], "globex": [1, 0, 0, 0, 0]}

    def test_counts_follow_what_has_faded(self, device, later):
        flows.count_tiers(now=later(hours=25))

        assert TierCount.unscoped.get().counts == [0, 1, 0, 0, 0]

    def test_old_counts_are_forgotten(self, device, later):
        flows.count_tiers(now=clock.now())
        flows.count_tiers(now=later(days=401))

        assert TierCount.unscoped.count() == 1
