"""Makes somebody an administrator: the only way to the first one, since no account is built in."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.flows import make_administrator
from accounts.models import User
from core import clock


class Command(BaseCommand):
    help = "Let a user administer their organisation, or with --everywhere all of them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--everywhere", action="store_true", help="every organisation")

    def handle(self, **options: Any) -> None:
        user = User.unscoped.filter(email=options["email"].strip().lower()).first()
        if user is None:
            raise CommandError(f"there is no user {options['email']}: invite them first")
        make_administrator(user=user, is_everywhere=options["everywhere"], now=clock.now())
