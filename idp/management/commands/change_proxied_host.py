"""Changes what paths of a proxied application demand, or forgets that it is at a host."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core import clock
from core.errors import Refusal
from idp.forward_auth.registration import add_host, change_rules, read_rules, remove_host
from idp.models import ProxiedHost


class Command(BaseCommand):
    help = "Change the rules of a proxied application's host, add another one, or remove it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("origin", help="where browsers see it: https://app.example.com")
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--rules", metavar="FILE", help="what paths demand, as a JSON list")
        what.add_argument(
            "--add", metavar="ORIGIN", help="another host of the application, by the same rules"
        )
        what.add_argument("--remove", action="store_true", help="forget that it is there")

    def handle(self, **options: Any) -> None:
        hosts = ProxiedHost.unscoped.select_related("client")
        host = hosts.filter(origin=options["origin"]).first()
        if host is None:
            raise CommandError(f"there is no application at {options['origin']}")
        now = clock.now()
        try:
            if options["remove"]:
                remove_host(host=host, now=now)
            elif options["add"]:
                add_host(client=host.client, origin=options["add"], rules=host.rules, now=now)
            else:
                change_rules(host=host, rules=read_rules(options["rules"]), now=now)
        except Refusal as refusal:
            raise CommandError(refusal.detail) from None
