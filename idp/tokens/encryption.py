"""Encrypting to a client's own key: ID tokens, userinfo, introspection.

OpenID Connect Core 1.0 §16.14; RFC 9701 §5. Compact JWE (RFC 7516) by a short list of algorithms:
neither RSA1_5, which is an oracle, nor passwords (PBES2) or shared secrets, and never compressed.
What somebody encrypted to us is opened elsewhere, and only for requests
(`idp.requests.encrypted_requests`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from joserfc import jwe
from joserfc.jwe import JWERegistry

from core.errors import Refusal
from idp.clients.authentication import MachineClient
from idp.clients.public_keys import ClientKey, keys_of
from idp.registration.metadata import ClientMetadata

KEY_TYPES = {"RSA-OAEP-256": "RSA", "ECDH-ES": "EC", "ECDH-ES+A256KW": "EC"}
ALGORITHMS = tuple(KEY_TYPES)
DEFAULT_ENCRYPTION = "A128CBC-HS256"
ENCRYPTIONS = (DEFAULT_ENCRYPTION, "A256GCM")
OPERATIONS = frozenset({"encrypt", "wrapKey", "deriveKey", "deriveBits"})

_registry = JWERegistry(algorithms=[*ALGORITHMS, *ENCRYPTIONS])


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom and how to encrypt to. alg: of the key; enc: of the content (RFC 7518 §4, §5)."""

    alg: str
    enc: str
    key: ClientKey


def id_token_recipient(client: MachineClient) -> Recipient | None:
    """Whom this client's ID tokens are for, None if anybody may read them; refuses as `_to`."""
    known = client.metadata
    if not known.id_token_encrypted_response_alg:
        return None
    return _to(client, known.id_token_encrypted_response_alg, known.id_token_encrypted_response_enc)


def userinfo_recipient(client: MachineClient) -> Recipient | None:
    """Whom this client's userinfo is for, None if it is not encrypted; refuses as `_to`."""
    known = client.metadata
    if not known.userinfo_encrypted_response_alg:
        return None
    return _to(client, known.userinfo_encrypted_response_alg, known.userinfo_encrypted_response_enc)


def introspection_recipient(client: MachineClient) -> Recipient | None:
    """Whom this client's introspection answers are for, None if not encrypted; refuses as `_to`."""
    known = client.metadata
    alg, enc = (
        known.introspection_encrypted_response_alg,
        known.introspection_encrypted_response_enc,
    )
    return _to(client, alg, enc) if alg else None


def encrypt(text: str, recipient: Recipient, *, is_jwt: bool = True) -> str:
    """A compact JWE of a text. is_jwt: it is a JWT itself, which `cty` says (RFC 7519 §5.2)."""
    header = {"alg": recipient.alg, "enc": recipient.enc}
    if recipient.key.kid:
        header["kid"] = recipient.key.kid
    if is_jwt:
        header["cty"] = "JWT"
    return jwe.encrypt_compact(header, text, recipient.key.key, registry=_registry)


def key_for(keys: Sequence[ClientKey], alg: str) -> ClientKey | None:
    """The first key that says it is for encryption, or else one that says nothing."""
    fitting = [key for key in keys if _fits(key, alg)]
    return next((key for key in fitting if key.use), fitting[0] if fitting else None)


def has_keys(known: ClientMetadata) -> bool:
    """Whether the client registered keys at all, by value or by reference."""
    return known.jwks is not None or bool(known.jwks_uri)


def _to(client: MachineClient, alg: str, enc: str) -> Recipient:
    """Refuses INVALID_REQUEST when no key can be had: nothing is told in clear instead."""
    key = key_for(keys_of(client.client_id, client.metadata), alg)
    if key is None:
        raise Refusal.invalid_request("The client has no key that the answer could be for.")
    return Recipient(alg, enc or DEFAULT_ENCRYPTION, key)


def _fits(key: ClientKey, alg: str) -> bool:
    return (
        key.key.key_type == KEY_TYPES[alg]
        and key.alg in {"", alg}
        and key.use in {"", "enc"}
        and (not key.operations or bool(OPERATIONS & set(key.operations)))
    )
