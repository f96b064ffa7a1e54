"""Being a posture provider: who may ask for scores, and what is answered."""

import hmac
import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import KeySet, RSAKey

from core import clock
from devices import flows
from devices.connectors import access_token, delivery
from devices.models import Connector, Device
from tests.support.assertions import rsa_key
from tests.support.connectors import call, connector, laptop, report
from tests.support.elsewhere import Elsewhere

pytestmark = pytest.mark.django_db
AUDIENCE = "32eafc7626e737a1be4a8b1d2f5d3a5e"
ID = "9ece5fab-7398-488a-a575-e25a9a3dec07"


def asked(*devices: dict[str, Any]) -> dict[str, Any]:
    return {"devices": list(devices)}


def device_of(serial: str = "5CD1234", email: str = "", device_id: str = ID) -> dict[str, Any]:
    """As Cloudflare's documentation has it."""
    return {
        "device_id": device_id,
        "email": email,
        "serial_number": serial,
        "mac_address": "74:1d:3e:23:e0:fe",
        "virtual_ipv4": "100.96.0.10",
        "hostname": "string",
    }


class TestByServiceToken:
    """The pair that Cloudflare sends where the address does not stand behind its Access."""

    @pytest.fixture
    def gateway(self, acme):
        return connector(acme, "cloudflare", "secret")

    def ask(self, gateway, payload: Any, **shown: str) -> Any:
        return call(
            gateway.connector,
            payload,
            **{
                "Cf_Access_Client_Id": str(gateway.connector.pk),
                "Cf_Access_Client_Secret": gateway.secret,
            }
            | shown,
        )

    def scores(self, gateway, *devices: dict[str, Any]) -> dict[str, Any]:
        answer = self.ask(gateway, asked(*devices))
        assert answer.status_code == 200, answer.content
        return answer.json()["result"]

    def test_an_enrolled_device_has_its_score_of_now(self, acme, employee, gateway, later) -> None:
        device = laptop(acme, employee.user, serial="5CD1234")
        score = report(device)
        assert score > 30

        assert self.scores(gateway, device_of(email=employee.email.upper())) == {
            ID: {"s2s_id": str(device.pk), "score": score}
        }

        later(hours=25)
        assert self.scores(gateway, device_of())[ID]["score"] <= 20

    def test_the_worse_it_looks_the_less_it_scores(self, acme, employee, gateway) -> None:
        device = laptop(acme, employee.user, serial="5CD1234")
        report(device)
        before = self.scores(gateway, device_of())[ID]["score"]

        report(device, disk_encryption="fail")

        assert self.scores(gateway, device_of())[ID]["score"] < before

    def test_to_people_who_are_not_its_users_its_owner_is_unknown(
        self, acme, employee, gateway
    ) -> None:
        report(laptop(acme, employee.user, serial="5CD1234"))

        assert self.scores(gateway, device_of(email="somebody@else.example"))[ID]["score"] == 30

    @pytest.mark.parametrize("serial", ["5CD9999", "", "To be filled by O.E.M."], ids=repr)
    def test_an_unknown_device_scores_nothing(self, acme, gateway, serial: str) -> None:
        report(laptop(acme, serial="5CD1234"))

        assert self.scores(gateway, device_of(serial)) == {ID: {"s2s_id": "", "score": 0}}

    @pytest.mark.parametrize("end", [flows.report_lost, flows.retire], ids=["lost", "retired"])
    def test_nor_does_one_that_is_out_of_use(self, acme, gateway, end) -> None:
        device = laptop(acme, serial="5CD1234")
        report(device)
        end(device=device, actor="tests", now=clock.now())

        assert self.scores(gateway, device_of()) == {ID: {"s2s_id": "", "score": 0}}

    def test_nor_one_of_another_organisation(self, globex, gateway) -> None:
        report(laptop(globex, serial="5CD1234"))

        assert self.scores(gateway, device_of()) == {ID: {"s2s_id": "", "score": 0}}

    def test_many_cost_no_more_questions_than_one(
        self, acme, employee, gateway, django_assert_max_num_queries
    ) -> None:
        for number in range(5):
            report(laptop(acme, employee.user, name=f"n{number}", serial=f"5CD000{number}"))
        many = asked(*(device_of(f"5CD000{n}", device_id=str(n)) for n in range(5)))

        with django_assert_max_num_queries(7):
            answer = delivery.answer(gateway.connector, many, now=clock.now())

        assert all(one["score"] > 30 for one in answer["result"].values())

    def test_many_at_once(self, acme, gateway) -> None:
        many = [device_of(f"5CD{n:05}", device_id=str(n)) for n in range(1000)]

        assert len(self.scores(gateway, *many)) == 1000
        assert self.ask(gateway, asked(*many, device_of())).status_code == 400

    def test_trying_the_connection_out_is_answered(self, gateway) -> None:
        assert self.ask(gateway, {"devices": []}).json() == {"result": {}}

    @pytest.mark.parametrize(
        "payload",
        [
            {}, [], None, {"devices": {}}, {"devices": ["x"]}, {"devices": [{}]},
            {"devices": [{"device_id": 5}]}, {"devices": [{"device_id": ""}]},
        ],
        ids=repr,
    )  # fmt: skip
    def test_what_cloudflare_does_not_send_is_refused(self, gateway, payload: Any) -> None:
        assert self.ask(gateway, payload).status_code == 400

    @pytest.mark.parametrize(
        "shown",
        [
            {"Cf_Access_Client_Id": "somebody"},
            {"Cf_Access_Client_Id": ""},
            {"Cf_Access_Client_Secret": "x" * 43},
            {"Cf_Access_Client_Secret": ""},
        ],
        ids=["another id", "no id", "another secret", "no secret"],
    )
    def test_another_pair_is_refused(self, gateway, shown: dict[str, str]) -> None:
        assert self.ask(gateway, asked(), **shown).status_code == 401

    def test_it_notes_when_it_was_asked(self, gateway) -> None:
        self.ask(gateway, asked())

        assert Connector.unscoped.get().used_at is not None


class TestByAccessToken:
    """Behind Cloudflare Access: the application token, verified by the team's keys."""

    @pytest.fixture
    def team(self, elsewhere: Elsewhere) -> Elsewhere:
        publish(elsewhere, rsa_key())
        return elsewhere

    @pytest.fixture
    def gateway(self, acme, team: Elsewhere) -> Connector:
        made = connector(
            acme,
            "cloudflare",
            "access_token",
            access_issuer=team.url("").rstrip("/"),
            access_audience=AUDIENCE,
        )
        assert made.secret is None
        return made.connector

    @pytest.fixture
    def device(self, acme, employee) -> Device:
        device = laptop(acme, employee.user, serial="5CD1234")
        report(device)
        return device

    def ask(self, gateway: Connector, token: str) -> int:
        answer = call(gateway, asked(device_of()), Cf_Access_Jwt_Assertion=token)
        return answer.status_code

    def test_a_good_token_is_answered(self, gateway, device) -> None:
        answer = call(gateway, asked(device_of()), Cf_Access_Jwt_Assertion=token(gateway))

        assert answer.json()["result"][ID]["s2s_id"] == str(device.pk)

    @pytest.mark.parametrize(
        "changes",
        [
            {"iss": "https://another.cloudflareaccess.com"},
            {"aud": ["another"]},
            {"aud": []},
            {"aud": AUDIENCE[:-1]},
            {"exp": -1},
            {"exp": "soon"},
            {"exp": None},
            {"iat": 120},
            {"nbf": 120},
            {"iat": None},
        ],
        ids=[
            "another team", "another application", "none", "prefix", "over", "text", "endless",
            "of tomorrow", "not yet", "undated",
        ],
    )  # fmt: skip
    def test_any_other_is_refused(self, gateway, changes: dict[str, Any]) -> None:
        assert self.ask(gateway, token(gateway, **changes)) == 401

    def test_one_audience_may_stand_alone(self, gateway) -> None:
        assert self.ask(gateway, token(gateway, aud=AUDIENCE)) == 200

    def test_another_key_is_refused(self, gateway) -> None:
        assert self.ask(gateway, token(gateway, key=rsa_key("another"))) == 401

    def test_another_key_under_the_right_name_is_refused(self, gateway) -> None:
        forged = token(gateway, key=rsa_key("another"), kid=rsa_key().thumbprint())

        assert self.ask(gateway, forged) == 401

    def test_the_public_key_is_no_shared_secret(self, gateway) -> None:
        """RS256 turned into HS256: the verifier's own key would be the attacker's."""
        header = {"alg": "HS256", "kid": rsa_key().thumbprint()}
        parts = [json.dumps(part).encode() for part in (header, claims(gateway))]
        signing = b".".join(urlsafe_b64encode(part).rstrip(b"=") for part in parts)
        mac = hmac.digest(rsa_key().as_pem(private=False), signing, "sha256")
        forged = b".".join([signing, urlsafe_b64encode(mac).rstrip(b"=")]).decode()

        assert self.ask(gateway, forged) == 401

    @pytest.mark.parametrize("text", ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.e30."], ids=repr)
    def test_rubbish_is_refused(self, gateway, text: str) -> None:
        assert self.ask(gateway, text) == 401

    def test_the_pair_of_a_service_token_opens_nothing_here(self, gateway) -> None:
        answer = call(
            gateway, asked(), Cf_Access_Client_Id=str(gateway.pk), Cf_Access_Client_Secret="x" * 43
        )

        assert answer.status_code == 401

    def test_keys_are_fetched_once(self, gateway, team: Elsewhere) -> None:
        assert [self.ask(gateway, token(gateway)) for _ in range(3)] == [200] * 3

        assert [path for _, path, *_ in team.requests] == [access_token.CERTS]

    def test_a_new_key_is_found_but_not_asked_for_at_every_call(
        self, gateway, team: Elsewhere, later
    ) -> None:
        assert self.ask(gateway, token(gateway)) == 200
        publish(team, rsa_key("next"), rsa_key())
        renewed = token(gateway, key=rsa_key("next"))
        assert [self.ask(gateway, renewed) for _ in range(3)] == [401] * 3
        assert len(team.requests) == 1

        later(seconds=11)

        assert self.ask(gateway, token(gateway, key=rsa_key("next"))) == 200
        assert len(team.requests) == 2

    def test_keys_stay_good_while_the_team_does_not_answer(
        self, gateway, team: Elsewhere, later
    ) -> None:
        assert self.ask(gateway, token(gateway)) == 200
        team.serve(access_token.CERTS, b"", status=503)

        later(minutes=11)

        assert self.ask(gateway, token(gateway)) == 200

    def test_a_team_at_an_address_of_ours_is_not_asked(
        self, gateway, team: Elsewhere, settings
    ) -> None:
        """Whoever may connect a gateway does not thereby reach what only this machine can."""
        settings.OUTBOUND_ALLOWED_NETWORKS = []

        assert self.ask(gateway, token(gateway)) == 401
        assert team.requests == []

    @pytest.mark.parametrize("body", [b"", b"[]", b'{"keys": 5}', b'{"keys": [{"kty": "RSA"}]}'])
    def test_a_team_without_keys_lets_nobody_in(
        self, gateway, team: Elsewhere, body: bytes
    ) -> None:
        team.serve(access_token.CERTS, body)

        assert self.ask(gateway, token(gateway)) == 401

    @pytest.mark.filterwarnings("ignore:Key size:joserfc.errors.SecurityWarning")
    def test_short_keys_are_not_used(self, gateway, team: Elsewhere) -> None:
        short = RSAKey.generate_key(1024, {"use": "sig"}, auto_kid=True)
        publish(team, short)

        assert self.ask(gateway, token(gateway, key=short)) == 401


def publish(team: Elsewhere, *keys: RSAKey) -> None:
    """As Cloudflare does, with its certificates beside the keys."""
    document = KeySet([named(key) for key in keys]).as_dict(private=False)
    team.serve(access_token.CERTS, json.dumps(document | {"public_certs": []}).encode())


def named(key: RSAKey) -> RSAKey:
    return RSAKey.import_key(key.as_dict(private=True) | {"kid": key.thumbprint(), "alg": "RS256"})


def claims(gateway: Connector, **changes: Any) -> dict[str, Any]:
    """Instants are given as seconds from now."""
    now = int(clock.now().timestamp())
    values: dict[str, Any] = {
        "type": "app",
        "aud": [AUDIENCE],
        "iss": gateway.access_issuer,
        "common_name": "e367826f93b8d71185e03fe518aff3b4.access",
        "sub": "",
    }
    instants = {"iat": 0, "exp": 60} | {
        name: value for name, value in changes.items() if name in {"iat", "exp", "nbf"}
    }
    values |= {
        name: now + value if isinstance(value, int) else value
        for name, value in instants.items()
        if value is not None
    }
    return values | {name: value for name, value in changes.items() if name in {"iss", "aud"}}


def token(
    gateway: Connector, *, key: RSAKey | None = None, kid: str | None = None, **changes: Any
) -> str:
    signing = key or rsa_key()
    header = {"alg": "RS256", "kid": kid or signing.thumbprint()}
    return jws.serialize_compact(
        header, json.dumps(claims(gateway, **changes)).encode(), signing, algorithms=["RS256"]
    )
