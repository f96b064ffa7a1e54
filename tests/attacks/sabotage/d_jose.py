"""Signed and encrypted objects (A049 to A057)."""

from collections.abc import Callable
from typing import Any

from tests.attacks.sabotage.defence import Defence, Patch, replace, wrap


def algorithm_of_the_header(original: Callable[..., Any], text: str, kind: str) -> Any:
    """Verifies by whatever algorithm the token names, over the public key."""
    import base64
    import hashlib
    import hmac
    import json

    from cryptography.hazmat.primitives import serialization

    from idp import keys

    def decode(part: str) -> bytes:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))

    signed, _, tag = text.rpartition(".")
    header = json.loads(decode(signed.split(".")[0]))
    key = keys.verification_key(header["kid"])
    if header["alg"] == "HS256" and key is not None:
        public = key.key.public_key.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        if hmac.compare_digest(hmac.digest(public, signed.encode(), hashlib.sha256), decode(tag)):
            return json.loads(decode(signed.split(".")[1]))
    return original(text, kind)


def secret_of_the_public_key(original: Any, client: Any, request: Any, text: str) -> None:
    """Verifies an assertion by whatever algorithm it names, over the client's public key."""
    import hashlib
    import hmac

    from cryptography.hazmat.primitives import serialization
    from joserfc.util import json_b64decode, urlsafe_b64decode

    from idp.clients import public_keys

    signed, _, tag = text.rpartition(".")
    if json_b64decode(signed.partition(".")[0].encode()).get("alg") == "HS256":
        for key in public_keys.keys_of(client.client_id, client.metadata):
            public = key.key.public_key.public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            if hmac.digest(public, signed.encode(), hashlib.sha256) == urlsafe_b64decode(
                tag.encode()
            ):
                return
    original(client, request, text)


def keys_of_any_kind(patch: Patch) -> None:
    """Leaves it to the library which key fits which algorithm."""
    from joserfc.jwk import JWKRegistry

    from idp.clients.public_keys import ClientKey

    def imported(jwk: dict[str, Any]) -> ClientKey:
        return ClientKey(JWKRegistry.import_key(jwk), jwk.get("kid", ""), "", "", ())

    replace("idp.clients.public_keys:_import", imported)(patch)
    replace("idp.clients.public_keys:ClientKey.verifies", lambda *_: True)(patch)


def key_of_the_header(original: Callable[..., Any], text: str, kind: str) -> Any:
    """Believes the key that the token brings along."""
    import base64
    import json

    from joserfc import jws
    from joserfc.jwk import ECKey

    head = text.split(".")[0]
    header = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    if "jwk" in header:
        signed = jws.deserialize_compact(text, ECKey.import_key(header["jwk"]))
        return json.loads(signed.payload)
    return original(text, kind)


def header_of_any_size(text: str) -> Any:
    import base64
    import json

    head = text.split(".")[0]
    return json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))


def any_name_of_a_key(original: Any, kid: str) -> Any:
    from idp import keys

    return original(kid) or keys.signing_key("ES256")


def plain_json(text: bytes) -> Any:
    import json

    return json.loads(text)


DEFENCES = {
    "A049": Defence(
        "the key brings its algorithm along",
        wrap("idp.tokens.verify:_verified", algorithm_of_the_header),
        "attacks/test_a049_algorithm_confusion.py",
    ),
    "A049-assertion": Defence(
        "a public key is no secret of its client",
        wrap("idp.clients.assertions:authenticate", secret_of_the_public_key),
        "attacks/test_a049_assertion_confusion.py",
    ),
    "A049-kinds": Defence(
        "a key verifies by the algorithms of its kind",
        keys_of_any_kind,
        "attacks/test_a049_ed25519_confusion.py",
    ),
    "A050": Defence(
        "keys come from our own ring", wrap("idp.tokens.verify:_verified", key_of_the_header)
    ),
    "A051": Defence(
        "unknown members of a header are refused",
        replace(
            "idp.requests.request_objects:HEADERS",
            frozenset({"alg", "kid", "typ", "crit", "b64", "zip", "cty", "exp"}),
        ),
    ),
    "A052": Defence("a key has one name", wrap("idp.keys:verification_key", any_name_of_a_key)),
    "A054": Defence(
        "only algorithms of a short list can be registered",
        replace("idp.registration.responses:completed", lambda known: known),
    ),
    "A055": Defence(
        "headers have a greatest length, and errors are caught",
        replace("idp.tokens.verify:_header", header_of_any_size),
    ),
    "A056": Defence("JSON is read strictly", replace("core.strict_json:parse", plain_json)),
}
