"""An authenticator in software: both WebAuthn ceremonies, honest or not.

`create` and `get` take options as the product sends them and give answers as a browser does. What
an attack changes is given by name: `get(options, crossOrigin=True)`, `get(options, flags=UP | BE)`,
`get(options, user_handle=…)`.
"""

import base64
import hashlib
import json
import os
import struct
from dataclasses import dataclass
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

UP, UV, BE, BS, AT = 0x01, 0x04, 0x08, 0x10, 0x40
SYNCED = UP | UV | BE | BS
HARDWARE = UP | UV
UNSET: Any = object()


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@dataclass
class Key:
    private: ec.EllipticCurvePrivateKey
    handle: str
    counter: int = 0


class SoftAuthenticator:
    """counts: whether its counter grows; synchronised passkeys keep it at zero."""

    def __init__(
        self, origin: str, *, flags: int = SYNCED, aaguid: bytes = bytes(16), counts: bool = True
    ) -> None:
        self.origin, self.flags, self.aaguid, self.counts = origin, flags, aaguid, counts
        self.keys: dict[bytes, Key] = {}

    @property
    def credential_ids(self) -> list[str]:
        return [b64(credential_id) for credential_id in self.keys]

    def create(
        self,
        options: dict[str, Any],
        *,
        credential_id: bytes | None = None,
        cose: bytes | None = None,
        flags: int | None = None,
        rp_id: str | None = None,
        **client_data: Any,
    ) -> dict[str, Any]:
        private = ec.generate_private_key(ec.SECP256R1())
        point = private.public_key().public_numbers()
        x, y = point.x.to_bytes(32, "big"), point.y.to_bytes(32, "big")
        cose = cose or cbor2.dumps({1: 2, 3: -7, -1: 1, -2: x, -3: y})
        credential_id = credential_id or os.urandom(32)
        self.keys[credential_id] = Key(private, options["user"]["id"])
        shown = (self.flags if flags is None else flags) | AT
        data = (
            self._head(rp_id or options["rp"]["id"], shown, 0)
            + self.aaguid
            + struct.pack(">H", len(credential_id))
            + credential_id
            + cose
        )
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client = self._client("webauthn.create", options["challenge"], client_data)
        return self._answer(
            credential_id,
            extensions={"credProps": {"rk": True}},
            clientDataJSON=b64(client),
            attestationObject=b64(attestation),
            transports=["internal", "hybrid"],
        )

    def get(
        self,
        options: dict[str, Any],
        *,
        credential_id: bytes | None = None,
        flags: int | None = None,
        counter: int | None = None,
        user_handle: Any = UNSET,
        rp_id: str | None = None,
        kind: str = "webauthn.get",
        **client_data: Any,
    ) -> dict[str, Any]:
        credential_id = credential_id or next(iter(self.keys))
        key = self.keys[credential_id]
        if self.counts:
            key.counter += 1
        shown = key.counter if counter is None else counter
        data = self._head(rp_id or options["rpId"], self.flags if flags is None else flags, shown)
        client = self._client(kind, options["challenge"], client_data)
        signature = key.private.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        return self._answer(
            credential_id,
            clientDataJSON=b64(client),
            authenticatorData=b64(data),
            signature=b64(signature),
            userHandle=key.handle if user_handle is UNSET else user_handle,
        )

    def _head(self, rp_id: str, flags: int, counter: int) -> bytes:
        return hashlib.sha256(rp_id.encode()).digest() + bytes([flags]) + struct.pack(">I", counter)

    def _client(self, kind: str, challenge: str, extra: dict[str, Any]) -> bytes:
        data = {
            "type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False,
        }  # fmt: skip
        return json.dumps(data | extra).encode()

    def _answer(
        self, credential_id: bytes, extensions: dict[str, Any] | None = None, **response: Any
    ) -> dict[str, Any]:
        return {
            "id": b64(credential_id),
            "rawId": b64(credential_id),
            "type": "public-key",
            "clientExtensionResults": extensions or {},
            "response": response,
        }
