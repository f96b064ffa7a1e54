"""Connects another product; its secret is printed once."""

from argparse import ArgumentParser
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse

from core import clock
from core.errors import Refusal
from devices.connectors import administration
from devices.connectors.administration import MEANS
from devices.connectors.models import Authentication, ConnectorKind


class Command(BaseCommand):
    help = "Connect another product that knows of devices. The secret is shown once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("organisation", help="slug of the organisation")
        parser.add_argument("name", help="what administrators will read")
        parser.add_argument("--kind", required=True, choices=ConnectorKind.values)
        parser.add_argument(
            "--authentication",
            choices=Authentication.values,
            help="how it proves itself; by default a shared secret, where one can be had",
        )
        parser.add_argument(
            "--check",
            action="append",
            default=[],
            metavar="NAME=CHECK",
            help="which policy or query stands for which check",
        )
        parser.add_argument("--access-issuer", default="", metavar="URL")
        parser.add_argument("--access-audience", default="", metavar="TAG")

    def handle(self, **options: Any) -> None:
        organisations = apps.get_model("accounts", "Organisation").objects
        organisation = organisations.filter(slug=options["organisation"]).first()
        if organisation is None:
            raise CommandError(f"there is no organisation {options['organisation']}")
        kind = options["kind"]
        try:
            made = administration.create(
                organisation_id=organisation.pk,
                kind=kind,
                name=options["name"],
                authentication=options["authentication"] or _usual(kind, options["access_issuer"]),
                checks=dict(map(_pair, options["check"])),
                access_issuer=options["access_issuer"],
                access_audience=options["access_audience"],
                actor="manage.py make_connector",
                now=clock.now(),
            )
        except Refusal as refusal:
            raise CommandError(refusal.detail) from None
        self.stdout.write(f"connector: {made.connector.pk}")
        if kind != ConnectorKind.MDM:
            address = reverse("devices:api_connector", args=[made.connector.pk])
            self.stdout.write(f"address: {settings.ISSUER}{address}")
        if made.secret is not None:
            self.stdout.write(f"secret: {made.secret}")
            self.stderr.write("Keep the secret now: it is not shown again.")


def _usual(kind: str, access_issuer: str) -> str:
    if kind == ConnectorKind.CLOUDFLARE and not access_issuer:
        return Authentication.SECRET
    return MEANS[kind][0]


def _pair(text: str) -> tuple[str, str]:
    name, equals, check = text.rpartition("=")
    if not equals:
        raise CommandError(f"{text}: write NAME=CHECK")
    return name.strip(), check.strip()
