"""A037: a scope is taken from a client while its tokens are out. Wherever we are asked it is gone."""

import pytest

from core import clock
from idp.flows import update_client
from idp.models import Client
from idp.models.client import AUTHZEN, POLICY_READ, TOKEN_EXCHANGE
from tests import cast
from tests.support import access, authzen, oauth
from tests.support.api import Api, code_of, token_of
from tests.support.authzen import EVALUATION, Asker, question

pytestmark = pytest.mark.django_db


def take(client: Client, *scopes: str) -> None:
    left = [scope for scope in client.scopes if scope not in scopes]
    update_client(client=client, scopes=left, now=clock.now())


def told(client: Client, token: str) -> dict:
    return oauth.send(
        "POST", "/oauth/introspect", form={"token": token},
        authorization=oauth.basic(client.client_id),
    ).json  # fmt: skip


def userinfo(token: str) -> oauth.Reply:
    return oauth.send("GET", "/oauth/userinfo", authorization=f"Bearer {token}")


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_introspection_does_not_tell_it(acme_web, tokens, kind):
    assert "email" in told(acme_web, tokens[kind])["scope"].split()

    take(acme_web, "email")

    answer = told(acme_web, tokens[kind])
    assert answer["active"] is True
    assert answer["scope"] == "openid profile"


def test_userinfo_does_not_answer_to_it(acme_web, tokens):
    assert "email" in userinfo(tokens["access_token"]).json

    take(acme_web, "email")
    reply = userinfo(tokens["access_token"])
    assert (reply.status, "email" in reply.json, "name" in reply.json) == (200, False, True)

    take(acme_web, "openid")
    assert userinfo(tokens["access_token"]).error == "insufficient_scope"


def test_what_was_exchanged_does_not_carry_it_on(acme, session):
    gateway = cast.client("acme-gateway", acme, grant_types=["client_credentials", TOKEN_EXCHANGE])
    caller = cast.client("acme-caller", acme, audience=gateway.client_id, is_first_party=True)
    code = oauth.issue_code(caller, session, scope="profile email")
    token = oauth.redeem(caller, code).json["access_token"]
    form = {
        "grant_type": TOKEN_EXCHANGE, "subject_token": token,
        "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
    }  # fmt: skip
    exchanged = oauth.token(gateway, form).json
    assert exchanged["scope"] == "profile email"

    take(caller, "email")
    assert oauth.token(gateway, form).json["scope"] == "profile"
    assert told(gateway, exchanged["access_token"])["scope"] == "profile email", "it is another's"

    take(gateway, "profile")
    assert told(gateway, exchanged["access_token"])["scope"] == "email"


def test_our_api_does_not_take_it(acme, employee, client):
    session = cast.sign_in(client, employee)
    token = token_of(session)
    assert Api(token).get("/me").status_code == 200
    own = Client.unscoped.get(client_id=oauth.claims_of(token)["client_id"])

    take(own, "account", "access", "admin")

    assert code_of(Api(token).get("/me")) == (403, "insufficient_scope")


@pytest.mark.parametrize(
    ("scope", "path"), [(AUTHZEN, EVALUATION), (POLICY_READ, "/policy/bundle.tar.gz")]
)
def test_a_client_that_asks_policy_may_no_longer(acme, scope, path):
    asking = cast.client(
        "acme-asker", acme, grant_types=["client_credentials"], scopes=[scope, "other"]
    )
    token = authzen.token_of(asking, scope=f"{scope} other")

    def ask() -> oauth.Reply:
        if scope == POLICY_READ:
            return oauth.send("GET", path, authorization=f"Bearer {token}")
        return Asker(token=token).send(path, question("alice@acme.example", "read", "report q3"))

    assert ask().status == 200
    take(asking, scope)
    assert (ask().status, ask().error) == (403, "insufficient_scope")


def test_a_workload_asks_for_no_access_with_it(acme, employee):
    machine = access.machine(acme, "nightly")
    access.workload(machine, employee, access.entitlement(acme, **access.FOR_WORKLOADS))
    api = Api(authzen.token_of(machine, scope="access:request"))
    assert api.get("/workload/grants").status_code == 200

    take(machine, "access:request")

    assert code_of(api.get("/workload/grants")) == (403, "insufficient_scope")
