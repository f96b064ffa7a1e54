"""Whatever a machine sends: never a 500, an error of the protocol, and nothing by half."""

import json
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given
from hypothesis import strategies as st

from core import clock
from devices import flows
from devices.models import CheckResult, Device, Enrolment, PostureReport
from tests.support.hostile import (
    bounded,
    changed_members,
    changes,
    encode,
    headers,
    jose,
    json_values,
    texts,
)
from tests.support.machine import Machine, passing

pytestmark = pytest.mark.django_db

ERRORS = {
    400: {"invalid_report", "wrong_key", "stale", "replayed", "invalid_request", "invalid_proof"},
    413: {"too_large"},
}


@pytest.fixture
def calm(settings, monkeypatch):
    """No limits: the examples come fast."""
    monkeypatch.setattr("devices.views.api.spend", lambda *_, **__: None)


@pytest.fixture
def laptop(employee):
    machine = Machine()
    machine.enrolled_by(employee.user)
    return machine


def by_hand(machine, head, claims) -> str:
    """Signed whatever it says: a library would refuse to."""
    text = f"{encode(head)}.{encode(claims)}"
    der = machine.key.private_key.sign(text.encode(), ECDSA(SHA256()))
    r, s = decode_dss_signature(der)
    return f"{text}.{encode(r.to_bytes(32) + s.to_bytes(32))}"


def refused(answer) -> None:
    assert answer["Content-Type"] == "application/json"
    assert answer.json().keys() == {"error", "error_description"}
    assert answer.json()["error"] in ERRORS[answer.status_code]


def state() -> tuple:
    return (
        list(Device.unscoped.values_list("report_seq", "score", "tier_ends_at")),
        PostureReport.unscoped.count(),
        CheckResult.unscoped.count(),
    )


CLAIMS = ["iss", "aud", "iat", "jti", "nonce", "seq", "schema", "os", "checks", "hardware", "exp"]
CHECK = ["id", "status", "observed_at", "value", "why"]
WISH = ["public_jwk", "name", "platform", "key_storage", "proof", "extra"]


@pytest.mark.usefixtures("calm")
class TestReports:
    @bounded(120)
    @given(
        wanted=changes(CLAIMS, json_values),
        inside=changes(CHECK, json_values, most=2),
        header=st.just({}) | headers,
    )
    def test_bent_reports(self, client, laptop, wanted, inside, header):
        before = state()
        nonce = flows.give_nonce(device_id=UUID(laptop.device_id), now=clock.now())
        checks = [changed_members(passing()[0], inside), *passing()[1:]]
        claims = changed_members(laptop.claims(nonce, checks=checks), wanted)
        head = {"alg": "ES256", "typ": "posture+jwt", "kid": laptop.thumbprint} | header
        answer = laptop.send(client, by_hand(laptop, head, claims))

        if answer.status_code != 200:
            refused(answer)
            assert state() == before

    @bounded(80)
    @given(text=texts | jose() | st.binary(max_size=200))
    def test_what_was_never_signed(self, client, laptop, text):
        body = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")

        refused(laptop.send(client, body))
        assert state()[1:] == (0, 0)


@pytest.mark.usefixtures("calm")
class TestEnrolments:
    @bounded(120)
    @given(
        wanted=changes(WISH, json_values | jose(), most=2),
        inside=changes(["kty", "crv", "x", "y", "d", "kid", "use"], json_values, most=2),
    )
    def test_bent_wishes(self, client, wanted, inside):
        machine, before = Machine(), Enrolment.objects.count()
        body = {
            "public_jwk": changed_members(machine.public_jwk, inside), "name": "n",
            "platform": "linux", "key_storage": "software", "proof": machine.proof(),
        }  # fmt: skip
        try:
            text = json.dumps(changed_members(body, wanted)).encode("utf-8", "surrogatepass")
        except (TypeError, ValueError):
            return

        answer = client.post("/devices/api/enrolments", text, content_type="application/json")

        if answer.status_code != 201:
            refused(answer)
            assert Enrolment.objects.count() == before

    @bounded(60)
    @given(text=texts)
    def test_odd_bodies(self, client, text):
        body = text.encode("utf-8", "surrogatepass")

        refused(client.post("/devices/api/enrolments", body, content_type="application/json"))
        assert not Enrolment.objects.exists()
