"""oauth4webapi, the certified library that openid-client is built on, against the product."""

from collections.abc import Iterator

import pytest

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
    """What the library saw, by step."""
    further = javascript.keys_in_place_of_secrets(instance)
    return javascript.play("oauth4webapi", instance, **further)


def test_it_discovers_the_provider(steps: Steps, instance: Instance) -> None:
    assert steps["discovery"] == {"issuer": instance.base_url, "par": True}


def test_it_signs_a_person_in_with_pkce(steps: Steps) -> None:
    assert steps["code"] == {"token_type": "bearer", "acr": "aal2"}


def test_it_reads_userinfo(steps: Steps) -> None:
    assert steps["userinfo"] == {"email": "alice@acme.example"}


def test_it_refreshes(steps: Steps) -> None:
    assert steps["refresh"] == {"rotated": True, "new_access_token": True}


def test_a_revoked_token_is_dead(steps: Steps) -> None:
    assert steps["revocation"] == {"refresh": "invalid_grant", "active": False}


def test_it_pushes_a_request_and_is_bound_to_a_key_with_nonces(steps: Steps) -> None:
    assert steps["pushed"] == {
        "asked_for_nonces": 1,
        "token_type": "dpop",
        "email": "alice@acme.example",
    }


def test_its_rules_for_apis_take_our_access_token(steps: Steps) -> None:
    assert steps["resource"] == {"same_person": True, "scope": "openid profile email"}


def test_a_bound_refresh_wants_a_proof_and_does_not_rotate(steps: Steps) -> None:
    assert steps["bound_refresh"] == {
        "token_type": "dpop",
        "same_refresh_token": True,
        "without_proof": "invalid_dpop_proof",
    }


def test_a_signed_request_by_value_gets_a_signed_answer(steps: Steps) -> None:
    assert steps["signed"] == {"answer": ["response"], "token_type": "bearer"}


def test_a_device_gets_tokens_of_the_person(steps: Steps) -> None:
    assert steps["device"] == {"before": "authorization_pending", "same_person": True}


def test_signing_out_ends_session_and_tokens(steps: Steps) -> None:
    assert steps["logout"] == {
        "back_at": javascript.SIGNED_OUT,
        "same_state": True,
        "silent_sign_in": "login_required",
        "refresh": "invalid_grant",
    }
