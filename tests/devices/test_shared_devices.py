"""One device, several people: each has said so, each hears of the next, and each may go."""

from typing import Any

import pytest
from django.test import Client as Browser

from accounts.models import Organisation
from audit.events import Event
from audit.models import AuditEvent
from core import clock
from devices import flows
from devices.models import Browser as SeenBrowser
from devices.models import Device, DeviceUser
from devices.signals import device_shared
from tests import cast
from tests.cast import Person
from tests.support.machine import Machine, seconds
from tests.support.racing import race

pytestmark = pytest.mark.django_db


@pytest.fixture
def machine() -> Machine:
    return Machine(name="front-desk")


@pytest.fixture
def device(machine: Machine, employee: Person) -> Device:
    """Alice's, who is the first."""
    return machine.trusted_by(employee.user, Browser())


@pytest.fixture
def bobs(approver: Person) -> Browser:
    browser = Browser()
    cast.sign_in(browser, approver, acr="phr")
    return browser


def ask(machine: Machine) -> dict[str, Any]:
    answer = machine.ask(Browser())
    assert answer.status_code == 201, answer.content
    asked: dict[str, Any] = answer.json()
    return asked


def decide(browser: Browser, code: str, decision: str = "allow", **more: str) -> Any:
    answer = browser.post("/devices/enrol/", {"user_code": code})
    assert answer.status_code == 302, answer.content
    return browser.post(answer["Location"], {"decision": decision} | more)


def users(device: Device) -> set[str]:
    return set(device.users.values_list("user__email", flat=True))


class TestJoining:
    def test_whoever_allows_a_machine_that_is_enrolled_becomes_another_of_its_users(
        self, machine: Machine, device: Device, employee: Person, approver: Person, bobs: Browser
    ) -> None:
        asked = ask(machine)

        assert decide(bobs, asked["user_code"], runs_here="on").status_code == 200

        assert users(device) == {employee.email, approver.email}
        assert Device.unscoped.count() == 1
        assert SeenBrowser.unscoped.get(user=approver.user).device == device
        written = AuditEvent.objects.get(event=Event.DEVICE_SHARED)
        assert (written.actor, written.device_id) == (
            f"accounts.User:{approver.user.pk}",
            device.pk,
        )
        proof = machine.proof(iat=seconds() + 1)
        polled = machine.poll(Browser(), asked["enrolment_id"], proof=proof).json()
        assert polled["device_id"] == str(device.pk)

    def test_its_trust_is_its_own_and_stays(
        self, machine: Machine, device: Device, bobs: Browser
    ) -> None:
        before = device.tier_at(clock.now())

        decide(bobs, ask(machine)["user_code"])

        device.refresh_from_db()
        assert device.tier_at(clock.now()) == before == 2

    def test_the_page_says_that_it_is_enrolled_already(
        self, machine: Machine, device: Device, bobs: Browser
    ) -> None:
        found = bobs.post("/devices/enrol/", {"user_code": ask(machine)["user_code"]})

        assert "This machine is enrolled already" in bobs.get(found["Location"]).content.decode()

    def test_those_who_use_it_hear_of_it(
        self, machine: Machine, device: Device, employee: Person, approver: Person, bobs: Browser,
        mailoutbox: Any, django_capture_on_commit_callbacks: Any,
    ) -> None:  # fmt: skip
        with django_capture_on_commit_callbacks(execute=True):
            decide(bobs, ask(machine)["user_code"])

        told = {mail.to[0]: mail.subject for mail in mailoutbox}
        assert told == {
            employee.email: "A device of yours has another user",
            approver.email: "A device was enrolled as yours",
        }
        assert device_shared.receivers

    def test_who_refuses_is_none_of_them(
        self, machine: Machine, device: Device, employee: Person, bobs: Browser
    ) -> None:
        decide(bobs, ask(machine)["user_code"], "deny")

        assert users(device) == {employee.email}

    def test_whose_it_is_already_is_told(
        self, machine: Machine, device: Device, employee: Person
    ) -> None:
        browser = Browser()
        cast.sign_in(browser, employee, acr="phr")

        answer = decide(browser, ask(machine)["user_code"])

        assert answer.status_code == 409 or "yours already" in answer.content.decode()
        assert device.users.count() == 1

    def test_people_of_another_organisation_do_not_join(
        self, machine: Machine, device: Device, outsider: Person, employee: Person
    ) -> None:
        theirs = Browser()
        cast.sign_in(theirs, outsider, acr="phr")
        code = ask(machine)["user_code"]
        found = theirs.post("/devices/enrol/", {"user_code": code})
        assert "already" not in theirs.get(found["Location"]).content.decode()

        theirs.post(found["Location"], {"decision": "allow"})

        assert users(device) == {employee.email}
        assert Device.unscoped.count() == 1

    @pytest.mark.parametrize("state", ["suspended", "lost", "revoked", "retired"])
    def test_nobody_joins_a_device_that_is_out(
        self, machine: Machine, device: Device, bobs: Browser, state: str
    ) -> None:
        code = ask(machine)["user_code"]
        Device.unscoped.update(state=state)

        decide(bobs, code)

        assert device.users.count() == 1
        assert machine.ask(Browser()).status_code == 400

    def test_the_key_is_what_asks_and_no_other(self, machine: Machine, device: Device) -> None:
        """Whoever knows the public key cannot bring somebody to it."""
        stranger = Machine()
        answer = machine.ask(Browser(), proof=stranger.proof())

        assert answer.status_code == 400

    def test_a_device_has_an_end_of_users(
        self, machine: Machine, device: Device, bobs: Browser, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("devices.flows.enrolment.MAX_USERS_OF_ONE", 1)

        decide(bobs, ask(machine)["user_code"])

        assert device.users.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_one_person_twice_at_once_one_joins(
    machine: Machine, device: Device, approver: Person
) -> None:
    from core.errors import Refusal

    asked = [ask(machine)["enrolment_id"] for _ in range(4)]

    def allow(number: int) -> None:
        flows.allow(
            flows.find(asked[number]), user=approver.user, browser=None, session_id=None,
            now=clock.now(),
        )  # fmt: skip

    race(allow, runners=4, tolerate=Refusal)

    assert DeviceUser.unscoped.filter(device=device, user=approver.user).count() == 1
    assert AuditEvent.objects.filter(event=Event.DEVICE_SHARED).count() == 1


class TestTogether:
    @pytest.fixture
    def shared(self, device: Device, machine: Machine, bobs: Browser, acme: Organisation) -> Device:
        decide(bobs, ask(machine)["user_code"], runs_here="on")
        return device

    def test_each_sees_who_else_uses_it_and_their_own_browsers(
        self, shared: Device, employee: Person, bobs: Browser
    ) -> None:
        page = bobs.get(f"/devices/{shared.pk}/").content.decode()
        assert employee.email in page
        assert "bob@acme.example" not in page[page.index("also-used-by") :]

        alices = Browser(HTTP_USER_AGENT=cast.FIREFOX)
        cast.sign_in(alices, employee)
        page = alices.get(f"/devices/{shared.pk}/").content.decode()
        assert "Bob Baker" in page
        assert "none that you have named" in page

    def test_administrators_see_all_of_them(
        self, shared: Device, bobs: Browser, employee: Person, approver: Person
    ) -> None:
        page = bobs.get("/admin/devices/device/").content.decode()

        assert f"{employee.email}, {approver.email}" in page

    def test_who_goes_leaves_it_to_the_others(
        self, shared: Device, employee: Person, bobs: Browser
    ) -> None:
        bobs.post(f"/devices/{shared.pk}/retire/")

        shared.refresh_from_db()
        assert (shared.state, users(shared)) == ("enrolled", {employee.email})
        assert not SeenBrowser.unscoped.filter(device=shared).exists()
        assert bobs.get(f"/devices/{shared.pk}/").status_code == 404
        assert AuditEvent.objects.filter(event=Event.DEVICE_LEFT).count() == 1

    def test_the_last_one_retires_it(self, shared: Device, employee: Person, bobs: Browser) -> None:
        bobs.post(f"/devices/{shared.pk}/retire/")
        alices = Browser()
        cast.sign_in(alices, employee)

        alices.post(f"/devices/{shared.pk}/retire/")

        shared.refresh_from_db()
        assert shared.state == "retired"

    def test_any_of_them_reports_it_lost_for_all(self, shared: Device, bobs: Browser) -> None:
        bobs.post(f"/devices/{shared.pk}/lost/")

        shared.refresh_from_db()
        assert shared.state == "lost"
