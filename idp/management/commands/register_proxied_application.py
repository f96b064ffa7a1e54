"""Registers an application that stands behind a proxy which asks us about each request."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import REQUIRED_TIER, Organisation
from core import clock
from core.assurance import ACR_VALUES
from core.errors import Refusal
from idp.forward_auth.registration import read_rules, register_application


class Command(BaseCommand):
    help = "Register an application that knows no OpenID Connect, behind a proxy (forward-auth)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("organisation", help="slug of the organisation")
        parser.add_argument("name", help="what people will read")
        parser.add_argument(
            "--origin", action="append", default=[], metavar="ORIGIN",
            help="where browsers see it: https://app.example.com; may be given again",
        )  # fmt: skip
        parser.add_argument(
            "--rules", default="", metavar="FILE", help="what paths demand, as a JSON list"
        )
        parser.add_argument("--required-acr", default="", choices=ACR_VALUES)
        parser.add_argument(
            "--required-tier", type=int, default=0, choices=[tier for tier, _ in REQUIRED_TIER]
        )

    def handle(self, **options: Any) -> None:
        organisation = Organisation.objects.filter(slug=options["organisation"]).first()
        if organisation is None:
            raise CommandError(f"there is no organisation {options['organisation']}")
        try:
            rules = read_rules(options["rules"]) if options["rules"] else []
            client = register_application(
                organisation=organisation,
                name=options["name"],
                origins=options["origin"],
                rules=rules,
                required_acr=options["required_acr"],
                required_tier=options["required_tier"],
                now=clock.now(),
            )
        except Refusal as refusal:
            raise CommandError(refusal.detail) from None
        self.stdout.write(f"client_id: {client.client_id}")
