"""A process with a running instance's settings that stays, and runs the Python that it is told.

    inside = Inside(instance.environment(), log)
    inside.run("from accounts.models import User; print(User.unscoped.count())")

Django is loaded once for all that a test module arranges. Each script begins with names and
database connections of its own; what modules keep (unwrapped keys) stays, as in a web process.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO


class Inside:
    """environment: the variables of the instance's processes. log: where else it speaks."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        from config.children import PROJECT

        self.environment = dict(environment)
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.inside"],
                cwd=PROJECT,
                env=self.environment | {"DJANGO_SETTINGS_MODULE": "config.settings"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )

    def run(self, script: str) -> str:
        """Give what a script printed; raises RuntimeError with its traceback."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(script) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the process inside the instance has died: see its log")
        answer = json.loads(line)
        if answer["fault"]:
            raise RuntimeError(f"{script}:\n{answer['said']}{answer['fault']}")
        return str(answer["said"])

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def serve(orders: TextIO, answers: TextIO) -> None:
    """Run scripts, a line of JSON each, until nobody sends another."""
    from contextlib import redirect_stdout
    from io import StringIO
    from traceback import format_exc

    from django.db import connections

    for order in orders:
        said, fault = StringIO(), ""
        try:
            with redirect_stdout(said):
                exec(json.loads(order), {"__name__": "__inside__"})
        except Exception:
            fault = format_exc()
        finally:
            connections.close_all()
        answers.write(json.dumps({"said": said.getvalue(), "fault": fault}) + "\n")
        answers.flush()


if __name__ == "__main__":
    import django

    # What prints without being asked may not come between the answers.
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    django.setup()
    serve(sys.stdin, replies)
