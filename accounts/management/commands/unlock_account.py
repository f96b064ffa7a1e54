from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.flows import unlock_account
from accounts.models import User
from core import clock


class Command(BaseCommand):
    help = "Forget the failed sign-ins of an account, so that it may be tried again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")

    def handle(self, **options: Any) -> None:
        user = User.unscoped.filter(email=options["email"].strip().lower()).first()
        if user is None:
            raise CommandError(f"there is no user {options['email']}")
        unlock_account(user=user, now=clock.now())
