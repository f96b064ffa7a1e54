"""Claims that an administrator maps for one client: fixed, from roles, groups, profile and policy."""

import json
import time
from datetime import timedelta

import pytest
from django.test import Client as Browser

from accounts import flows
from accounts.models import Organisation, Role
from core import clock
from core.errors import Refusal
from core.ids import new_id
from idp.clients.roles import give_role
from idp.models import Client
from idp.registration import rules
from idp.tokens import permitted_resources
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support import oauth

pytestmark = pytest.mark.django_db

RECORD = {"from": "policy", "action": "delete", "resource_type": "record"}


@pytest.fixture
def session(client: Browser, employee: Person) -> LoginSession:
    return cast.sign_in(client, employee)


@pytest.fixture
def roles(acme: Organisation, employee: Person) -> list[Role]:
    """alice's: auditor and db-admin."""
    made = [
        flows.create_role(organisation=acme, name=name, now=clock.now())
        for name in ("auditor", "db-admin")
    ]
    for role in made:
        flows.assign_role(user=employee.user, role=role, now=clock.now())
    return made


def mapped(acme: Organisation, mappings: dict, **fields) -> Client:
    """A client of acme's with these mappings, by the rules of registration."""
    kept = rules.check_metadata({"claim_mappings": mappings, **fields.pop("metadata", {})})
    return cast.client("mapped", acme, is_first_party=True, metadata=kept, **fields)


def tokens(client: Client, session: LoginSession, scope: str = "openid") -> tuple[dict, dict]:
    """The claims of the access token and of the ID token."""
    reply = oauth.redeem(client, oauth.issue_code(client, session, scope=scope))
    assert reply.status == 200, reply.body
    return tuple(oauth.claims_of(reply.json[name]) for name in ("access_token", "id_token"))


class TestRules:
    def test_what_may_be_mapped(self):
        mappings = {
            "tier": {"value": {"plan": "gold", "seats": 3}},
            "https://acme.example/groups": {"from": "groups", "names": {"finance": "FIN"}},
            "app_roles": {"from": "roles", "in": ["access_token"]},
            "given": {"from": "profile", "claim": "given_name"},
            "record": RECORD | {"subject": "email"},
        }

        assert rules.check_metadata({"claim_mappings": mappings})["claim_mappings"] == mappings

    @pytest.mark.parametrize(
        "mappings",
        [
            {"sub": {"value": "x"}}, {"roles": {"from": "groups"}}, {"exp": {"value": 1}},
            {"scope": {"value": "x"}}, {"grant_id": {"value": "x"}}, {"cnf": {"value": {}}},
            {"two words": {"value": 1}}, {"x": "y"}, {"x": {}}, {"x": {"from": "moon"}},
            {"x": {"value": 1, "from": "roles"}}, {"x": {"value": "y" * 2000}},
            {"x": {"from": "profile"}}, {"x": {"from": "profile", "claim": "password"}},
            {"x": {"from": "roles", "names": ["a"]}}, {"x": {"from": "roles", "names": {"a": 1}}},
            {"x": {"from": "policy", "action": "delete"}}, {"x": RECORD | {"subject": "phone"}},
            {"x": RECORD | {"url": "https://evil.example"}}, {"x": {"value": 1, "in": []}},
            {"x": {"value": 1, "in": ["cookie"]}}, {f"x{n}": {"value": n} for n in range(21)},
        ],
        ids=[
            "sub", "roles", "exp", "scope", "grant", "cnf", "words", "text", "empty", "source",
            "both", "large", "no-claim", "claim", "names", "number", "type", "subject", "url",
            "nowhere", "cookie", "many",
        ],
    )  # fmt: skip
    def test_what_may_not(self, mappings):
        with pytest.raises(Refusal) as refused:
            rules.check_metadata({"claim_mappings": mappings})
        assert refused.value.code == "invalid_client_metadata"

    def test_applications_do_not_map_for_themselves(self):
        from idp.dynamic_registration.document import KEPT_FROM_CLIENTS

        assert "claim_mappings" in KEPT_FROM_CLIENTS


class TestTokens:
    def test_a_client_without_mappings_has_no_more(self, acme_web, session):
        access, identity = tokens(acme_web, session)

        assert not {"tier", "record", "groups"} & (access.keys() | identity.keys())

    def test_fixed_groups_roles_and_profile(self, acme, session, employee, roles):
        group = flows.create_group(organisation=acme, name="finance", now=clock.now())
        flows.add_group_member(group=group, user=employee.user, now=clock.now())
        flows.update_profile(
            user=employee.user, name="Alice", claims={"given_name": "Alice"}, address={},
            now=clock.now(),
        )  # fmt: skip
        client = mapped(
            acme,
            {
                "tier": {"value": "gold"},
                "teams": {"from": "groups"},
                "app_roles": {"from": "roles", "names": {"db-admin": "ADMIN", "other": "X"}},
                "all_roles": {"from": "roles", "in": ["access_token"]},
                "given": {"from": "profile", "claim": "given_name", "in": ["id_token"]},
                "mail": {"from": "profile", "claim": "email"},
            },
        )

        access, identity = tokens(client, session)

        for claims in (access, identity):
            assert claims["tier"] == "gold"
            assert claims["teams"] == ["finance"]
            assert claims["app_roles"] == ["ADMIN"]
            assert claims["mail"] == employee.email
        assert access["all_roles"] == ["auditor", "db-admin"]
        assert "all_roles" not in identity
        assert (identity["given"], "given" in access) == ("Alice", False)
        assert "roles" not in access  # the scope did not ask for them

    def test_what_the_protocol_says_is_never_said_by_a_mapping(self, acme, session):
        """Even where a row were changed by hand."""
        client = mapped(acme, {"tier": {"value": "gold"}})
        forged = {"sub": {"value": "mallory"}, "exp": {"value": 9}, "sid": {"value": "x"}}
        Client.unscoped.filter(pk=client.pk).update(metadata={"claim_mappings": forged})

        access, identity = tokens(client, session)
        for claims in (access, identity):
            assert claims["sub"] == str(session.user_id)
            assert claims["sid"] == str(session.pk)
            assert claims["exp"] > clock.now().timestamp()

    def test_no_token_outlives_a_role_that_a_claim_tells(self, acme, session, employee):
        role = flows.create_role(organisation=acme, name="guest", now=clock.now())
        ends_at = clock.now() + timedelta(minutes=3)
        flows.assign_role(user=employee.user, role=role, ends_at=ends_at, now=clock.now())
        client = mapped(acme, {"app_roles": {"from": "roles"}})

        access, identity = tokens(client, session)
        assert max(access["exp"], identity["exp"]) <= ends_at.timestamp()

    def test_a_grant_that_is_over_takes_the_claim_along(self, acme, acme_web, session, employee):
        role = flows.create_role(organisation=acme, name="db-admin", now=clock.now())
        grant_id = new_id()
        flows.elevate(
            grant_id=grant_id, user=employee.user, roles=[role], conditions=[], now=clock.now(),
            ends_at=clock.now() + timedelta(minutes=30), bounds=flows.Bounds(),
        )  # fmt: skip
        client = mapped(acme, {"app_roles": {"from": "roles"}})
        token = oauth.redeem(client, oauth.issue_code(client, session, scope="openid")).json[
            "access_token"
        ]
        assert introspected(acme_web, token)["app_roles"] == ["db-admin"]
        flows.end_elevation(grant_id=grant_id, now=clock.now())

        assert introspected(acme_web, token) == {"active": False}

    def test_introspection_tells_the_roles_of_now(self, acme, acme_web, session, employee, roles):
        client = mapped(acme, {"app_roles": {"from": "roles"}, "record": RECORD})
        token = oauth.redeem(client, oauth.issue_code(client, session, scope="openid")).json[
            "access_token"
        ]
        (first, _) = flows.held_roles(user=employee.user, now=clock.now())
        flows.end_role_assignment(assignment=first, now=clock.now())

        told = introspected(acme_web, token)
        assert told["app_roles"] == ["db-admin"]
        assert "record" not in told

    def test_workloads(self, acme, roles):
        client = mapped(
            acme,
            {"app_roles": {"from": "roles"}, "tier": {"value": 1}, "teams": {"from": "groups"}},
            grant_types=["client_credentials"], scopes=["api"],
        )  # fmt: skip
        give_role(client=client, role=roles[1], now=clock.now())

        token = oauth.token(client, {"grant_type": "client_credentials"}).json["access_token"]
        claims = oauth.claims_of(token)
        assert (claims["app_roles"], claims["tier"]) == (["db-admin"], 1)
        assert "teams" not in claims


class TestPolicy:
    """Before a token is made, policy is asked which resources somebody may do something to."""

    @pytest.fixture
    def records(self, acme: Organisation, employee: Person, newcomer: Person) -> None:
        """Four of alice's, one of nina's."""
        for name, owner in (("101", employee), ("107", employee), ("102", newcomer)):
            flows.register_resource(
                organisation=acme, type="record", name=name, owner=owner.user, now=clock.now()
            )

    def test_our_own_policy_fills_the_claim(self, acme, session, records):
        client = mapped(acme, {"record": RECORD})

        for claims in tokens(client, session):
            assert claims["record"] == [
                {"type": "record", "id": "101"}, {"type": "record", "id": "107"},
            ]  # fmt: skip

    def test_nothing_permitted_is_an_empty_claim(self, acme, session):
        access, _ = tokens(mapped(acme, {"record": RECORD}), session)

        assert access["record"] == []

    def test_more_than_fits_is_no_claim(self, acme, session, records, monkeypatch):
        monkeypatch.setattr(permitted_resources, "MAX_RESULTS", 1)

        access, _ = tokens(mapped(acme, {"record": RECORD}), session)
        assert "record" not in access

    def test_a_pairwise_client_asks_as_well(self, acme, session, records):
        client = mapped(acme, {"record": RECORD}, metadata={"subject_type": "pairwise"})

        access, _ = tokens(client, session)
        assert len(access["record"]) == 2

    def test_what_is_confidential_needs_the_device_of_this_session(self, acme, session, employee):
        flows.register_resource(
            organisation=acme, type="record", name="x", owner=employee.user,
            classification="confidential", now=clock.now(),
        )  # fmt: skip

        access, _ = tokens(mapped(acme, {"record": RECORD}), session)
        assert access["record"] == []


class TestAnotherDecisionPoint:
    @pytest.fixture
    def pdp(self, elsewhere, settings):
        settings.PDP_SEARCH_URL = elsewhere.url("/access/v1/search/resource")
        settings.PDP_TOKEN = "secret-of-ours"
        settings.PDP_TIMEOUT = timedelta(seconds=1)
        return elsewhere

    def answer(self, pdp, told, **how) -> None:
        body = told if isinstance(told, bytes) else json.dumps(told).encode()
        pdp.serve("/access/v1/search/resource", body, **how)

    def test_it_is_asked_and_its_results_are_the_claim(self, acme, session, employee, pdp):
        results = [{"type": "record", "id": "101"}, {"type": "record", "id": "107", "more": 1}]
        self.answer(pdp, {"results": results, "page": {"next_token": ""}})
        client = mapped(acme, {"record": RECORD | {"subject": "email"}})

        access, identity = tokens(client, session)

        expected = [{"type": "record", "id": name} for name in ("101", "107")]
        assert access["record"] == identity["record"] == expected
        ((method, _, headers, body),) = pdp.requests
        assert (method, headers["Authorization"]) == ("POST", "Bearer secret-of-ours")
        asked = json.loads(body)
        assert asked["subject"] == {"type": "user", "id": employee.email}
        assert asked["action"] == {"name": "delete"}
        assert asked["resource"] == {"type": "record"}

    @pytest.mark.parametrize(
        ("told", "how"),
        [
            ({"results": []}, {"status": 500}),
            ({"results": []}, {"content_type": "text/html"}),
            (b"<html>", {}), (b"", {}), ([], {}), ({}, {}), ({"results": {}}, {}),
            ({"results": [{"type": "other", "id": "1"}]}, {}),
            ({"results": [{"type": "record"}]}, {}),
            ({"results": [{"type": "record", "id": 7}]}, {}),
            ({"results": ["101"]}, {}),
            ({"results": [{"type": "record", "id": str(n)} for n in range(51)]}, {}),
            ({"results": [], "page": {"next_token": "more"}}, {}),
            ({"results": [], "page": "x"}, {}),
            (b'{"results": [], "results": []}', {}),
            (b" " * 70_000, {}),
        ],
        ids=[
            "500", "html-type", "html", "empty", "list", "nothing", "object", "type", "no-id",
            "number", "text", "many", "pages", "page", "twice", "large",
        ],
    )  # fmt: skip
    def test_any_other_answer_is_no_claim(self, acme, session, pdp, told, how):
        """A146: fail closed, and the person still signs in."""
        self.answer(pdp, told, **how)

        access, identity = tokens(mapped(acme, {"record": RECORD}), session)
        assert not {"record"} & (access.keys() | identity.keys())

    def test_a_slow_one_is_not_waited_for(self, acme, session, pdp, settings):
        settings.PDP_TIMEOUT = timedelta(milliseconds=200)
        pdp.pages["/access/v1/search/resource"] = lambda handler: time.sleep(1)
        began = time.monotonic()

        access, _ = tokens(mapped(acme, {"record": RECORD}), session)

        assert "record" not in access
        assert time.monotonic() - began < 3

    def test_nor_one_that_is_down(self, acme, session, pdp, settings):
        settings.PDP_SEARCH_URL = "https://localhost:1/access/v1/search/resource"

        access, _ = tokens(mapped(acme, {"record": RECORD}), session)
        assert "record" not in access

    def test_inner_networks_stay_closed(self, acme, session, pdp, settings):
        """The address is the operator's, and still asked by the guarded client only."""
        settings.OUTBOUND_ALLOWED_NETWORKS = []
        self.answer(pdp, {"results": []})

        access, _ = tokens(mapped(acme, {"record": RECORD}), session)
        assert "record" not in access
        assert pdp.requests == []


def introspected(asker: Client, token: str) -> dict:
    return oauth.send(
        "POST", "/oauth/introspect", form={"token": token},
        authorization=oauth.basic(asker.client_id),
    ).json  # fmt: skip
