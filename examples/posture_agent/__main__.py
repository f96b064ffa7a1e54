"""The agent's commands: enrol, share, report, run, status."""

import argparse
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

from examples.posture_agent import state
from examples.posture_agent.collect import collect
from examples.posture_agent.enrolling import Refused, enrol, share
from examples.posture_agent.key import KeyFileError
from examples.posture_agent.machine import Machine, this_machine
from examples.posture_agent.reporting import report, run
from examples.posture_agent.wire import Answer, InsecureServer, Unreachable, Wire


def main(arguments: list[str] | None = None) -> int:
    """0: done. 1: refused, or out of reach. 2: wrongly called."""
    asked = _parser().parse_args(arguments)
    machine = this_machine(asked.root)
    try:
        folder = state.folder(asked.state)
        if asked.command == "status":
            return _status(folder, machine)
        with state.alone(folder):
            wire = Wire(asked.server or state.load(folder).server)
            if asked.command == "enrol":
                enrolment = enrol(wire, machine=machine, name=asked.name, folder=folder)
                print(f"Enrolled as {enrolment.device_id}.")
            elif asked.command == "share":
                share(_known(wire, folder), machine=machine, name=asked.name, folder=folder)
                print("Somebody else uses this machine as well.")
            elif asked.command == "report":
                _show(report(_known(wire, folder), machine=machine, folder=folder))
            else:
                run(_known(wire, folder), machine=machine, folder=folder)
    except (Refused, Unreachable, InsecureServer, state.StateError, KeyFileError, OSError) as error:
        print(f"posture agent: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="posture_agent", description=__doc__)
    parser.add_argument("command", choices=["enrol", "share", "report", "run", "status"])
    parser.add_argument("--server", help="Sallyport's address; remembered after enrolling")
    parser.add_argument("--state", type=Path, help="the agent's folder")
    parser.add_argument("--root", type=Path, default=Path("/"), help="look at another file system")
    parser.add_argument(
        "--name", default=platform.node()[:100] or "a machine", help="shown to people"
    )
    return parser


def _known(wire: Wire, folder: Path) -> Wire:
    """The server that this machine is enrolled at, and no other: reports are for it alone."""
    enrolled_at = state.load(folder).server
    if wire.server != enrolled_at:
        raise Refused(f"this machine is enrolled at {enrolled_at}")
    return wire


def _show(answer: Answer) -> None:
    print(f"Score {answer.body.get('score')}, tier {answer.body.get('tier')}.")
    for check in answer.body.get("checks", []):
        remedy = f": {check['remedy']}" if check.get("remedy") else ""
        print(f"  {check.get('status', '?'):8}{check.get('id', '?')}{remedy}")


def _status(folder: Path, machine: Machine) -> int:
    """What would be reported, and where; sends nothing."""
    try:
        enrolment = state.load(folder)
        print(f"Enrolled at {enrolment.server} as {enrolment.device_id}, {enrolment.seq} reports.")
        if enrolment.last_sent_at:
            print(
                f"Score {enrolment.last_score}, tier {enrolment.last_tier},"
                f" as of {enrolment.last_sent_at}."
            )
    except state.StateError as error:
        print(str(error).capitalize() + ".")
    seen = collect(machine, key_storage="software", now=datetime.now(UTC))
    print(" ".join(seen["os"].values()))
    for check in seen["checks"]:
        value = f" ({check['value']})" if "value" in check else ""
        print(f"  {check['status']:8}{check['id']}{value}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(0)
