"""Writes the decision log as an OPA server uploads it: a JSON object a line, or gzip."""

import gzip
import sys
from argparse import ArgumentParser
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError

from core import clock
from policy.decision_log import logged


class Command(BaseCommand):
    help = "Export answers of policy in the format of OPA's decision log, the newest first."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--since", type=instant, help="ISO 8601; a day ago unless said")
        parser.add_argument("--until", type=instant, help="ISO 8601; now unless said")
        parser.add_argument("--output", type=Path, help="a file; gzip where it ends in .gz")

    def handle(self, **options: Any) -> None:
        until = options["until"] or clock.now()
        since = options["since"] or until - timedelta(days=1)
        lines = (orjson.dumps(one.document()) + b"\n" for one in logged(since=since, until=until))
        path: Path | None = options["output"]
        try:
            if path is None:
                sys.stdout.buffer.writelines(lines)
            elif path.suffix == ".gz":
                with gzip.open(path, "wb") as file:
                    file.writelines(lines)
            else:
                with path.open("wb") as file:
                    file.writelines(lines)
        except OSError as failure:
            raise CommandError(f"{path} cannot be written: {failure.strerror}") from failure


def instant(text: str) -> datetime:
    """A moment with its zone; without one it is UTC."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=clock.now().tzinfo)
