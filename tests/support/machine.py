"""A machine with a key of its own, as an agent would drive it; every part may be bent."""

import base64
import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.test import Client as Browser
from joserfc import jws
from joserfc.jwk import ECKey

from core import clock
from devices import posture
from devices.models import Device, KeyStorage, Platform

GOOD = {
    "os_patch_age": 3, "disk_encryption": None, "screen_lock": None, "endpoint_protection": None,
    "firewall": None, "secure_boot": None, "managed": None,
    "no_known_exploited_vulnerability": None, "hardware_key": None,
}  # fmt: skip


def seconds() -> int:
    return int(clock.now().timestamp())


def instant(ago: timedelta = timedelta(0)) -> str:
    return (clock.now() - ago).strftime("%Y-%m-%dT%H:%M:%SZ")


def passing(**changes: Any) -> list[dict[str, Any]]:
    """Checks that all pass. changes: a status for one, or None to leave it out."""
    checks = []
    for name, value in GOOD.items():
        status = changes.get(name, "pass")
        if status is not None:
            check = {"id": name, "status": status, "observed_at": instant()}
            checks.append(check | ({"value": value} if value is not None else {}))
    return checks


@dataclass
class Machine:
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", auto_kid=False))
    name: str = "alice-laptop"
    platform: str = "linux"
    key_storage: str = "software"
    device_id: str = ""
    seq: int = 0

    @property
    def public_jwk(self) -> dict[str, str]:
        return {
            k: v
            for k, v in self.key.as_dict(private=False).items()
            if k in ["kty", "crv", "x", "y"]
        }

    @property
    def thumbprint(self) -> str:
        return self.key.thumbprint()

    def sign(self, claims: Any, *, typ: str, key: Any = None, **header: Any) -> str:
        head = {"alg": "ES256", "typ": typ} | header
        payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
        registry = jws.JWSRegistry(
            algorithms=["ES256", "HS256", "ES384", "RS256", "none"], strict_check_header=False
        )
        registry.max_payload_length = 10**6
        return str(jws.serialize_compact(head, payload, key or self.key, registry=registry))

    def proof(self, **changes: Any) -> str:
        claims = {"aud": settings.ISSUER, "iat": seconds(), "jti": str(uuid4())} | changes
        return self.sign(claims, typ="enrolment+jwt")

    def ask(self, browser: Browser, **changes: Any) -> Any:
        """POST /devices/api/enrolments."""
        body = {
            "public_jwk": self.public_jwk, "name": self.name, "platform": self.platform,
            "key_storage": self.key_storage, "proof": self.proof(),
        } | changes  # fmt: skip
        return browser.post("/devices/api/enrolments", body, content_type="application/json")

    def poll(self, browser: Browser, enrolment_id: str, **changes: Any) -> Any:
        body = {"proof": self.proof()} | changes
        url = f"/devices/api/enrolments/{enrolment_id}"
        return browser.post(url, body, content_type="application/json")

    def enrolled_by(self, user: Any, *, browser: Any = None) -> Device:
        """Known at once, by the flow that a browser's enrolment uses."""
        from devices.flows.enrolment import Wish, _enrol

        device = _enrol(
            wish=Wish(self.name, Platform(self.platform), KeyStorage(self.key_storage)),
            key=posture.read_key(self.public_jwk),
            user=user,
            browser=browser,
            session_id=None,
            now=clock.now(),
        )
        self.device_id = str(device.id)
        return device

    def nonce(self, browser: Browser) -> str:
        answer = browser.post(f"/devices/api/{self.device_id}/nonce")
        assert answer.status_code == 200, answer.content
        return str(answer.json()["nonce"])

    def claims(self, nonce: str, /, **changes: Any) -> dict[str, Any]:
        """What a report says; `changes` replace members, or drop them (None)."""
        self.seq += 1
        claims = {
            "iss": self.device_id, "aud": settings.ISSUER, "iat": seconds(), "jti": str(uuid4()),
            "nonce": nonce, "seq": self.seq, "schema": 1,
            "os": {"name": "Debian", "version": "13"}, "checks": passing(),
        } | changes  # fmt: skip
        return {name: value for name, value in claims.items() if value is not None}

    def signed(self, claims: Any, **header: Any) -> str:
        header = {"kid": self.thumbprint} | header
        return self.sign(claims, typ=header.pop("typ", "posture+jwt"), **header)

    def send(self, browser: Browser, text: str | bytes, **extra: Any) -> Any:
        return browser.post(
            f"/devices/api/{self.device_id}/reports", text, content_type="application/jwt", **extra
        )

    def report(self, browser: Browser, **changes: Any) -> Any:
        """Fetch a nonce, sign, send."""
        return self.send(browser, self.signed(self.claims(self.nonce(browser), **changes)))

    def trusted_by(self, user: Any, browser: Browser, **changes: Any) -> Device:
        """Enrolled, with two reports that all is well."""
        device = self.enrolled_by(user)
        for _ in range(2):
            assert self.report(browser, **changes).status_code == 200
        device.refresh_from_db()
        return device


def tampered(text: str, **changes: Any) -> str:
    """The same JWS with other claims under the old signature."""
    head, payload, signature = text.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "==")) | changes
    changed = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"{head}.{changed}.{signature}"
