"""What may be registered for a client: pure rules, each refusal with the reason for people.

Redirect URIs are compared byte for byte later on, so nothing is normalised here; what browsers and
servers read differently is refused instead (RFC 9700 §2.1, §4.1; RFC 8252 §7, §8.4).
"""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from core.assurance import ACR_VALUES
from core.errors import Refusal
from idp.authzen import names
from idp.models import Client
from idp.models.client import (
    CIBA,
    DEVICE_CODE,
    GRANT_TYPES,
    KEY_METHODS,
    SECRET_METHODS,
    TOKEN_EXCHANGE,
)
from idp.registration import (
    addresses,
    authorization_requests,
    backchannel,
    claim_mappings,
    credentials,
    metadata,
    responses,
)
from idp.requests import response_types

MAX_NAME_LENGTH = 100
MAX_URI_LENGTH = 500
MAX_URIS = 20
MAX_SCOPE_LENGTH = 500
MAX_AUDIENCE_LENGTH = 200
MAX_TIER = 4
BRING_REFRESH_TOKENS = frozenset({"authorization_code", DEVICE_CODE, CIBA})
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
# RFC 6749 §3.3, without the quotes and backslash; a URI's own characters (RFC 3986 §2).
SCOPE = re.compile(r"[!#-\[\]-~]{1,64}")
URI = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")
PRIVATE_SCHEME = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+")


def check(values: Mapping[str, Any], *, kind: str) -> dict[str, Any]:
    """Each value as it will be kept, by the name of its column; refuses INVALID_REQUEST."""
    checks: dict[str, Callable[[Any], Any]] = {
        "name": check_name,
        "redirect_uris": lambda uris: check_redirect_uris(uris, kind=kind),
        "post_logout_redirect_uris": lambda uris: check_redirect_uris(uris, kind=kind),
        "grant_types": lambda names: check_grant_types(names, kind=kind),
        "scopes": check_scopes,
        "signing_alg": check_signing_alg,
        "is_first_party": bool,
        "required_acr": check_acr,
        "required_tier": check_tier,
        "scope_tiers": check_scope_tiers,
        "audience": check_audience,
        "token_endpoint_auth_method": lambda name: check_auth_method(name, kind=kind),
        "metadata": check_metadata,
    }
    return {name: checks[name](value) for name, value in values.items()}


def check_fit(grant_types: Sequence[str], known: metadata.ClientMetadata) -> None:
    """Refuses INVALID_CLIENT_METADATA for a grant type that lacks the metadata it needs."""
    if CIBA in grant_types and not known.backchannel_token_delivery_mode:
        raise Refusal("invalid_client_metadata", "CIBA needs backchannel_token_delivery_mode.")


def check_way_back(grant_types: Sequence[str], redirect_uris: Sequence[str]) -> None:
    if "authorization_code" in grant_types and not redirect_uris:
        raise Refusal.invalid_request("The authorization code needs at least one redirect URI.")


def check_name(name: str) -> str:
    """The name as it will be shown; refuses control and direction characters, which could fake."""
    name = name.strip()
    if not name or len(name) > MAX_NAME_LENGTH:
        raise Refusal.invalid_request(f"Give a name of 1 to {MAX_NAME_LENGTH} characters.")
    if any(unicodedata.category(letter) in {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"} for letter in name):
        raise Refusal.invalid_request("The name holds characters that cannot be seen.")
    return name


def check_redirect_uris(uris: Sequence[str], *, kind: str) -> list[str]:
    """The addresses as given; refuses whatever is not plainly one place."""
    if uris and kind == Client.Kind.PROXIED:
        raise Refusal.invalid_request("A proxied application has hosts, and no redirect URIs.")
    if len(uris) > MAX_URIS:
        raise Refusal.invalid_request(f"At most {MAX_URIS} addresses can be registered.")
    for uri in uris:
        _check_redirect_uri(uri, kind=kind)
    return list(dict.fromkeys(uris))


def _check_redirect_uri(uri: str, *, kind: str) -> None:
    fault = _fault_of(uri, kind)
    if fault:
        raise Refusal.invalid_request(f"{uri[:MAX_URI_LENGTH]}: {fault}")


def _fault_of(uri: str, kind: str) -> str:
    if len(uri) > MAX_URI_LENGTH:
        return f"is longer than {MAX_URI_LENGTH} characters"
    if not URI.fullmatch(uri):
        return "holds characters that a URI may not have"
    if "*" in uri:
        return "wildcards do not exist here: give each address"
    if "#" in uri:
        return "must have no fragment"
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is not a URI"
    if "@" in parts.netloc:
        return "must have no user part"
    if addresses.DOT_SEGMENT.search(parts.path):
        return "must have no dot segments"
    if parts.scheme == "https":
        return "" if host else "must name a host"
    if parts.scheme == "http":
        return "" if host in LOOPBACK_HOSTS else "must be https, except on this computer itself"
    if PRIVATE_SCHEME.fullmatch(parts.scheme):
        return (
            ""
            if kind == Client.Kind.PUBLIC
            else "only public clients may have a scheme of their own"
        )
    return "must begin with https://"


def check_grant_types(grant_types: Sequence[str], *, kind: str) -> list[str]:
    if kind == Client.Kind.PROXIED:
        if grant_types:
            raise Refusal.invalid_request("A proxied application asks for no tokens.")
        return []
    if not grant_types:
        raise Refusal.invalid_request("Give at least one grant type.")
    for name in grant_types:
        if name not in GRANT_TYPES:
            raise Refusal.invalid_request(f"{name} is not a grant type of this server.")
    if "refresh_token" in grant_types and not BRING_REFRESH_TOKENS & set(grant_types):
        raise Refusal.invalid_request(
            "refresh_token needs a grant type beside it that brings one: authorization_code, "
            "device_code or ciba."
        )
    if "client_credentials" in grant_types and kind != Client.Kind.CONFIDENTIAL:
        raise Refusal.invalid_request("client_credentials is for confidential clients.")
    if CIBA in grant_types and kind != Client.Kind.CONFIDENTIAL:
        raise Refusal.invalid_request("CIBA is for confidential clients.")
    if TOKEN_EXCHANGE in grant_types and kind != Client.Kind.CONFIDENTIAL:
        raise Refusal.invalid_request("Token exchange is for confidential clients.")
    return [name for name in GRANT_TYPES if name in grant_types]


def check_scopes(scopes: Sequence[str]) -> list[str]:
    for scope in scopes:
        if not SCOPE.fullmatch(scope):
            raise Refusal.invalid_request(
                f"{scope[:64]} is not a scope name (RFC 6749 section 3.3)."
            )
    kept = list(dict.fromkeys(scopes))
    if len(" ".join(kept)) > MAX_SCOPE_LENGTH:
        raise Refusal.invalid_request(f"All scopes together exceed {MAX_SCOPE_LENGTH} characters.")
    return kept


def check_auth_method(method: str | None, *, kind: str) -> str:
    """How the client authenticates: `none` for those without a secret, else by its secret."""
    if kind != Client.Kind.CONFIDENTIAL:
        if method not in {None, "", Client.AuthMethod.NONE}:
            raise Refusal.invalid_request(f"A {kind} client cannot authenticate by a secret.")
        return Client.AuthMethod.NONE.value
    chosen = method or Client.AuthMethod.BASIC.value
    if chosen not in {*SECRET_METHODS, *KEY_METHODS}:
        raise Refusal.invalid_request("A confidential client authenticates by a secret or a key.")
    return str(chosen)


def check_metadata(values: Any) -> dict[str, Any]:
    """The metadata as it will be kept, only what differs from the default."""
    if values is not None and not isinstance(values, Mapping):
        raise Refusal("invalid_client_metadata", "The metadata is a JSON object.")
    kept = metadata.parse(values or {})
    credentials.check(kept)
    kept = authorization_requests.completed(responses.completed(kept))
    response_types.check_registered(kept)
    addresses.check(kept)
    authorization_requests.check(kept)
    backchannel.check(kept)
    claim_mappings.check(kept.claim_mappings)
    if kept.authzen_subject_id not in names.FORMS:
        words = ", ".join(names.FORMS)
        raise Refusal("invalid_client_metadata", f"authzen_subject_id is one of {words}.")
    return kept.to_json()


def check_acr(acr: str) -> str:
    if acr not in ACR_VALUES:
        raise Refusal.invalid_request("The required assurance is aal1, aal2, phr, phrh, or empty.")
    return acr


def check_tier(tier: Any) -> int:
    if isinstance(tier, bool) or not isinstance(tier, int) or not 0 <= tier <= MAX_TIER:
        raise Refusal.invalid_request(f"The required tier is a number from 0 to {MAX_TIER}.")
    return tier


def check_scope_tiers(tiers: Any) -> dict[str, int]:
    """Tiers by scope; refuses what is no such object. A scope that demands none is left out."""
    if not isinstance(tiers, dict) or not all(map(SCOPE.fullmatch, tiers)):
        raise Refusal.invalid_request('Tiers of scopes are an object: {"scope": tier}.')
    return {scope: tier for scope, tier in tiers.items() if check_tier(tier)}


def check_audience(audience: str) -> str:
    if audience and (len(audience) > MAX_AUDIENCE_LENGTH or not URI.fullmatch(audience)):
        raise Refusal.invalid_request("The audience is a URI or a plain name without spaces.")
    return audience


def check_signing_alg(signing_alg: str) -> str:
    if signing_alg not in Client.SigningAlg.values:
        raise Refusal.invalid_request("The signing algorithm is not one of this server's.")
    return signing_alg


def check_kind(kind: str) -> str:
    if kind not in Client.Kind.values:
        raise Refusal.invalid_request("A client is public, confidential or proxied.")
    return kind
