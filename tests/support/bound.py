"""Browsers whose session is bound to a key: what Chromium and binding.js do, by hand.

`Dbsc` follows the offers and challenges of Device Bound Session Credentials, `WebCrypto` asks the
endpoints of the script. Both sit on a test browser, whose cookie jar is theirs.
"""

import base64
import json
import re
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from django.conf import settings
from django.test import Client as Browser

REGISTER, REFRESH = "/dbsc/register/", "/dbsc/refresh/"
SCRIPT = "/sessions/binding"


def encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def part(value: Any) -> str:
    return encode(value if isinstance(value, bytes) else json.dumps(value).encode())


@dataclass
class Key:
    """A private key; RSA where it has `rsa_bits`."""

    rsa_bits: int = 0
    private: Any = None

    def __post_init__(self) -> None:
        if self.private is None:
            self.private = (
                rsa.generate_private_key(public_exponent=65537, key_size=self.rsa_bits)
                if self.rsa_bits
                else ec.generate_private_key(ec.SECP256R1())
            )

    @property
    def alg(self) -> str:
        return "RS256" if self.rsa_bits else "ES256"

    @property
    def jwk(self) -> dict[str, str]:
        numbers = self.private.public_key().public_numbers()
        if self.rsa_bits:
            size = (self.rsa_bits + 7) // 8
            return {"kty": "RSA", "n": encode(numbers.n.to_bytes(size)), "e": "AQAB"}
        x, y = numbers.x.to_bytes(32), numbers.y.to_bytes(32)
        return {"kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y)}

    def sign(self, header: Any, claims: Any) -> str:
        """A compact JWS; header and claims may be bytes, to be odd."""
        signed = f"{part(header)}.{part(claims)}"
        if self.rsa_bits:
            raw = self.private.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        else:
            r, s = decode_dss_signature(
                self.private.sign(signed.encode(), ec.ECDSA(hashes.SHA256()))
            )
            raw = r.to_bytes(32) + s.to_bytes(32)
        return f"{signed}.{encode(raw)}"


def cookie(browser: Browser) -> str:
    """The bound cookie that the browser holds; "" for none."""
    morsel = browser.cookies.get(settings.BOUND_COOKIE_NAME)
    return morsel.value if morsel is not None else ""


def copied(browser: Browser) -> Browser:
    """Another browser with a copy of every cookie."""
    thief = Browser()
    for name, morsel in browser.cookies.items():
        thief.cookies[name] = morsel.value
    return thief


def drop(browser: Browser) -> None:
    """The bound cookie has come to its end in the browser."""
    browser.cookies.pop(settings.BOUND_COOKIE_NAME, None)


@dataclass
class Dbsc:
    """identifier: of the session that was registered; "" before."""

    browser: Browser
    key: Key = field(default_factory=Key)
    identifier: str = ""

    @staticmethod
    def offer(response: Any) -> dict[str, str]:
        """The parameters of a registration offer, and `algorithms`; empty without one."""
        text = response.headers.get("Secure-Session-Registration", "")
        if not text:
            return {}
        found = re.fullmatch(r'\(([A-Z0-9 ]+)\)((?:;[a-z]+="[^"]*")+)', text)
        assert found, text
        return {"algorithms": found[1], **dict(re.findall(r';([a-z]+)="([^"]*)"', found[2]))}

    def registration(self, offer: dict[str, str], **changes: Any) -> str:
        header = {"alg": self.key.alg, "jwk": self.key.jwk, "typ": "dbsc+jwt"}
        claims = {"authorization": offer["authorization"], "jti": offer["challenge"]}
        return self.key.sign(header | changes.get("header", {}), claims | changes.get("claims", {}))

    def register(self, response: Any, **changes: Any) -> Any:
        """Answer the offer of this response as Chromium does."""
        offer = self.offer(response)
        assert offer, "nothing was offered"
        answer = self.browser.post(
            offer["path"], headers={"Secure-Session-Response": self.registration(offer, **changes)}
        )
        if answer.status_code == 200:
            self.identifier = json.loads(answer.content)["session_identifier"]
        return answer

    def ask(self, **headers: str) -> Any:
        """Refresh without a proof, as the first request always is."""
        return self.browser.post(
            REFRESH, headers={"Sec-Secure-Session-Id": self.identifier} | headers
        )

    def challenge(self) -> str:
        """What a refresh shall sign."""
        answer = self.ask()
        assert answer.status_code == 403, answer.content
        found = re.fullmatch(r'"([^"]+)";id="([^"]+)"', answer["Secure-Session-Challenge"])
        assert found
        assert found[2] == self.identifier
        return found[1]

    def proof(self, challenge: str, **changes: Any) -> str:
        header = {"alg": self.key.alg, "typ": "dbsc+jwt"} | changes.get("header", {})
        return self.key.sign(header, {"jti": challenge} | changes.get("claims", {}))

    def send(self, proof: str) -> Any:
        return self.ask(**{"Secure-Session-Response": proof})

    def refresh(self) -> Any:
        """The whole exchange; the jar has the new cookie afterwards."""
        return self.send(self.proof(self.challenge()))

    def get(self, path: str) -> Any:
        """A page as the browser asks for it: it refreshes first where the cookie is missing."""
        return self.request("get", path)

    def request(self, method: str, path: str, *args: Any, **more: Any) -> Any:
        for _ in range(3):
            if not cookie(self.browser):
                self.refresh()
            answer = getattr(self.browser, method)(path, *args, **more)
            if answer.status_code != 307:
                return answer
            assert answer["Location"] == path
        raise AssertionError("asked for a proof again and again")


@dataclass
class WebCrypto:
    browser: Browser
    key: Key = field(default_factory=Key)

    def post(self, name: str, body: str = "", **more: Any) -> Any:
        kind = more.pop("content_type", "application/jwt")
        # Django's test client names no type for an empty body.
        more.setdefault("CONTENT_TYPE", kind)
        return self.browser.post(f"{SCRIPT}/{name}/", body, content_type=kind, **more)

    def asked(self) -> dict[str, str]:
        answer = self.post("challenge")
        assert answer.status_code == 200, answer.content
        return json.loads(answer.content)

    def signed(self, challenge: str, **changes: Any) -> str:
        header = {"typ": "webcrypto+jwt", "alg": "ES256"} | changes.get("header", {})
        return self.key.sign(header, {"jti": challenge} | changes.get("claims", {}))

    def registration(self, challenge: str) -> str:
        return self.signed(challenge, header={"jwk": self.key.jwk})

    def register(self) -> Any:
        asked = self.asked()
        assert asked["purpose"] == "registration"
        return self.post("registration", self.registration(asked["challenge"]))

    def prove(self) -> Any:
        asked = self.asked()
        assert asked["purpose"] == "proof"
        return self.post("proof", self.signed(asked["challenge"]))
