"""How a client wants ID tokens, userinfo and introspection: signed, encrypted.

OpenID Connect Registration 1.0 §2; RFC 9701 §6.
"""

from dataclasses import replace
from typing import Any

from core.errors import Refusal
from idp.clients.public_keys import keys_of
from idp.models.client import Client
from idp.registration.metadata import ClientMetadata
from idp.tokens import encryption

SIGNED = ("userinfo", "introspection")
ENCRYPTED = ("id_token", "userinfo", "introspection")


def completed(known: ClientMetadata) -> ClientMetadata:
    """The metadata with its defaults; refuses INVALID_CLIENT_METADATA for what we cannot do."""
    for answer in SIGNED:
        alg: str = getattr(known, f"{answer}_signed_response_alg")
        if alg and alg not in Client.SigningAlg.values:
            raise _refusal(f"{alg[:16]} does not sign {answer}.")
    for answer in ENCRYPTED:
        known = _encrypted(known, f"{answer}_encrypted_response_alg", answer)
    return known


def _encrypted(known: ClientMetadata, member: str, answer: str) -> ClientMetadata:
    alg: str = getattr(known, member)
    enc_member = f"{answer}_encrypted_response_enc"
    enc: str = getattr(known, enc_member)
    if not alg:
        if enc:
            raise _refusal(f"{enc_member} needs {member}.")
        return known
    if alg not in encryption.ALGORITHMS:
        raise _refusal(f"{alg[:16]} does not encrypt here.")
    if enc and enc not in encryption.ENCRYPTIONS:
        raise _refusal(f"{enc[:16]} does not encrypt here.")
    if not encryption.has_keys(known):
        raise _refusal(f"{member} needs jwks or jwks_uri.")
    if known.jwks is not None and encryption.key_for(keys_of("", known), alg) is None:
        raise _refusal(f"jwks has no key for {alg}.")
    chosen: dict[str, Any] = {enc_member: enc or encryption.DEFAULT_ENCRYPTION}
    return replace(known, **chosen)


def _refusal(detail: str) -> Refusal:
    return Refusal("invalid_client_metadata", detail)
