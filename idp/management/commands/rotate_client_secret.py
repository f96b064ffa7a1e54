"""Gives an application a new secret; the old one stops working at once, or after a while."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core import clock
from core.errors import Refusal
from idp.flows import rotate_client_secret
from idp.models import Client


class Command(BaseCommand):
    help = "Give a confidential client a new secret. It is shown once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("client_id")
        parser.add_argument(
            "--keep-old-for",
            type=int,
            default=0,
            metavar="HOURS",
            help="how long the old secret stays good beside the new one, at most 720",
        )

    def handle(self, **options: Any) -> None:
        client = Client.unscoped.filter(client_id=options["client_id"]).first()
        if client is None:
            raise CommandError(f"there is no client {options['client_id']}")
        try:
            registered = rotate_client_secret(
                client=client,
                keep_old_for=timedelta(hours=options["keep_old_for"]),
                now=clock.now(),
            )
        except Refusal as refusal:
            raise CommandError(refusal.detail) from None
        self.stdout.write(f"client_secret: {registered.secret}")
        self.stderr.write("Keep the secret now: it is not shown again.")
