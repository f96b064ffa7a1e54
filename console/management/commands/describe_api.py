"""Prints what the API is, as OpenAPI has it: docs/openapi.json is that."""

from typing import Any

from django.core.management.base import BaseCommand

from console.api.site import document


class Command(BaseCommand):
    help = "Print the OpenAPI document of the API."

    def handle(self, **_: Any) -> None:
        self.stdout.write(document().decode(), ending="")
