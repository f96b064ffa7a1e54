"""Who may call: a good token for the API with the scope, of a person who is still there."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client as Browser

from access import flows
from accounts import flows as accounts
from accounts.models import LockTarget
from console.api import limits
from core import clock
from core.limits import Limit
from idp import flows as idp
from risk.levels import RiskLevel
from sessions.flows import end_session, note_risk
from sessions.models import EndReason
from tests import cast
from tests.support import access, dpop, exchange, oauth, own_tokens
from tests.support.api import ROOT, Api, application, code_of, token_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(employee) -> Api:
    return Api.of(employee)


def test_a_good_token_says_who_calls(alice):
    told = alice.get("/me").json()

    assert (told["email"], told["organisation"]) == ("alice@acme.example", "acme")
    assert (told["acr"], told["is_administrator"]) == ("aal2", False)
    assert told["session"] == str(alice.session.pk)


@pytest.mark.parametrize("header", ["", "Bearer", "Basic eDp4", "Bearer nonsense"])
def test_without_a_good_token_the_answer_says_where_to_get_one(alice, header):
    answer = alice.send("GET", "/me", HTTP_AUTHORIZATION=header)

    assert code_of(answer) == (401, "invalid_token")
    where = f"{settings.ISSUER}/.well-known/oauth-protected-resource{ROOT}"
    assert f'resource_metadata="{where}"' in answer["WWW-Authenticate"]
    told = oauth.send("GET", where.removeprefix(settings.ISSUER)).json
    assert told["resource"] == f"{settings.ISSUER}{ROOT}"
    assert told["scopes_supported"] == ["access", "access:request", "account", "admin"]


def test_a_cookie_is_no_token(employee):
    browser = Browser()
    cast.sign_in(browser, employee)

    assert code_of(browser.get(f"{ROOT}/me")) == (401, "invalid_token")


def test_a_token_in_the_query_or_the_body_is_none(alice):
    assert code_of(alice.send("GET", f"/me?access_token={alice.token}", HTTP_AUTHORIZATION="")) == (
        401, "invalid_token",
    )  # fmt: skip
    form = f"access_token={alice.token}"
    answer = alice.browser.post(
        f"{ROOT}/access/grants", form, content_type="application/x-www-form-urlencoded"
    )
    assert code_of(answer) == (401, "invalid_token")


def test_a_token_for_another_audience_is_refused(employee, acme):
    for audience in ("", settings.ISSUER, f"{settings.ISSUER}{ROOT}/", "https://other.example"):
        client = application(acme, f"other-{len(audience)}", audience=audience)
        theirs = Api.of(employee, client=client)
        assert code_of(theirs.get("/me")) == (401, "invalid_token"), audience


def test_a_token_without_the_scope_is_refused(employee):
    refused = Api.of(employee, scope="admin").get("/me")

    assert code_of(refused) == (403, "insufficient_scope")
    assert 'scope="access"' in refused["WWW-Authenticate"]


def test_an_id_token_is_none(employee, acme):
    client = application(acme, scopes=["openid", "access"])
    session = cast.sign_in(Browser(), employee)
    code = oauth.issue_code(client, session, scope="openid access")
    id_token = oauth.redeem(client, code).json["id_token"]

    assert code_of(Api(id_token).get("/me")) == (401, "invalid_token")


def test_a_token_ends_on_time(alice, later):
    later(seconds=settings.ACCESS_TOKEN_LIFETIME.total_seconds())

    assert code_of(alice.get("/me")) == (401, "invalid_token")


def test_a_token_ends_with_its_session(alice):
    end_session(session=alice.session, reason=EndReason.REVOKED, now=clock.now())

    assert code_of(alice.get("/me")) == (401, "invalid_token")


def test_a_token_ends_with_its_account(alice, employee):
    accounts.deactivate_user(user=employee.user, now=clock.now())

    assert code_of(alice.get("/me")) == (401, "invalid_token")


def test_a_token_ends_with_its_client(alice, acme):
    idp.deactivate_client(client=application(acme), now=clock.now())

    assert code_of(alice.get("/me")) == (401, "invalid_token")


def test_a_token_that_was_revoked_is_refused(alice):
    form = {"token": alice.token, "client_id": "acme-api"}
    assert oauth.send("POST", "/oauth/revoke", form=form).status == 200

    assert code_of(alice.get("/me")) == (401, "invalid_token")


def test_a_lock_stops_a_token_at_once(alice, employee):
    accounts.place_lock(
        organisation_id=employee.user.organisation_id, target_type=LockTarget.USER,
        target=str(employee.user.pk), reason="a test", now=clock.now(),
    )  # fmt: skip

    assert code_of(alice.get("/me")) == (401, "invalid_token")


def test_a_token_of_an_ended_grant_is_refused(acme, employee, session_with_roles):
    api, grant = session_with_roles

    assert api.get("/me").status_code == 200
    flows.drop_grant(grant=grant, requester=employee.user, now=clock.now())
    assert code_of(api.get("/me")) == (401, "invalid_token")


@pytest.fixture
def session_with_roles(acme, employee):
    """A token that carries a role which a grant gives."""
    offered = access.entitlement(acme, eligible=[employee])
    session = access.session_of(employee)
    grant = access.activate(access.ask(offered, employee, session), employee, session)
    client = application(acme, "acme-carrier", scopes=["access", "roles"])
    token = token_of(session, scope="access roles", client=client)
    assert oauth.claims_of(token)["grant_id"] == str(grant.pk)
    return Api(token, session), grant


def test_a_token_that_is_bound_to_a_key_needs_its_proof(employee, acme):
    key = dpop.new_key()
    client = application(acme)
    session = cast.sign_in(Browser(), employee)
    code = oauth.issue_code(client, session, scope="access")
    bound = dpop.redeem(client, code, dpop.proof(key)).json["access_token"]
    api = Api(bound, session)

    def proof(**changes):
        path = f"{ROOT}/me"
        return dpop.proof(key, **({"method": "GET", "path": path, "token": bound} | changes))

    assert code_of(api.get("/me")) == (401, "invalid_token")
    as_dpop = {"HTTP_AUTHORIZATION": f"DPoP {bound}"}
    assert code_of(api.send("GET", "/me", **as_dpop)) == (401, "invalid_dpop_proof")
    other = dpop.proof(dpop.new_key(), method="GET", path=f"{ROOT}/me", token=bound)
    assert code_of(api.send("GET", "/me", HTTP_DPOP=other, **as_dpop))[0] == 401
    elsewhere = proof(path=f"{ROOT}/access/grants")
    assert code_of(api.send("GET", "/me", HTTP_DPOP=elsewhere, **as_dpop))[0] == 401
    good = proof()
    assert api.send("GET", "/me", HTTP_DPOP=good, **as_dpop).status_code == 200
    assert code_of(api.send("GET", "/me", HTTP_DPOP=good, **as_dpop))[0] == 401, "each proof once"


def test_a_clients_own_token_does_nothing(acme):
    machine = application(
        acme, "acme-robot", kind="confidential", grant_types=["client_credentials"]
    )
    answer = oauth.token(machine, {"grant_type": "client_credentials", "scope": "access admin"})
    assert answer.status == 200, answer.body
    api = Api(answer.json["access_token"])

    for path in ("/me", "/access/grants", "/access/entitlements"):
        assert code_of(api.get(path)) == (403, "not_allowed")


def test_a_token_that_was_handed_on_asks_but_does_not_decide(acme, employee, approver):
    offered = access.entitlement(acme, by=[approver], eligible=[employee])
    grant = access.ask(offered, employee, access.session_of(employee))
    gateway = exchange.api(
        acme, "acme-gateway", audience=f"{settings.ISSUER}{ROOT}", scopes=["access", "admin"]
    )
    caller = cast.client(
        "acme-caller", acme, audience=gateway.client_id, scopes=["access", "admin"]
    )
    session = cast.sign_in(Browser(), approver)
    code = oauth.issue_code(caller, session, scope="access admin")
    subject = oauth.redeem(caller, code).json["access_token"]
    own = oauth.token(gateway, {"grant_type": "client_credentials"}).json["access_token"]

    for actor in (None, own):
        handed = exchange.exchange(gateway, subject, actor=actor)
        assert handed.status == 200, handed.body
        bob = Api(handed.json["access_token"])
        assert bob.get("/me").status_code == 200
        assert bob.get(f"/access/grants/{grant.pk}").status_code == 200
        for decision in ("approve", "deny", "revoke"):
            refused = bob.post(f"/access/grants/{grant.pk}/{decision}", {})
            assert code_of(refused) == (403, "not_allowed")


@pytest.mark.parametrize("claim", ["aud", "scope", "sid", "client_id", "jti", "sub", "exp"])
def test_a_token_that_lacks_something_is_refused_and_never_a_fault(alice, claim):
    answer = Api(own_tokens.changed(alice.token, **{claim: None})).get("/me")

    assert answer.status_code in {401, 403}
    code_of(answer)


def test_whoever_has_to_prove_more_is_told_so(alice, employee):
    note_risk(session=alice.session, level=RiskLevel.HIGH)

    refused = alice.get("/me")

    assert code_of(refused) == (401, "insufficient_user_authentication")
    assert refused.json()["acr_values"] == "aal2"


def test_it_is_called_so_often_and_no_more(alice, early_in_a_window):
    for _ in range(limits.BY_A_PERSON.burst):
        assert alice.get("/me").status_code == 200
    refused = alice.get("/me")

    assert code_of(refused) == (429, "too_many_attempts")
    assert int(refused["Retry-After"]) > 0


def test_without_a_token_it_is_called_so_often_and_no_more(early_in_a_window, monkeypatch):
    few = Limit("api-few", 3, timedelta(minutes=1), "a test")
    monkeypatch.setattr(limits, "FROM_AN_ADDRESS", few)
    api = Api("nonsense")

    assert [code_of(api.get("/me"))[0] for _ in range(4)] == [401, 401, 401, 429]


def test_every_answer_is_kept_by_nobody(alice):
    for answer in (alice.get("/me"), alice.get("/nothing"), Api("x").get("/me")):
        assert answer["Cache-Control"] == "no-store"


def test_a_path_that_is_none_is_a_problem(alice):
    assert code_of(alice.get("/no/such/thing")) == (404, "not_found")
    assert code_of(alice.send("DELETE", "/me")) == (405, "method_not_allowed")
