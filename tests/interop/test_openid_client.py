"""openid-client, a certified relying-party library that nobody here wrote, against the product.

The scripts drive the real pages as a browser without JavaScript would: password, authenticator
code, consent. Each test below looks at one step of one flow.
"""

from collections.abc import Iterator

import pytest

from idp.models import Client
from tests.interop import javascript
from tests.interop.javascript import Steps
from tests.support.instance import Instance

pytestmark = [
    pytest.mark.instance,
    pytest.mark.skipif(bool(javascript.why_not()), reason=javascript.why_not() or "-"),
]


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with Instance(with_demo=True, environment={"SALLYPORT_DPOP_NONCE_REQUIRED": "true"}) as running:
        yield running


@pytest.fixture(scope="module")
def steps(instance: Instance) -> Steps:
    """What the library saw, by step, as a client with a secret."""
    return javascript.play("openid_client", instance)


@pytest.fixture(scope="module")
def bound(instance: Instance) -> Steps:
    """What it saw as clients with keys."""
    further = javascript.keys_in_place_of_secrets(instance)
    return javascript.play("openid_client_bound", instance, **further)


def test_it_discovers_the_provider(steps: Steps, instance: Instance) -> None:
    assert steps["discovery"] == {
        "issuer": instance.base_url,
        "pkce": ["S256"],
        "iss_parameter": True,
        "signing": Client.SigningAlg.values,
    }


def test_it_signs_a_person_in_with_password_and_authenticator_code(
    steps: Steps,
) -> None:
    login = steps["login"]

    assert login["token_type"] == "bearer"
    assert login["expires_in"] == 900
    assert login["has_refresh_token"] is True
    assert login["acr"] == "aal2"
    assert {"pwd", "otp", "mfa"} <= set(login["amr"])


def test_it_reads_userinfo_of_the_same_person(steps: Steps, instance: Instance) -> None:
    assert steps["userinfo"]["same_subject"] is True
    assert steps["userinfo"]["email"] in {user["email"] for user in instance.demo["users"]}


def test_it_introspects_a_live_token_and_nonsense(steps: Steps) -> None:
    assert steps["introspection"]["active"] is True
    assert steps["introspection"]["nonsense_active"] is False


def test_it_gets_a_new_refresh_token_each_time(steps: Steps) -> None:
    assert steps["refresh"] == {
        "different_refresh_tokens": 3,
        "different_access_tokens": 3,
        "same_subject": True,
    }


def test_a_replayed_refresh_token_ends_the_family(steps: Steps) -> None:
    assert steps["reuse"] == {
        "replayed": "invalid_grant",
        "newest": "invalid_grant",
        "access_active": False,
    }


def test_a_revoked_refresh_token_is_refused(steps: Steps) -> None:
    assert steps["revocation"] == {"refresh": "invalid_grant", "access_active": False}


def test_signing_out_ends_session_and_tokens(steps: Steps, instance: Instance) -> None:
    (client,) = (each for each in instance.demo["clients"] if each["name"] == "demo")

    assert steps["logout"] == {
        "back_at": client["post_logout_redirect_uris"][0],
        "same_state": True,
        "silent_sign_in": "login_required",
        "refresh": "invalid_grant",
        "access_active": False,
    }


class TestBound:
    """PAR, JAR, JARM, DPoP with nonces, private_key_jwt, and the device grant."""

    def test_a_pushed_request_leads_to_tokens_bound_to_the_key(self, bound: Steps) -> None:
        assert bound["pushed"] == {
            "parameters": ["client_id", "request_uri"],
            "token_type": "dpop",
            "bound_to_the_key": True,
            "has_refresh_token": True,
        }

    def test_a_request_that_was_not_pushed_is_refused(self, bound: Steps) -> None:
        assert bound["unpushed"] == {"answer": "invalid_request"}

    def test_userinfo_wants_the_key(self, bound: Steps) -> None:
        assert bound["userinfo"] == {
            "email": "bob@acme.example",
            "by_bearer": 401,
            "by_another_key": 401,
        }

    def test_introspection_tells_of_the_key(self, bound: Steps) -> None:
        assert bound["introspection"] == {"active": True, "bound": True}

    def test_a_refresh_wants_a_proof_and_does_not_rotate(self, bound: Steps) -> None:
        assert bound["refresh"] == {
            "token_type": "dpop",
            "new_access_token": True,
            "same_refresh_token": True,
            "without_proof": "invalid_dpop_proof",
        }

    def test_it_registers_itself_and_all_is_kept(self, bound: Steps) -> None:
        assert bound["registration"] == {"kept": [], "has_secret": False}

    def test_a_signed_request_gets_a_signed_answer(self, bound: Steps) -> None:
        assert bound["signed"] == {
            "answer": ["response"],
            "token_type": "dpop",
            "email": "bob@acme.example",
            "unsigned": "invalid_request",
        }

    def test_a_device_gets_tokens_of_the_person(self, bound: Steps) -> None:
        assert bound["device"] == {
            "token_type": "dpop",
            "same_person": True,
            "refreshed": True,
        }

    def test_signing_out_ends_every_application_of_the_session(self, bound: Steps) -> None:
        assert bound["logout"] == {
            "back_at": javascript.SIGNED_OUT,
            "same_state": True,
            "refresh": "invalid_grant",
            "refresh_of_the_other": "invalid_grant",
        }
