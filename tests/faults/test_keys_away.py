"""A key-encryption key is taken away: what it protects is not used, and nothing breaks."""

import pytest

from audit.models import AuditEvent
from idp import keys
from idp.models import RefreshFamily
from protection import keyring
from tests import cast
from tests.support import oauth

pytestmark = pytest.mark.django_db


@pytest.fixture
def tokens(client, employee, acme_web):
    session = cast.sign_in(client, employee)
    return oauth.redeem(acme_web, oauth.issue_code(acme_web, session)).json


@pytest.fixture
def without_its_key(settings):
    """As a process that was started again with another key-encryption key."""

    def take_away():
        settings.KEY_ENCRYPTION_KEYS = {"other": b"o" * 32}
        keyring.forget()
        keys.forget()

    return take_away


def test_every_machine_endpoint_says_503_and_changes_nothing(acme_web, tokens, without_its_key):
    without_its_key()
    events = AuditEvent.objects.count()

    replies = {
        "refresh": oauth.refresh(acme_web, tokens["refresh_token"]),
        "userinfo": oauth.send(
            "GET", "/oauth/userinfo", authorization=f"Bearer {tokens['access_token']}"
        ),
        "introspect": oauth.send(
            "POST", "/oauth/introspect", form={"token": tokens["access_token"]},
            authorization=oauth.basic(acme_web.client_id),
        ),
        "revoke": oauth.send(
            "POST", "/oauth/revoke", form={"token": tokens["access_token"]},
            authorization=oauth.basic(acme_web.client_id),
        ),
        "jwks": oauth.send("GET", "/oauth/jwks"),
    }  # fmt: skip

    for name, reply in replies.items():
        assert (name, reply.status, reply.error) == (name, 503, "temporarily_unavailable")
        assert reply.headers["Retry-After"] == "5"
    family = RefreshFamily.unscoped.get()
    assert (family.generation, family.revoked_at) == (0, None)
    assert AuditEvent.objects.count() == events


def test_a_code_is_not_used_up_by_it(client, employee, acme_web, without_its_key, settings):
    session = cast.sign_in(client, employee)
    code = oauth.issue_code(acme_web, session)
    before = settings.KEY_ENCRYPTION_KEYS
    oauth.refresh(acme_web, "x")
    keys.signing_key("ES256")
    without_its_key()
    assert oauth.redeem(acme_web, code).status == 503

    settings.KEY_ENCRYPTION_KEYS = before
    keyring.forget()
    keys.forget()

    assert oauth.redeem(acme_web, code).status == 200


def test_a_second_factor_cannot_be_judged_and_nobody_gets_in(client, employee, without_its_key):
    client.post("/accounts/login/", {"login": employee.email, "password": employee.password})
    without_its_key()

    answer = client.post("/mfa/challenge/", {"code": employee.totp_code()})

    assert answer.status_code == 503
    assert "_auth_user_id" not in client.session
