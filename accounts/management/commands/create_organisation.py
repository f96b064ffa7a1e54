from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_slug

from accounts.flows import create_organisation
from core import clock
from core.errors import Refusal


class Command(BaseCommand):
    help = "Create an organisation."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="its short name: letters, digits, hyphens")
        parser.add_argument("name", help="its name for people")

    def handle(self, **options: Any) -> None:
        try:
            validate_slug(options["slug"])
            create_organisation(slug=options["slug"], name=options["name"], now=clock.now())
        except ValidationError:
            raise CommandError("a slug has only letters, digits, hyphens and underscores") from None
        except Refusal as refusal:
            raise CommandError(refusal.detail) from None
