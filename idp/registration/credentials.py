"""What a client may register about its keys and certificates, and how that fits its method."""

import ipaddress

from core.errors import Refusal
from idp import algorithms
from idp.clients import assertions, certificates, public_keys
from idp.models.client import Client
from idp.registration.metadata import ClientMetadata

Method = Client.AuthMethod
ALGORITHMS = {
    Method.PRIVATE_KEY_JWT.value: algorithms.ALGORITHMS,
    Method.SECRET_JWT.value: assertions.SECRET_ALGORITHMS,
}
NEED_KEYS = frozenset({Method.PRIVATE_KEY_JWT.value, Method.SELF_SIGNED_TLS.value})


def check(known: ClientMetadata) -> None:
    """Refuses INVALID_CLIENT_METADATA for keys or names of certificates that cannot be used."""
    if known.jwks is not None and known.jwks_uri:
        raise _refusal("Give jwks or jwks_uri, not both.")
    if known.jwks is not None:
        public_keys.check_jwks(known.jwks)
    names = [name for name in certificates.NAME_FIELDS if getattr(known, name)]
    if len(names) > 1:
        raise _refusal(f"Give one of {', '.join(certificates.NAME_FIELDS)}.")
    try:
        if known.tls_client_auth_subject_dn:
            certificates.parse_dn(known.tls_client_auth_subject_dn)
        if known.tls_client_auth_san_ip:
            ipaddress.ip_address(known.tls_client_auth_san_ip)
    except ValueError as error:
        raise _refusal(f"{names[0]} cannot be read.") from error


def check_method(method: str, known: ClientMetadata) -> None:
    """Refuses INVALID_CLIENT_METADATA when the client could never authenticate by this method."""
    if method in NEED_KEYS and known.jwks is None and not known.jwks_uri:
        raise _refusal(f"{method} needs jwks or jwks_uri.")
    has_name = any(getattr(known, name) for name in certificates.NAME_FIELDS)
    if (method == Method.TLS) != has_name:
        raise _refusal(
            "tls_client_auth needs the name in the certificate, and no other method does."
        )
    alg = known.token_endpoint_auth_signing_alg
    if alg and alg not in ALGORITHMS.get(method, ()):
        raise _refusal(f"{alg[:16]} does not sign assertions of {method}.")


def _refusal(detail: str) -> Refusal:
    return Refusal("invalid_client_metadata", detail)
