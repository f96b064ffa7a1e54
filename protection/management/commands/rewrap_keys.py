from typing import Any

from django.core.management.base import BaseCommand

from core import clock
from protection.flows import rewrap_data_keys


class Command(BaseCommand):
    help = "Wrap every data key by the first key of SALLYPORT_KEY_ENCRYPTION_KEYS."

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        changed = rewrap_data_keys(now=clock.now())
        self.stdout.write(f"{changed} data keys re-wrapped.")
