"""draft-ietf-oauth-status-list, Token Status List."""

import base64
import zlib
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from access import flows
from accounts import flows as accounts
from accounts.flows import Bounds, Condition
from accounts.models import LockTarget, Organisation
from core import clock
from core.ids import new_id
from idp.flows import deactivate_client, revoke_consent
from idp.models import Client, ListedToken, StatusList
from idp.tasks import purge
from idp.tokens import status
from sessions.flows import end_session
from sessions.models import EndReason, LoginSession
from tests import cast
from tests.cast import Person
from tests.support import access, authzen, exchange, oauth
from tests.support.over_tls import ISSUER

pytestmark = pytest.mark.django_db
SWITCH = {"access_token_status_list": True}


@pytest.fixture
def listed(acme: Organisation) -> Client:
    return cast.client("listed", acme, is_first_party=True, metadata=SWITCH)


@pytest.fixture
def session(client: Any, employee: Person) -> LoginSession:
    return cast.sign_in(client, employee)


@pytest.fixture
def tokens(listed: Client, session: LoginSession) -> dict[str, Any]:
    return oauth.redeem(listed, oauth.issue_code(listed, session)).json


def place_of(token: str) -> dict[str, Any]:
    return oauth.claims_of(token)["status"]["status_list"]


def fetch(uri: str, **environ: Any) -> oauth.Reply:
    return oauth.send("GET", uri.removeprefix(ISSUER), **environ)


def read(uri: str) -> dict[str, Any]:
    """The claims of the list at this address, verified with the published keys."""
    reply = fetch(uri)
    assert reply.status == 200, reply.body
    keys = KeySet.import_key_set(oauth.send("GET", "/oauth/jwks").json)
    verified = jwt.decode(reply.body.decode(), keys, algorithms=["ES256", "RS256"])
    return verified.claims


def bit(token: str) -> int:
    """What the list says of a token now: 0 is valid, 1 is not (§7.1)."""
    clock.shift(timedelta(seconds=11))  # past what is kept of the list
    place = place_of(token)
    lst = read(place["uri"])["status_list"]["lst"]
    places = zlib.decompress(base64.urlsafe_b64decode(lst + "=" * (-len(lst) % 4)))
    return places[place["idx"] // 8] >> place["idx"] % 8 & 1


class TestEncoding:
    def test_section_4_1_the_lowest_bit_comes_first(
        self, listed: Client, session: LoginSession
    ) -> None:
        """The example of the specification: nine of the first sixteen places are revoked."""
        uris = set()
        for place in range(16):
            reply = oauth.redeem(listed, oauth.issue_code(listed, session))
            text = reply.json["access_token"]
            row = ListedToken.objects.filter(jti=oauth.claims_of(text)["jti"])
            row.update(idx=place)
            if place in {0, 3, 4, 5, 7, 8, 9, 13, 15}:
                row.update(stem=UUID(int=7))  # a family that is gone
            uris.add(place_of(text)["uri"])

        raw = read(uris.pop())["status_list"]["lst"]

        places = zlib.decompress(base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4)))
        assert places[:2] == b"\xb9\xa3"
        assert len(places) == 8192
        assert not any(places[2:])


class TestToken:
    def test_section_5_1_the_list_is_a_signed_jwt(self, tokens: dict[str, Any]) -> None:
        uri = place_of(tokens["access_token"])["uri"]

        reply = fetch(uri)

        assert reply.headers["Content-Type"] == "application/statuslist+jwt"
        header = oauth.header_of(reply.body.decode())
        assert (header["typ"], header["alg"]) == ("statuslist+jwt", "ES256")
        claims = read(uri)
        assert (claims["iss"], claims["sub"], claims["ttl"]) == (ISSUER, uri, 60)
        assert claims["iat"] <= clock.now().timestamp() < claims["exp"]
        assert claims["status_list"].keys() == {"bits", "lst"}
        assert claims["status_list"]["bits"] == 1

    def test_section_6_2_the_access_token_names_its_place(
        self, tokens: dict[str, Any], listed: Client
    ) -> None:
        claims = oauth.claims_of(tokens["access_token"])
        row = ListedToken.objects.get()

        assert claims["status"] == {
            "status_list": {"idx": row.idx, "uri": f"{ISSUER}/oauth/status-lists/{row.list_id}"}
        }
        assert 0 <= row.idx < 2**16
        assert (row.jti, row.client_id) == (claims["jti"], listed.id)
        assert row.expires_at.timestamp() == claims["exp"]
        assert "status" not in oauth.claims_of(tokens["id_token"])

    def test_a_list_is_signed_as_the_tokens_in_it(
        self, acme: Organisation, session: LoginSession
    ) -> None:
        application = cast.client("rsa", acme, signing_alg="RS256", metadata=SWITCH)

        token = oauth.redeem(application, oauth.issue_code(application, session)).json

        reply = fetch(place_of(token["access_token"])["uri"])
        assert oauth.header_of(reply.body.decode())["alg"] == "RS256"

    def test_a_list_passes_for_no_access_token(self, tokens: dict[str, Any]) -> None:
        text = fetch(place_of(tokens["access_token"])["uri"]).body.decode()

        reply = oauth.send("GET", "/oauth/userinfo", authorization=f"Bearer {text}")

        assert reply.status == 401

    @pytest.mark.spec("Token Status List", "12.2", "places are random, in a list for all clients")
    def test_places_say_nothing_of_their_order(
        self, tokens: dict[str, Any], listed: Client, acme: Organisation, session: LoginSession
    ) -> None:
        other = cast.client("other", acme, metadata=SWITCH)
        places = [place_of(tokens["access_token"])]
        for application in (listed, other, other, listed, other):
            reply = oauth.redeem(application, oauth.issue_code(application, session))
            places.append(place_of(reply.json["access_token"]))

        assert len({place["uri"] for place in places}) == 1
        drawn = [place["idx"] for place in places]
        assert len(set(drawn)) == 6
        assert drawn not in (sorted(drawn), sorted(drawn, reverse=True))


class TestWho:
    def test_a_client_without_the_switch_pays_nothing(
        self, acme_web: Client, session: LoginSession, statements: list[str]
    ) -> None:
        reply = oauth.redeem(acme_web, oauth.issue_code(acme_web, session))

        assert "status" not in oauth.claims_of(reply.json["access_token"])
        assert not any("listedtoken" in text for text in statements)
        assert not StatusList.objects.exists()

    def test_it_costs_one_statement(
        self, tokens: dict[str, Any], listed: Client, statements: list[str]
    ) -> None:
        oauth.refresh(listed, tokens["refresh_token"])

        assert sum("statuslist" in text for text in statements) == 1
        assert ListedToken.objects.count() == 2

    def test_a_client_that_acts_for_itself(self, acme: Organisation) -> None:
        machine = cast.client(
            "robot", acme, grant_types=["client_credentials"], scopes=["reports"], metadata=SWITCH
        )
        token = oauth.token(machine, {"grant_type": "client_credentials"}).json["access_token"]
        assert bit(token) == 0

        deactivate_client(client=machine, now=clock.now())

        assert bit(token) == 1

    def test_only_an_administrator_switches_it_on(self, acme: Organisation) -> None:
        from tests.support.registering import initial_token, register

        reply = register(initial_token(acme), access_token_status_list=True)

        assert reply.status == 201
        assert Client.unscoped.get().metadata.get("access_token_status_list") is None


class TestRevoking:
    @pytest.mark.spec("Token Status List", "7.1", "a live token is 0")
    def test_a_live_token_is_valid(self, tokens: dict[str, Any]) -> None:
        assert bit(tokens["access_token"]) == 0

    @pytest.mark.spec("Token Status List", "7.1", "a token that was revoked is 1")
    def test_a_token_that_was_given_back(self, tokens: dict[str, Any], listed: Client) -> None:
        other = oauth.refresh(listed, tokens["refresh_token"]).json["access_token"]

        oauth.send(
            "POST",
            "/oauth/revoke",
            form={"token": tokens["access_token"]},
            authorization=oauth.basic("listed"),
        )

        assert bit(tokens["access_token"]) == 1
        assert bit(other) == 0

    def test_the_family_that_was_given_back(self, tokens: dict[str, Any], listed: Client) -> None:
        second = oauth.refresh(listed, tokens["refresh_token"]).json

        oauth.send(
            "POST",
            "/oauth/revoke",
            form={"token": second["refresh_token"]},
            authorization=oauth.basic("listed"),
        )

        assert bit(tokens["access_token"]) == 1
        assert bit(second["access_token"]) == 1

    def test_a_replayed_refresh_token(self, tokens: dict[str, Any], listed: Client) -> None:
        oauth.refresh(listed, tokens["refresh_token"])
        clock.shift(timedelta(seconds=30))

        oauth.refresh(listed, tokens["refresh_token"])

        assert bit(tokens["access_token"]) == 1

    def test_an_ended_session(self, tokens: dict[str, Any], session: LoginSession) -> None:
        end_session(session=session, reason=EndReason.SIGNED_OUT, now=clock.now())

        assert bit(tokens["access_token"]) == 1

    def test_a_withdrawn_consent(
        self, tokens: dict[str, Any], employee: Person, listed: Client
    ) -> None:
        revoke_consent(user=employee.user, client=listed, session_id=None, now=clock.now())

        assert bit(tokens["access_token"]) == 1

    @pytest.mark.parametrize(
        "change",
        [{"is_active": False}, {"security_stamp": new_id()}],
        ids=["switched off", "another stamp"],
    )
    def test_a_person_who_changed(
        self, tokens: dict[str, Any], employee: Person, change: dict[str, Any]
    ) -> None:
        type(employee.user).unscoped.filter(pk=employee.user.pk).update(**change)

        assert bit(tokens["access_token"]) == 1

    def test_a_closed_client(self, tokens: dict[str, Any], listed: Client) -> None:
        Client.unscoped.filter(pk=listed.pk).update(is_active=False)

        assert bit(tokens["access_token"]) == 1

    def test_a_family_that_is_gone(self, tokens: dict[str, Any]) -> None:
        ListedToken.objects.update(stem=UUID(int=7))

        assert bit(tokens["access_token"]) == 1

    @pytest.mark.parametrize("how", ["taken back", "suspended", "locked", "its approver has gone"])
    def test_a_grant_that_is_over_before_its_end(
        self,
        listed: Client,
        session: LoginSession,
        approver: Person,
        tokens: dict[str, Any],
        how: str,
    ) -> None:
        user, grant_id, now = session.user, new_id(), clock.now()
        vault = accounts.create_role(organisation=user.organisation, name="vault", now=now)
        accounts.elevate(
            grant_id=grant_id, user=user, roles=[vault], ends_at=now + timedelta(minutes=10),
            bounds=Bounds(session_id=session.id), conditions=[Condition(approver.user.pk)], now=now,
        )  # fmt: skip
        code = oauth.issue_code(listed, session, scope="openid roles")
        elevated = oauth.redeem(listed, code).json["access_token"]
        assert oauth.claims_of(elevated)["grant_id"] == str(grant_id)
        assert bit(elevated) == 0

        if how == "taken back":
            accounts.end_elevation(grant_id=grant_id, now=clock.now())
        elif how == "suspended":
            accounts.suspend_elevation(grant_id=grant_id, now=clock.now())
        elif how == "locked":
            accounts.place_lock(
                organisation_id=user.organisation_id, target_type=LockTarget.GRANT,
                target=str(grant_id), reason="x", now=clock.now(),
            )  # fmt: skip
        else:
            type(user).unscoped.filter(pk=approver.user.pk).update(is_active=False)

        assert bit(elevated) == 1
        assert bit(tokens["access_token"]) == 0

    def test_a_grant_of_a_client_that_acts_for_itself(
        self, acme: Organisation, employee: Person, approver: Person
    ) -> None:
        machine = access.machine(acme, metadata=SWITCH)
        workload = access.workload(machine, employee)
        offered = access.entitlement(acme, by=[approver], **access.FOR_WORKLOADS)
        flows.add_eligibility(entitlement=offered, workload=workload, now=clock.now())
        asked = access.approve(access.ask_by_itself(offered, workload), approver)
        grant = access.begin_by_itself(asked, workload)
        token = authzen.token_of(machine, scope="roles")
        assert bit(token) == 0

        flows.revoke_grant(grant=grant, actor=approver.user, reason="x", now=clock.now())

        assert bit(token) == 1

    def test_an_exchanged_token_ends_with_what_it_came_from(
        self, acme: Organisation, session: LoginSession
    ) -> None:
        middle = exchange.api(acme, "middle", metadata=SWITCH)
        caller = cast.client("caller", acme, is_first_party=True, audience="middle")
        first = oauth.redeem(caller, oauth.issue_code(caller, session)).json
        second = exchange.exchange(middle, first["access_token"]).json["access_token"]
        assert bit(second) == 0

        oauth.send(
            "POST",
            "/oauth/revoke",
            form={"token": first["refresh_token"]},
            authorization=oauth.basic("caller"),
        )

        assert bit(second) == 1

    def test_an_expired_token_is_not_told_of(
        self, tokens: dict[str, Any], session: LoginSession
    ) -> None:
        end_session(session=session, reason=EndReason.SIGNED_OUT, now=clock.now())
        clock.shift(timedelta(minutes=16))

        assert bit(tokens["access_token"]) == 0


class TestServing:
    def test_section_8_1_browsers_may_ask(self, tokens: dict[str, Any]) -> None:
        reply = fetch(place_of(tokens["access_token"])["uri"])

        assert reply.headers["Access-Control-Allow-Origin"] == "*"

    def test_section_8_2_it_is_made_and_signed_once_in_a_while(
        self, tokens: dict[str, Any], later: Any, statements: list[str]
    ) -> None:
        uri = place_of(tokens["access_token"])["uri"]

        first, second = fetch(uri), fetch(uri)
        assert first.body == second.body
        assert len(statements) == 1
        assert first.headers["Cache-Control"] in {"public, max-age=9", "public, max-age=10"}

        later(seconds=11)
        assert fetch(uri).body != first.body

    def test_section_8_2_what_has_not_changed_is_not_sent(self, tokens: dict[str, Any]) -> None:
        uri = place_of(tokens["access_token"])["uri"]
        tag = fetch(uri).headers["ETag"]

        again = fetch(uri, HTTP_IF_NONE_MATCH=f'"other", W/{tag}')
        other = fetch(uri, HTTP_IF_NONE_MATCH='"other"')

        assert (again.status, again.body) == (304, b"")
        assert other.status == 200

    def test_section_8_4_there_is_no_past(self, tokens: dict[str, Any]) -> None:
        reply = fetch(place_of(tokens["access_token"])["uri"], query="time=1686925000")

        assert reply.status == 501

    @pytest.mark.parametrize("name", [str(UUID(int=5)), "x", "", "%00"])
    def test_a_list_that_is_not_there(self, db: None, name: str) -> None:
        assert fetch(f"{ISSUER}/oauth/status-lists/{name}").status == 404

    def test_it_is_read_only(self, tokens: dict[str, Any]) -> None:
        path = place_of(tokens["access_token"])["uri"].removeprefix(ISSUER)

        assert oauth.send("POST", path).status == 405

    def test_section_9_1_discovery_names_where_they_are(self) -> None:
        said = oauth.send("GET", "/.well-known/oauth-authorization-server").json

        assert said["status_list_aggregation_endpoint"] == f"{ISSUER}/oauth/status-lists"

    def test_section_9_3_all_lists(self, tokens: dict[str, Any]) -> None:
        reply = oauth.send("GET", "/oauth/status-lists")

        assert reply.headers["Content-Type"] == "application/json"
        assert reply.json == {"status_lists": [place_of(tokens["access_token"])["uri"]]}

    def test_the_time_to_live_is_a_setting(self, settings, tokens: dict[str, Any]) -> None:
        settings.STATUS_LIST_LIFETIME = timedelta(seconds=20)

        assert read(place_of(tokens["access_token"])["uri"])["ttl"] == 20


class TestLists:
    def test_one_that_fills_up_is_followed_by_another(
        self, tokens: dict[str, Any], listed: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With one place to draw from, which is taken."""
        first = place_of(tokens["access_token"])
        monkeypatch.setattr(status, "_draw", lambda: [first["idx"]])

        reply = oauth.refresh(listed, tokens["refresh_token"])

        second = place_of(reply.json["access_token"])
        assert second["idx"] == first["idx"]
        assert second["uri"] != first["uri"]
        assert StatusList.objects.filter(closed_at=None).count() == 1
        assert oauth.send("GET", "/oauth/status-lists").json["status_lists"] == [
            first["uri"],
            second["uri"],
        ]

    def test_a_day_later_there_is_another(
        self, tokens: dict[str, Any], listed: Client, later: Any
    ) -> None:
        later(hours=12)
        second = oauth.refresh(listed, tokens["refresh_token"]).json
        later(hours=13)
        third = oauth.refresh(listed, second["refresh_token"]).json

        uris = [place_of(answer["access_token"])["uri"] for answer in (tokens, second, third)]
        assert uris[0] == uris[1] != uris[2]

    def test_a_closed_list_goes_when_its_last_token_has_expired(
        self, tokens: dict[str, Any], listed: Client, later: Any
    ) -> None:
        first = place_of(tokens["access_token"])["uri"]
        StatusList.objects.update(closed_at=clock.now())
        oauth.refresh(listed, tokens["refresh_token"])
        later(minutes=119)
        purge()
        assert fetch(first).status == 200

        later(minutes=2)
        purge()

        assert fetch(first).status == 404
        assert StatusList.objects.count() == ListedToken.objects.count() == 1

    def test_an_open_list_that_nobody_uses_goes_as_well(
        self, tokens: dict[str, Any], later: Any
    ) -> None:
        later(hours=27)

        purge()

        assert not StatusList.objects.exists()
        assert oauth.send("GET", "/oauth/status-lists").json == {"status_lists": []}
