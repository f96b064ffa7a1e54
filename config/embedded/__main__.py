"""`python -m config.embedded up|down|status|env`: the services without the product."""

import json
import os
import shlex
import sys

from config.embedded.paths import Places, open_places
from config.embedded.secret_files import write_private
from config.embedded.services import (
    FILES,
    PROJECT,
    child_environment,
    ensure_services,
    launcher_lock,
    serving_pids,
    stop_servers,
)

USAGE = """usage: python -m config.embedded up|down|status|env
  up      start the services, or adopt them; they run until `down`
  down    stop them, whoever uses them
  status  say what runs; exit code 3 when something does not
  env     print what `eval` needs, so that manage.py can be used by hand"""
NOT_RUNNING = 3


def main(arguments: list[str]) -> int:
    """Do one command; the exit code says how it went."""
    var = PROJECT / os.environ.get("SALLYPORT_VAR_DIR", "var")
    match arguments:
        case ["up"]:
            print("\n".join(ensure_services(var, keep=True).lines))
        case ["attach"]:  # for attach_services, which holds the claim meanwhile
            services = ensure_services(var)
            print(json.dumps({"lines": services.lines, "environment": services.environment()}))
        case ["down"]:
            print("\n".join(_down(open_places(var))) or "Nothing was running.")
        case ["status"]:
            return _status(open_places(var))
        case ["env"]:
            return _environment(open_places(var))
        case _:
            print(USAGE, file=sys.stderr)
            return 2
    return 0


def _down(places: Places) -> list[str]:
    with launcher_lock(places):
        stopped = stop_servers(places)
        if places.record.exists():
            record = json.loads(places.record.read_text()) | {"keep": False}
            write_private(places.record, json.dumps(record, indent=2) + "\n")
    return stopped


def _status(places: Places) -> int:
    pids = serving_pids(places)
    for service in ("postgres", "valkey"):
        state = f"process {pids[service]}" if service in pids else "not running"
        print(f"{service}: {state}")
    return 0 if len(pids) == len(("postgres", "valkey")) else NOT_RUNNING


def _environment(places: Places) -> int:
    found = {"SALLYPORT_ENVIRONMENT": "development", **child_environment(places)}
    if not any(f"{setting}_FILE" in found for setting in FILES):
        print("There are no secrets yet: `make run` makes them.", file=sys.stderr)
        return 1
    if "SALLYPORT_ENVIRONMENT" in os.environ:
        del found["SALLYPORT_ENVIRONMENT"]
    for name, value in found.items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
