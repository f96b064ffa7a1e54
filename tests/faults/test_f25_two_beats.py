"""F25: two workers, each with a beat of its own, on one installation. What is due happens once."""

import json
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from config.children import worker_command
from tests.support.arrange import arrange
from tests.support.instance import Instance

pytestmark = pytest.mark.instance
MAIL = "accounts.tasks.deliver_mail"
SECONDS = 150
STATE = """
SELECT (SELECT count(*) FROM accounts_outgoingmail),
       (SELECT count(*) FROM accounts_outgoingmail WHERE sent_at IS NOT NULL),
       (SELECT count(*) FROM accounts_roleassignment WHERE ended_at IS NOT NULL),
       (SELECT count(*) FROM audit_auditevent WHERE event = 'accounts.role.expired')
"""


def state(instance: Instance) -> tuple[Any, ...]:
    with instance.connect() as database:
        found = database.execute(STATE).fetchone()
    assert found is not None
    return found


def runs(instance: Instance) -> list[int]:
    """How often each worker that answers within a second has delivered mail."""
    said = instance.inside(
        "import json; from config.celery import app;"
        "print(json.dumps(app.control.inspect(timeout=1).stats() or {}))"
    )
    return [stats["total"].get(MAIL, 0) for stats in json.loads(said).values()]


def messages(*folders: Path) -> Counter[str]:
    """The messages that left, by whom they are for."""
    files = [path for folder in folders for path in (folder / "mail").glob("*")]
    lines = [line for path in files for line in path.read_text().splitlines()]
    return Counter(line for line in lines if line.startswith("To: "))


def test_two_beats_do_nothing_twice() -> None:
    hasty = {"DJANGO_SETTINGS_MODULE": "tests.support.hasty"}
    with Instance(environment=hasty) as instance, tempfile.TemporaryDirectory() as folder:
        arrange(instance, "signed_in", email="alice@acme.example", role="auditor", role_hours=0.001)
        for number in range(5):
            arrange(instance, "invited", email=f"guest-{number}@acme.example")
        waiting, *_ = state(instance)
        assert waiting >= 5

        instance._spawn("worker", worker_command())
        # Each beat remembers its rounds in a folder of its own, as on two machines.
        instance.extra["SALLYPORT_VAR_DIR"] = folder
        instance._spawn("second", [*worker_command(), "--hostname", "second@localhost"])
        del instance.extra["SALLYPORT_VAR_DIR"]
        try:
            deadline = time.monotonic() + SECONDS
            # Both have done it more than once, and one of them the slower task as well.
            while len(counted := runs(instance)) < 2 or min(counted) < 3 or state(instance)[2] < 1:
                assert time.monotonic() < deadline, (counted, state(instance), instance.logs())
        finally:
            instance.kill("second")

        assert state(instance) == (waiting, waiting, 1, 1)
        sent = messages(instance.var, Path(folder))
        assert sum(sent.values()) == waiting
        assert {sent[f"To: guest-{number}@acme.example"] for number in range(5)} == {1}
