"""The key that makes this machine itself: ES256, kept where only its user reads it.

A key in the machine's security chip would be better, since nobody can copy it: malware that runs
as the user can read this file. Whoever has a TPM 2.0 or a Secure Enclave at hand writes a class
with the four names of `DeviceKey` (tpm2-pytss: `ESAPI.create` with `fixedtpm`, then `sign`), says
`storage = "tpm"`, and returns it from `load` and `make`. Nothing else touches a private key.
"""

import base64
import hashlib
import json
import os
from pathlib import Path
from typing import Any, Protocol

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

COORDINATE_BYTES = 32
FILE_NAME = "device-key.pem"
PARTIAL_NAME = f"{FILE_NAME}.partial"


class KeyFileError(Exception):
    """The key's file cannot be used as it is."""


class DeviceKey(Protocol):
    storage: str

    @property
    def public_jwk(self) -> dict[str, str]: ...

    @property
    def thumbprint(self) -> str: ...

    def sign(self, *, typ: str, claims: dict[str, Any]) -> str: ...


class SoftwareKey:
    """A P-256 key in a file."""

    storage = "software"

    def __init__(self, private: ec.EllipticCurvePrivateKey) -> None:
        self._private = private

    @property
    def public_jwk(self) -> dict[str, str]:
        numbers = self._private.public_key().public_numbers()
        return {
            "kty": "EC",
            "crv": "P-256",
            "x": encoded(numbers.x.to_bytes(COORDINATE_BYTES)),
            "y": encoded(numbers.y.to_bytes(COORDINATE_BYTES)),
        }

    @property
    def thumbprint(self) -> str:
        """RFC 7638."""
        canonical = json.dumps(self.public_jwk, sort_keys=True, separators=(",", ":"))
        return encoded(hashlib.sha256(canonical.encode()).digest())

    def sign(self, *, typ: str, claims: dict[str, Any]) -> str:
        """A compact JWS (RFC 7515), ES256 (RFC 7518 §3.4)."""
        header = {"alg": "ES256", "typ": typ, "kid": self.thumbprint}
        signed = f"{encoded(_json(header))}.{encoded(_json(claims))}"
        r, s = decode_dss_signature(self._private.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        signature = r.to_bytes(COORDINATE_BYTES) + s.to_bytes(COORDINATE_BYTES)
        return f"{signed}.{encoded(signature)}"


def load(folder: Path) -> DeviceKey:
    """This machine's key. Raises KeyFileError when there is none, or others can read it."""
    path = folder / FILE_NAME
    try:
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise KeyFileError(f"{path} can be read by others: chmod 600, or enrol again")
        private = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except FileNotFoundError:
        raise KeyFileError("this machine has no key yet: enrol first") from None
    except (OSError, ValueError, TypeError) as error:
        raise KeyFileError(f"{path} holds no key: {error}") from error
    if not isinstance(private, ec.EllipticCurvePrivateKey) or private.curve.name != "secp256r1":
        raise KeyFileError(f"{path} holds another kind of key")
    return SoftwareKey(private)


def make(folder: Path) -> DeviceKey:
    """A new key, beside the one in use until `adopt`. Others cannot read it, not for a moment."""
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    partial = folder / PARTIAL_NAME
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    return SoftwareKey(private)


def adopt(folder: Path) -> None:
    """Use the key that was made last, in place of the old one."""
    (folder / PARTIAL_NAME).replace(folder / FILE_NAME)


def encoded(raw: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
