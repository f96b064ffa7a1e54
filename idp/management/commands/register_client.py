"""Registers an application; its secret is printed once and kept only as a digest."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import Organisation
from core import clock, strict_json
from core.assurance import ACR_VALUES
from core.errors import Refusal
from idp.flows import DEFAULT_GRANT_TYPES, DEFAULT_SCOPES, register_client
from idp.models import Client
from idp.models.client import KEY_METHODS, SECRET_METHODS


class Command(BaseCommand):
    help = "Register an application (OAuth client). The secret is shown once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("organisation", help="slug of the organisation")
        parser.add_argument("name", help="what people will read on the consent page")
        parser.add_argument("--public", action="store_true", help="keeps no secret (SPA, native)")
        parser.add_argument("--redirect-uri", action="append", default=[], metavar="URI")
        parser.add_argument(
            "--post-logout-redirect-uri", action="append", default=[], metavar="URI"
        )
        parser.add_argument("--grant-type", action="append", default=[], metavar="NAME")
        parser.add_argument("--scope", action="append", default=[], metavar="NAME")
        parser.add_argument("--signing-alg", default="ES256", choices=Client.SigningAlg.values)
        parser.add_argument("--first-party", action="store_true", help="people are not asked")
        parser.add_argument("--required-acr", default="", choices=ACR_VALUES)
        parser.add_argument("--audience", default="", help="aud of its access tokens")
        parser.add_argument("--auth-method", default=None, choices=[*SECRET_METHODS, *KEY_METHODS])
        parser.add_argument(
            "--metadata", default="", metavar="FILE", help="further metadata (RFC 7591), as JSON"
        )

    def handle(self, **options: Any) -> None:
        organisation = Organisation.objects.filter(slug=options["organisation"]).first()
        if organisation is None:
            raise CommandError(f"there is no organisation {options['organisation']}")
        further = _read_metadata(options["metadata"]) if options["metadata"] else {}
        try:
            registered = register_client(
                organisation=organisation,
                name=options["name"],
                kind="public" if options["public"] else "confidential",
                redirect_uris=options["redirect_uri"],
                post_logout_redirect_uris=options["post_logout_redirect_uri"],
                grant_types=options["grant_type"] or DEFAULT_GRANT_TYPES,
                scopes=options["scope"] or DEFAULT_SCOPES,
                signing_alg=options["signing_alg"],
                is_first_party=options["first_party"],
                required_acr=options["required_acr"],
                audience=options["audience"],
                token_endpoint_auth_method=options["auth_method"],
                metadata=further,
                now=clock.now(),
            )
        except Refusal as refusal:
            raise CommandError(refusal.detail) from None
        self.stdout.write(f"client_id: {registered.client.client_id}")
        if registered.secret is not None:
            self.stdout.write(f"client_secret: {registered.secret}")
            self.stderr.write("Keep the secret now: it is not shown again.")


def _read_metadata(path: str) -> dict[str, Any]:
    try:
        return strict_json.parse_object(Path(path).read_bytes())
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise CommandError(f"{path} is no JSON object: {error}") from error
