"""Signing in that begins here and not at the client (OpenID Connect Core 1.0 §4)."""

from urllib.parse import urlsplit

from django.conf import settings

from idp.models import Client
from idp.registration.metadata import ClientMetadata
from idp.requests.parameters import with_query


def start_url(client: Client) -> str:
    """The client's `initiate_login_uri` with `iss`, where it has one; else "".

    No login_hint: an address of mail would travel in the query, and the client will ask us anyway.
    """
    uri = ClientMetadata.from_json(client.metadata).initiate_login_uri
    return with_query(uri, {"iss": settings.ISSUER}) if urlsplit(uri).scheme == "https" else ""
