"""Enrolment: the machine asks with a new key, a person allows it in a browser."""

import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from uuid import uuid4

from examples.posture_agent import key as keys
from examples.posture_agent import state
from examples.posture_agent.machine import Machine
from examples.posture_agent.wire import Answer, Wire

SLOWER_BY_SECONDS = 5


class Refused(Exception):  # noqa: N818 - an answer
    """The server, or the person, said no."""


def enrol(
    wire: Wire,
    *,
    machine: Machine,
    name: str,
    folder: Path,
    say: Callable[[str], None] = print,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.time,
) -> state.Enrolment:
    """Ask, show the code, and wait for the answer.

    Raises Refused when it is denied or runs out. Until it is
    allowed, an enrolment that was there stays as it is.
    """
    key = keys.make(folder)
    allowed = _ask(wire, key, machine=machine, name=name, say=say, sleep=sleep, clock=clock)
    enrolment = state.Enrolment(
        server=wire.server,
        device_id=allowed.body["device_id"],
        posture_uri=allowed.body["posture_uri"],
        nonce_uri=allowed.body["nonce_uri"],
        interval_seconds=int(allowed.body.get("interval_seconds", 3600)),
    )
    keys.adopt(folder)
    state.save(folder, enrolment)
    return enrolment


def share(
    wire: Wire,
    *,
    machine: Machine,
    name: str,
    folder: Path,
    say: Callable[[str], None] = print,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.time,
) -> None:
    """Ask for another person to use this machine, by the key that it is enrolled with.

    What is remembered stays as it is. Raises Refused when it is denied or runs out.
    """
    _ask(wire, keys.load(folder), machine=machine, name=name, say=say, sleep=sleep, clock=clock)


def _ask(
    wire: Wire,
    key: keys.DeviceKey,
    *,
    machine: Machine,
    name: str,
    say: Callable[[str], None],
    sleep: Callable[[float], None],
    clock: Callable[[], float],
) -> Answer:
    """Show a code, and wait until somebody has allowed it."""
    asked = wire.post(
        "/devices/api/enrolments",
        lambda: {
            "public_jwk": key.public_jwk,
            "name": name,
            "platform": machine.system,
            "key_storage": key.storage,
            "proof": _proof(key, wire.server, clock()),
        },
    )
    if asked.status != HTTPStatus.CREATED:
        raise Refused(asked.error)
    say(f"Open {asked.body['verification_uri']} and enter {asked.body['user_code']}")
    say(f"or open {asked.body['verification_uri_complete']}")
    say(f"The page shows this machine's key as {key.thumbprint}")
    return _wait(wire, key, asked, sleep=sleep, clock=clock)


def _wait(
    wire: Wire,
    key: keys.DeviceKey,
    asked: Answer,
    *,
    sleep: Callable[[float], None],
    clock: Callable[[], float],
) -> Answer:
    """Poll at the interval that the server wants, and slower when it says so."""
    interval = float(asked.body.get("interval", 5))
    ends_at = clock() + float(asked.body.get("expires_in", 600))
    while clock() < ends_at:
        sleep(interval)
        answer = wire.post(
            f"/devices/api/enrolments/{asked.body['enrolment_id']}",
            lambda: {"proof": _proof(key, wire.server, clock())},
        )
        if answer.status == HTTPStatus.OK:
            return answer
        if answer.body.get("error") == "slow_down":
            interval += SLOWER_BY_SECONDS
        elif answer.status != HTTPStatus.ACCEPTED:
            raise Refused(answer.error)
    raise Refused("nobody allowed it in time")


def _proof(key: keys.DeviceKey, server: str, at: float) -> str:
    return key.sign(
        typ="enrolment+jwt", claims={"aud": server, "iat": int(at), "jti": str(uuid4())}
    )
