"""Invites somebody by mail, and prints the link for where mail does not arrive."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email

from accounts.flows import invite
from accounts.models import Organisation, Role
from core import clock
from core.errors import Refusal


class Command(BaseCommand):
    help = "Invite somebody into an organisation. The link works once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--organisation", required=True, metavar="SLUG")
        parser.add_argument("--role", metavar="NAME", help="a role to hold from the start")

    def handle(self, **options: Any) -> None:
        organisation = Organisation.objects.filter(slug=options["organisation"]).first()
        if organisation is None:
            raise CommandError(f"there is no organisation {options['organisation']}")
        role = None
        if options["role"]:
            role = Role.objects.within(organisation).filter(name=options["role"]).first()
            if role is None:
                raise CommandError(f"{organisation} has no role {options['role']}")
        try:
            validate_email(options["email"])
            invitation, link = invite(
                organisation=organisation, email=options["email"], role=role, now=clock.now()
            )
        except ValidationError:
            raise CommandError(f"{options['email']} is not an e-mail address") from None
        except Refusal as refusal:
            raise CommandError(refusal.detail) from None
        self.stdout.write(link)
        self.stderr.write(f"Works once, until {invitation.expires_at:%Y-%m-%d %H:%M} UTC.")
