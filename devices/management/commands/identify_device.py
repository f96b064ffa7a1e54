"""Writes down what a device is called elsewhere, so that connectors find it."""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from core import clock
from core.errors import Refusal
from devices.connectors import administration
from devices.connectors.identifiers import Kind
from devices.models import Device


class Command(BaseCommand):
    help = "Write down what a device is called elsewhere."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("device", type=UUID, help="its id here")
        for kind in Kind:
            parser.add_argument(f"--{kind.replace('_', '-')}", action="append", default=[])

    @transaction.atomic
    def handle(self, **options: Any) -> None:
        device = Device.unscoped.filter(pk=options["device"]).first()
        if device is None:
            raise CommandError(f"there is no device {options['device']}")
        for kind in Kind:
            for value in options[kind.value]:
                try:
                    made = administration.identify(
                        device=device,
                        kind=kind,
                        value=value,
                        actor="manage.py identify_device",
                        now=clock.now(),
                    )
                except Refusal as refusal:
                    raise CommandError(f"{kind} {value}: {refusal.detail}") from None
                self.stdout.write(f"{device} is {made}")
