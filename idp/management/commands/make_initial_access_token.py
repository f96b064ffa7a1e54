"""Makes a token by which applications register themselves; it is printed once."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import Organisation
from core import clock
from core.errors import Refusal
from idp.dynamic_registration.flows import make_initial_access_token


class Command(BaseCommand):
    help = "Let an application register itself (RFC 7591). The token is shown once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("organisation", help="slug of the organisation")
        parser.add_argument("--name", default="", help="whom it is for")
        parser.add_argument("--uses", type=int, default=1, help="how many clients it registers")
        parser.add_argument("--days", type=int, default=1, help="how long it lives")
        parser.add_argument("--grant-type", action="append", default=[], metavar="NAME")
        parser.add_argument("--scope", action="append", default=[], metavar="NAME")

    def handle(self, **options: Any) -> None:
        organisation = Organisation.objects.filter(slug=options["organisation"]).first()
        if organisation is None:
            raise CommandError(f"there is no organisation {options['organisation']}")
        try:
            made = make_initial_access_token(
                organisation=organisation,
                name=options["name"],
                uses=options["uses"],
                lifetime=timedelta(days=options["days"]),
                grant_types=options["grant_type"],
                scopes=options["scope"],
                now=clock.now(),
            )
        except Refusal as refusal:
            raise CommandError(refusal.detail) from None
        self.stdout.write(f"initial_access_token: {made.text}")
        self.stderr.write("Keep the token now: it is not shown again.")
