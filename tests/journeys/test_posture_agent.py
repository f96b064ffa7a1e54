"""A laptop with an agent: enrolled by a person, trusted as far as it looks well, and not for ever."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from config.children import PROJECT
from devices.models import Device
from tests import cast
from tests.cast import Person
from tests.journeys.story import audited
from tests.journeys.visitor import Visitor
from tests.support import laptops

WAIT_SECONDS = 60


class Agent:
    """The real agent, as a process of its own, looking at a laptop that stands below a folder."""

    def __init__(self, root: Path, state: Path, server: str) -> None:
        self.options = ["--root", str(root), "--state", str(state), "--server", server]

    def start(self, command: str, *more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-u", "-m", "examples.posture_agent", command, *self.options, *more],
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command: str) -> tuple[int, str]:
        with self.start(command) as process:
            said, _ = process.communicate(timeout=WAIT_SECONDS)
            return process.returncode, said

    def report(self) -> int:
        """Report twice, since a rise has to be confirmed; the score by the latter."""
        for _ in range(2):
            code, said = self.run("report")
            assert code == 0, said
        return int(said.split()[1].rstrip(","))


@pytest.fixture
def server(live_server: Any, settings: Any) -> str:
    settings.ISSUER = live_server.url
    settings.CSRF_TRUSTED_ORIGINS = [live_server.url]
    return str(live_server.url)


@pytest.fixture
def laptop(tmp_path: Path) -> Path:
    return laptops.debian_laptop(tmp_path / "laptop")


@pytest.fixture
def agent(laptop: Path, tmp_path: Path, server: str) -> Agent:
    return Agent(laptop, tmp_path / "state", server)


def the_device() -> Device:
    return Device.unscoped.get()


def enrol(
    agent: Agent, visitor: Visitor, who: Person, *, decision: str = "allow", by: str = "enrol"
) -> str:
    """The agent shows its link, a person opens it and answers; gives all that the agent said."""
    cast.sign_in(visitor.browser, who, acr="phr")
    with agent.start(by, "--name", "eve-laptop") as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(3)]
        link = said[1].split()[-1]
        visitor.open(link)
        visitor.submit("enrol-form")
        assert "eve-laptop" in visitor.text
        fingerprint = said[2].split()[-1]
        assert fingerprint in visitor.text
        visitor.submit("enrol-confirm-form", decision=decision)
        rest, _ = process.communicate(timeout=WAIT_SECONDS)
    return "".join(said) + rest


def test_from_enrolment_to_trust_and_what_it_costs_to_decrypt_the_disk(
    agent: Agent, laptop: Path, visitor: Visitor, employee: Person
) -> None:
    said = enrol(agent, visitor, employee)
    device = the_device()
    assert f"Enrolled as {device.pk}." in said
    assert device.state == "enrolled"
    assert device.users.get().user == employee.user

    laptops.put(laptop, "sys/class/dmi/id/product_serial", "5cd1234\n")
    healthy = agent.report()
    device = the_device()
    assert device.score == healthy
    [name] = device.identifiers.all()
    assert (str(name), name.confirmed_at) == ("serial 5CD1234", None)
    tier = device.known_tier
    assert tier >= 2

    laptops.encrypt(laptop, is_encrypted=False)
    code, said = agent.run("report")
    assert code == 0
    assert "fail    disk_encryption" in said
    device = the_device()
    assert device.score < healthy
    assert device.known_tier <= tier

    visitor.open(f"/devices/{device.pk}/")
    assert visitor.status == 200
    assert str(device.score) in visitor.text

    laptops.encrypt(laptop, is_encrypted=True)
    assert agent.report() == healthy
    assert the_device().known_tier == tier
    assert audited().count("devices.posture.reported") == 5
    assert "devices.device.enrolled" in audited()
    assert "devices.device.tier_changed" in audited()


def test_somebody_else_uses_the_machine_as_well(
    agent: Agent, visitor: Visitor, employee: Person, approver: Person
) -> None:
    enrol(agent, visitor, employee)
    healthy = agent.report()
    colleague = Visitor()

    said = enrol(agent, colleague, approver, by="share")

    assert "Somebody else uses this machine as well." in said
    device = the_device()
    assert {one.user for one in device.users.all()} == {employee.user, approver.user}
    visitor.open(f"/devices/{device.pk}/")
    assert approver.email in visitor.text
    assert agent.report() == healthy, "it goes on as one device"


def test_an_agent_that_stays_silent_loses_its_trust_by_time_alone(
    agent: Agent, visitor: Visitor, employee: Person, later
) -> None:
    from core import clock
    from devices import flows

    enrol(agent, visitor, employee)
    healthy = agent.report()
    device = the_device()
    tier = device.tier_at(clock.now())
    assert tier >= 2

    later(hours=12)
    aged = flows.judge(device, now=clock.now()).value
    assert aged < healthy

    later(hours=13)
    assert flows.judge(device, now=clock.now()).value <= 20
    assert device.tier_at(clock.now()) <= 1 < tier


def test_a_person_who_says_no_leaves_nothing_enrolled(
    agent: Agent, visitor: Visitor, employee: Person
) -> None:
    said = enrol(agent, visitor, employee, decision="deny")

    assert "posture agent: " in said
    assert not Device.unscoped.exists()
    code, said = agent.run("report")
    assert (code, "not enrolled" in said) == (1, True)


def test_a_device_that_was_reported_lost_is_told_so(
    agent: Agent, visitor: Visitor, employee: Person
) -> None:
    enrol(agent, visitor, employee)
    agent.report()
    visitor.open(f"/devices/{the_device().pk}/lost/")
    visitor.submit("lost-form")

    code, said = agent.run("report")

    assert code == 1
    assert "(403)" in said
    assert the_device().state == "lost"
