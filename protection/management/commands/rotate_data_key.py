from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core import clock
from protection.flows import rotate_data_key
from protection.models import DataKey


class Command(BaseCommand):
    help = "Make a new data key, for one organisation or for all that have one."

    def add_arguments(self, parser: CommandParser) -> None:
        group = parser.add_mutually_exclusive_group(required=True)
        group.add_argument("--organisation", type=UUID, help="the organisation's id")
        group.add_argument("--all", action="store_true", help="every organisation, and our own")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        active = DataKey.objects.filter(is_active=True)
        if not options["all"]:
            active = active.filter(organisation_id=options["organisation"])
        organisations = list(active.values_list("organisation_id", flat=True))
        if not organisations:
            raise CommandError("There is no data key of this organisation.")
        for organisation_id in organisations:
            rotate_data_key(organisation_id=organisation_id, now=clock.now())
        self.stdout.write(
            f"{len(organisations)} data keys made. What older ones sealed still opens."
        )
