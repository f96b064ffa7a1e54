"""A036: more scope, another audience or another resource is asked for on refresh."""

import pytest

from audit.events import Event
from audit.models import AuditEvent
from idp.models import Client, RefreshFamily
from tests import cast
from tests.support import exchange, oauth

pytestmark = pytest.mark.django_db


@pytest.fixture
def app(acme) -> Client:
    return cast.client(
        "app",
        acme,
        is_first_party=True,
        scopes=["openid", "profile", "email", "roles", "offline_access", "vault"],
        audience=exchange.LEDGER,
        metadata={
            "resources": [exchange.ARCHIVE, "https://third.example"],
            "authorization_details_types": ["payment"],
        },
    )


@pytest.fixture
def token(app, session) -> str:
    code = oauth.issue_code(
        app, session, scope="openid profile", terms={"resource": [exchange.ARCHIVE]}
    )
    return oauth.redeem(app, code).json["refresh_token"]


def unchanged() -> bool:
    family = RefreshFamily.unscoped.get()
    rotated = AuditEvent.objects.filter(event=Event.REFRESH_TOKEN_ROTATED).exists()
    return (family.generation, family.scope, rotated) == (0, "openid profile", False)


@pytest.mark.parametrize(
    "scope",
    ["openid profile email", "vault", "openid roles", "offline_access", "OPENID", "unknown"],
)
def test_scope_does_not_grow(app, token, scope):
    reply = oauth.refresh(app, token, scope=scope)

    assert (reply.status, reply.error) == (400, "invalid_scope")
    assert unchanged()
    assert oauth.refresh(app, token).status == 200


def test_narrowing_is_for_one_token_and_does_not_last(app, token):
    narrow = oauth.refresh(app, token, scope="profile").json
    whole = oauth.refresh(app, narrow["refresh_token"]).json

    assert oauth.claims_of(narrow["access_token"])["scope"] == "profile"
    assert oauth.claims_of(whole["access_token"])["scope"] == "openid profile"


def test_nor_by_way_of_a_narrowed_one(app, token):
    narrow = oauth.refresh(app, token, scope="profile").json["refresh_token"]

    assert oauth.refresh(app, narrow, scope="profile email").error == "invalid_scope"


@pytest.mark.parametrize(
    "resource", ["https://third.example", "https://elsewhere.example", "http://127.0.0.1/"]
)
def test_a_resource_that_was_not_granted(app, token, resource):
    reply = oauth.refresh(app, token, resource=resource)

    assert (reply.status, reply.error) == (400, "invalid_target")
    assert unchanged()


def test_an_audience_that_is_simply_asked_for_is_not_heard(app, token):
    answer = oauth.refresh(app, token, audience="https://third.example").json

    assert "https://third.example" not in str(oauth.claims_of(answer["access_token"])["aud"])


def test_details_that_were_not_granted(app, token):
    reply = oauth.refresh(app, token, authorization_details='[{"type":"payment"}]')

    assert (reply.status, reply.error) == (400, "invalid_authorization_details")
    assert unchanged()


def test_a_scope_that_the_client_lost_since_is_not_won_back(app, token):
    """What was consented to stands in the family; what is registered later adds nothing."""
    Client.unscoped.filter(pk=app.pk).update(scopes=["openid", "profile", "email", "new"])

    assert oauth.refresh(app, token, scope="new").error == "invalid_scope"
    assert unchanged()
