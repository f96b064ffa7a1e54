"""Takes in a table of devices out of whatever manages them (docs/devices.md has its form)."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from core import clock
from core.errors import Refusal
from devices.connectors import delivery
from devices.connectors.mdm import MAX_BYTES
from devices.models import Connector


class Command(BaseCommand):
    help = "Take in a table of devices (CSV or JSON): the whole of it, or nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--connector", type=UUID, required=True)
        parser.add_argument("--dry-run", action="store_true", help="say what it would come to")

    def handle(self, **options: Any) -> None:
        connector = Connector.unscoped.filter(pk=options["connector"]).first()
        if connector is None:
            raise CommandError(f"there is no connector {options['connector']}")
        try:
            with options["file"].open("rb") as file:
                content = file.read(MAX_BYTES + 1)
            outcome = delivery.take_table(
                connector,
                content,
                actor="manage.py import_posture",
                is_dry=options["dry_run"],
                now=clock.now(),
            )
        except OSError as error:
            raise CommandError(f"cannot read {options['file']}: {error.strerror}") from error
        except Refusal as refusal:
            raise CommandError(refusal.detail) from None
        if outcome.faults:
            raise CommandError("\n".join(["nothing was written", *outcome.faults]))
        for name in outcome.unknown:
            self.stderr.write(f"no enrolled device: {name}")
        would = "would be " if options["dry_run"] else ""
        self.stdout.write(f"{outcome.checks} checks of {outcome.devices} devices {would}updated")
