"""What may be registered about a client's authorization requests: pure rules."""

from dataclasses import replace

from django.conf import settings

from core.errors import Refusal
from idp import encryption_keys
from idp.registration.metadata import ClientMetadata
from idp.requests import resources
from idp.requests.request_objects import algorithms_of
from idp.tokens import encryption

MAX_URI_LENGTH = 500
MAX_TYPE_LENGTH = 200
PREFIX = "https://"


def completed(registered: ClientMetadata) -> ClientMetadata:
    """The metadata with its defaults; refuses INVALID_CLIENT_METADATA for what we cannot open."""
    alg, enc = registered.request_object_encryption_alg, registered.request_object_encryption_enc
    if enc and not alg:
        raise _refusal("request_object_encryption_enc needs request_object_encryption_alg.")
    if not alg:
        return registered
    if alg not in encryption_keys.ALGORITHMS:
        raise _refusal("request_object_encryption_alg is not one that we can open.")
    if enc and enc not in encryption.ENCRYPTIONS:
        raise _refusal("request_object_encryption_enc is not one that we can open.")
    return replace(registered, request_object_encryption_enc=enc or encryption.DEFAULT_ENCRYPTION)


def check(registered: ClientMetadata) -> None:
    """Refuses INVALID_CLIENT_METADATA."""
    for uri in registered.request_uris:
        is_address = uri.startswith(PREFIX) and len(uri) > len(PREFIX) and " " not in uri
        if not is_address or not uri.isascii() or len(uri) > MAX_URI_LENGTH:
            raise _refusal(f"request_uris are https, at most {MAX_URI_LENGTH} characters each.")
    if not algorithms_of(registered):
        raise _refusal("request_object_signing_alg is not one that this client may use.")
    for resource in registered.resources:
        if not resources.RESOURCE.fullmatch(resource) or len(resource) > MAX_URI_LENGTH:
            raise _refusal("resources are absolute URIs without a fragment.")
    for name in registered.authorization_details_types:
        if not name or len(name) > MAX_TYPE_LENGTH:
            raise _refusal("authorization_details_types are names.")
        if (
            settings.AUTHORIZATION_DETAILS_TYPES
            and name not in settings.AUTHORIZATION_DETAILS_TYPES
        ):
            raise _refusal("A type of authorization_details is not one of this installation.")


def _refusal(detail: str) -> Refusal:
    return Refusal("invalid_client_metadata", detail)
