"""A report: looked at, signed over the server's nonce, sent once."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from uuid import uuid4

from examples.posture_agent import key as keys
from examples.posture_agent import state
from examples.posture_agent.collect import collect
from examples.posture_agent.enrolling import Refused
from examples.posture_agent.machine import Machine
from examples.posture_agent.wire import FIRST_WAIT_SECONDS, TRIES, Answer, Unreachable, Wire

SCHEMA = 1
SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 10, 86_400


def report(
    wire: Wire, *, machine: Machine, folder: Path, clock: Callable[[], float] = time.time
) -> Answer:
    """Send how the machine looks now. Raises Refused, Unreachable.

    A report is signed for one nonce and one number, and sent once. When it got lost on its way, or
    its answer did, the machine is looked at and the next one is signed.
    """
    key = keys.load(folder)
    for turn in range(TRIES):
        if turn:
            wire.pause(FIRST_WAIT_SECONDS * 2 ** (turn - 1))
        given = wire.post(state.load(folder).nonce_uri)
        if given.status != HTTPStatus.OK:
            raise Refused(given.error)
        enrolment = state.next_seq(folder)
        now = clock()
        claims = {
            "iss": enrolment.device_id,
            "aud": enrolment.server,
            "iat": int(now),
            "jti": str(uuid4()),
            "nonce": given.body["nonce"],
            "seq": enrolment.seq,
            "schema": SCHEMA,
            **collect(machine, key_storage=key.storage, now=datetime.fromtimestamp(now, UTC)),
        }
        answer = wire.post_jwt(enrolment.posture_uri, key.sign(typ="posture+jwt", claims=claims))
        if answer is None:
            continue
        if answer.status != HTTPStatus.OK:
            raise Refused(answer.error)
        _remember(folder, enrolment, answer, at=now)
        return answer
    raise Unreachable(f"{wire.server} took no report")


def _remember(folder: Path, enrolment: state.Enrolment, answer: Answer, *, at: float) -> None:
    state.save(
        folder,
        replace(
            enrolment,
            last_score=answer.body.get("score"),
            last_tier=answer.body.get("tier"),
            last_sent_at=datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        ),
    )


def run(
    wire: Wire,
    *,
    machine: Machine,
    folder: Path,
    say: Callable[[str], None] = print,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Report for ever, as often as the server asks. Ends by Refused only."""
    while True:
        pause = state.load(folder).interval_seconds
        try:
            answer = report(wire, machine=machine, folder=folder)
        except Unreachable as error:
            say(f"{error}; trying again later")
        else:
            say(f"score {answer.body.get('score')}, tier {answer.body.get('tier')}")
            pause = int(answer.body.get("next_report_in", pause))
        sleep(min(max(pause, SHORTEST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS))
