"""Machines for browser tests, made inside the instance's own database."""

import json
from typing import Any

from tests.support.instance import Instance


def run(instance: Instance, call: str) -> Any:
    """What a function of this module answers when the instance runs it."""
    said = instance.inside(
        f"import json; from tests.browser import machines; print(json.dumps(machines.{call}))",
    )  # fmt: skip
    return json.loads(said.splitlines()[-1])


def asked() -> str:
    """The code of a machine that asks to be enrolled."""
    from core import clock, user_codes
    from devices import flows, posture
    from devices.forms import read_wish
    from tests.support.machine import Machine

    machine = Machine(name="A laptop with a rather long name of its own")
    key = posture.read_key(machine.public_jwk)
    members = {
        "public_jwk": machine.public_jwk, "name": machine.name, "platform": machine.platform,
        "key_storage": machine.key_storage, "proof": machine.proof(),
    }  # fmt: skip
    started = flows.start(
        wish=read_wish(members),
        key=key,
        proof=posture.read_proof(members["proof"], key, now=clock.now()),
        address="203.0.113.7",
        user_agent="sallyport-posture-agent/1",
        now=clock.now(),
    )
    return user_codes.shown(started.user_code)


def trusted(email: str, *, state: str = "enrolled") -> str:
    """The id of a device of somebody, with two reports in which not all is well."""
    from accounts.models import User
    from core import clock
    from devices import flows
    from devices.models import Device
    from tests.support.machine import Machine, passing

    user = User.unscoped.get(email=email)
    machine = Machine(name="Work laptop", platform="macos")
    machine.enrolled_by(user)
    checks = passing(disk_encryption="fail", firewall="missing")
    for _ in range(2):
        nonce = flows.give_nonce(device_id=machine.device_id, now=clock.now())
        text = machine.signed(machine.claims(nonce, checks=checks))
        flows.take_report(device_id=machine.device_id, body=text.encode(), now=clock.now())
    Device.unscoped.filter(pk=machine.device_id).update(state=state)
    return machine.device_id
