"""OpenID Connect Core 1.0 §3.2 (implicit) and §3.3 (hybrid): off unless a client registers them."""

import base64
import hashlib
import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client as Browser
from joserfc.jwk import ECKey

from accounts.flows import update_profile
from accounts.models import Organisation
from audit.events import Event
from audit.models import AuditEvent
from core import clock, outbound
from idp.flows import revoke_consent
from idp.models import AuthorizationCode, Client, Consent, RefreshFamily
from sessions.flows import end_session
from sessions.models import EndReason
from tests import cast
from tests.cast import Person
from tests.support.authorize import (
    answer,
    answer_and_mode,
    authorize,
    nothing_was_issued,
    query,
)
from tests.support.elsewhere import Elsewhere
from tests.support.oauth import basic, claims_of, redeem, send
from tests.support.over_tls import ISSUER

TYPES = ["code id_token", "code token", "code id_token token", "id_token", "id_token token"]
WITH_TOKEN = [name for name in TYPES if "token" in name.split()]
WITH_ID_TOKEN = [name for name in TYPES if "id_token" in name.split()]


@pytest.fixture
def hybrid(acme_web: Client) -> Client:
    Client.unscoped.filter(pk=acme_web.pk).update(metadata={"response_types": ["code", *TYPES]})
    acme_web.refresh_from_db()
    return acme_web


def half_hash(text: str) -> str:
    raw = hashlib.sha256(text.encode()).digest()[:16]
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def userinfo(token: str) -> Any:
    return send("GET", "/oauth/userinfo", authorization=f"Bearer {token}")


@pytest.mark.spec("OpenID Core", "3", "each response_type gives what its words name")
@pytest.mark.parametrize("response_type", TYPES)
def test_the_answer_has_what_was_asked_for_in_the_fragment(
    alices: Browser, hybrid: Client, response_type: str
) -> None:
    values, mode = answer_and_mode(authorize(alices, hybrid, response_type=response_type))

    expected = {"state", "iss"}
    words = response_type.split()
    expected |= {"code"} if "code" in words else set()
    expected |= {"id_token"} if "id_token" in words else set()
    if "token" in words:
        expected |= {"access_token", "token_type", "expires_in", "scope"}
        assert values["token_type"] == "Bearer"
        assert int(values["expires_in"]) > 0
    assert mode == "fragment"
    assert values.keys() == expected
    assert (values["state"], values["iss"]) == ("s-1", ISSUER)


@pytest.mark.spec("OpenID Core", "3", "the order of the words does not matter")
def test_the_order_of_the_words_does_not_matter(alices: Browser, hybrid: Client) -> None:
    values = answer(authorize(alices, hybrid, response_type="token  id_token code"))

    assert {"code", "id_token", "access_token"} <= values.keys()


@pytest.mark.spec("OpenID Core", "3.3.2.11", "c_hash and at_hash are right, nonce is there")
@pytest.mark.parametrize("response_type", WITH_ID_TOKEN)
def test_the_id_token_is_bound_to_what_comes_along(
    alices: Browser, hybrid: Client, response_type: str
) -> None:
    values = answer(authorize(alices, hybrid, response_type=response_type))
    claims = claims_of(values["id_token"])

    assert claims["nonce"] == "n-1"
    assert claims.get("c_hash") == (half_hash(values["code"]) if "code" in values else None)
    token = values.get("access_token")
    assert claims.get("at_hash") == (half_hash(token) if token else None)
    assert {"iss", "sub", "aud", "exp", "iat", "auth_time", "acr", "sid"} <= claims.keys()


@pytest.mark.spec("OpenID Core", "3.3.3.6", "both ID tokens say the same about who signed in")
@pytest.mark.parametrize("response_type", ["code id_token", "code id_token token"])
def test_both_id_tokens_agree(alices: Browser, hybrid: Client, response_type: str) -> None:
    values = answer(authorize(alices, hybrid, response_type=response_type))

    front = claims_of(values["id_token"])
    back = claims_of(redeem(hybrid, values["code"]).json["id_token"])

    for name in ("iss", "sub", "aud", "nonce", "auth_time", "acr", "sid"):
        assert front[name] == back[name]


@pytest.mark.spec("OpenID Core", "3.2.2.1", "nonce is required with an ID token, and only then")
@pytest.mark.parametrize("response_type", TYPES)
def test_nonce(alices: Browser, hybrid: Client, response_type: str) -> None:
    values, mode = answer_and_mode(
        authorize(alices, hybrid, response_type=response_type, nonce=None)
    )

    assert mode == "fragment"
    if "id_token" in response_type.split():
        assert values["error"] == "invalid_request"
        assert nothing_was_issued()
    else:
        assert "access_token" in values


@pytest.mark.spec("OpenID Core", "3.2.2.1", "an ID token needs the scope openid")
def test_an_id_token_needs_openid(alices: Browser, hybrid: Client) -> None:
    values = answer(authorize(alices, hybrid, response_type="id_token", scope="profile"))

    assert values["error"] == "invalid_scope"


@pytest.mark.spec("OpenID Core", "5.4", "without an access token the claims are in the ID token")
def test_id_token_alone_carries_the_claims_of_the_scopes(
    alices: Browser, hybrid: Client, employee: Person
) -> None:
    scope = "openid profile email"
    alone = answer(authorize(alices, hybrid, response_type="id_token", scope=scope))
    beside = answer(authorize(alices, hybrid, response_type="id_token token", scope=scope))

    claims = claims_of(alone["id_token"])
    assert (claims["name"], claims["email"]) == ("Alice Arden", employee.email)
    assert {"name", "email"}.isdisjoint(claims_of(beside["id_token"]))


@pytest.mark.spec("OpenID Core", "5.4", "with an access token the claims are at userinfo")
@pytest.mark.parametrize("response_type", WITH_TOKEN)
@pytest.mark.parametrize(
    ("scope", "names"),
    [
        ("openid", set()),
        ("openid profile", {"name", "given_name", "family_name", "updated_at"}),
        ("openid email", {"email", "email_verified"}),
        ("openid address phone", {"address", "phone_number", "phone_number_verified"}),
    ],
)
def test_an_access_token_opens_the_claims_of_the_scopes(
    alices: Browser,
    hybrid: Client,
    employee: Person,
    response_type: str,
    scope: str,
    names: set[str],
) -> None:
    told = {"given_name": "Alice", "family_name": "Arden", "phone_number": "+49301234567"}
    update_profile(
        user=employee.user, name="Alice Arden", claims=told, address={"locality": "Hamburg"},
        now=clock.now(),
    )  # fmt: skip
    Client.unscoped.filter(pk=hybrid.pk).update(scopes=scope.split())
    values = answer(authorize(alices, hybrid, response_type=response_type, scope=scope))

    said = userinfo(values["access_token"]).json
    every = {"name", "given_name", "family_name", "updated_at", "email", "email_verified",
             "address", "phone_number", "phone_number_verified"}  # fmt: skip
    assert said.keys() & every == names
    if "id_token" in values:
        assert not claims_of(values["id_token"]).keys() & every


@pytest.mark.spec("Multiple Response Types", "5", "tokens are never put into the query")
@pytest.mark.parametrize("response_type", TYPES)
def test_the_query_is_refused(alices: Browser, hybrid: Client, response_type: str) -> None:
    values, mode = answer_and_mode(
        authorize(alices, hybrid, response_type=response_type, response_mode="query")
    )

    assert (values["error"], mode) == ("invalid_request", "fragment")
    assert nothing_was_issued()


@pytest.mark.spec("OpenID Core", "3.2.2.6", "errors are in the fragment")
@pytest.mark.parametrize(
    "changes", [{"scope": "admin"}, {"prompt": "none login"}, {"response_mode": "x"}]
)
def test_errors_are_in_the_fragment(
    alices: Browser, hybrid: Client, changes: dict[str, str]
) -> None:
    values, mode = answer_and_mode(authorize(alices, hybrid, response_type="id_token", **changes))

    assert "error" in values
    assert mode == "fragment"


@pytest.mark.parametrize("response_type", TYPES)
def test_tokens_come_by_form_as_well(alices: Browser, hybrid: Client, response_type: str) -> None:
    values, mode = answer_and_mode(
        authorize(alices, hybrid, response_type=response_type, response_mode="form_post")
    )

    assert mode == "form_post"
    assert not {"access_token", "id_token"}.isdisjoint(values)


@pytest.mark.spec("RFC 6749", "4.2.2.1", "a type that was not registered is unauthorized_client")
@pytest.mark.parametrize("response_type", TYPES)
def test_nothing_of_this_without_registration(
    alices: Browser, acme_web: Client, response_type: str
) -> None:
    values, mode = answer_and_mode(authorize(alices, acme_web, response_type=response_type))

    assert (values["error"], mode) == ("unauthorized_client", "fragment")
    assert nothing_was_issued()
    assert not RefreshFamily.unscoped.exists()


@pytest.mark.spec("RFC 9700", "2.1.2", "an access token alone is never given")
@pytest.mark.parametrize("registered", [["code"], ["token"], ["code", "token", "id_token token"]])
def test_token_alone_is_refused_whatever_is_registered(
    alices: Browser, acme_web: Client, registered: list[str]
) -> None:
    Client.unscoped.filter(pk=acme_web.pk).update(metadata={"response_types": registered})

    values = answer(authorize(alices, acme_web, response_type="token"))

    assert values["error"] == "unsupported_response_type"
    assert not RefreshFamily.unscoped.exists()


def test_a_client_of_the_fapi2_profile_never_gets_them(alices: Browser, hybrid: Client) -> None:
    metadata = {"response_types": TYPES, "security_profile": "fapi2"}
    Client.unscoped.filter(pk=hybrid.pk).update(metadata=metadata)

    for response_type in TYPES:
        assert "error" in answer(authorize(alices, hybrid, response_type=response_type))
    assert nothing_was_issued()


@pytest.mark.parametrize(
    "binding", ["dpop_bound_access_tokens", "tls_client_certificate_bound_access_tokens"]
)
def test_a_client_whose_tokens_are_bound_gets_none_unbound(
    alices: Browser, hybrid: Client, binding: str
) -> None:
    Client.unscoped.filter(pk=hybrid.pk).update(metadata={"response_types": TYPES, binding: True})

    for response_type in WITH_TOKEN:
        values = answer(authorize(alices, hybrid, response_type=response_type))
        assert values["error"] == "unauthorized_client"
    assert not RefreshFamily.unscoped.exists()


class TestTheAccessToken:
    """It stands on a row, as every other does."""

    @pytest.fixture
    def token(self, alices: Browser, hybrid: Client) -> str:
        return answer(authorize(alices, hybrid, response_type="id_token token"))["access_token"]

    def test_it_opens_userinfo_and_is_introspected(self, token: str, hybrid: Client) -> None:
        assert userinfo(token).json["name"] == "Alice Arden"
        seen = send("POST", "/oauth/introspect", form={"token": token},
                    authorization=basic(hybrid.client_id)).json  # fmt: skip
        assert seen["active"] is True

    def test_it_has_a_family_without_refresh(self, token: str) -> None:
        family = RefreshFamily.unscoped.get()

        assert family.issues_refresh is False
        assert not AuthorizationCode.unscoped.exists()

    def test_its_client_revokes_it(self, token: str, hybrid: Client) -> None:
        send("POST", "/oauth/revoke", form={"token": token},
             authorization=basic(hybrid.client_id))  # fmt: skip

        assert userinfo(token).status == 401

    def test_it_ends_with_the_session(self, token: str, employee: Person) -> None:
        session = employee.user.login_sessions.get()
        end_session(session=session, reason=EndReason.SIGNED_OUT, actor="",
                    now=clock.now())  # fmt: skip

        assert userinfo(token).status == 401

    def test_it_expires(self, token: str, later: Any) -> None:
        later(minutes=16)

        assert userinfo(token).status == 401

    def test_it_is_written_down(self, token: str, hybrid: Client) -> None:
        event = AuditEvent.objects.get(event=Event.TOKEN_ISSUED)

        assert event.facts["grant_type"] == "implicit"
        assert event.facts["response_type"] == "id_token token"
        assert event.facts["family"] == str(RefreshFamily.unscoped.get().id)
        assert event.subject == f"idp.Client:{hybrid.id}"


def test_a_consent_that_is_taken_back_ends_it(alices: Browser, acme_spa: Client) -> None:
    Client.unscoped.filter(pk=acme_spa.pk).update(metadata={"response_types": ["id_token token"]})
    handle = query(authorize(alices, acme_spa, response_type="id_token token"))["id"]
    response = alices.post("/oauth/consent", {"request": handle, "decision": "allow"})
    token = answer(alices.get(response["Location"]))["access_token"]
    assert userinfo(token).status == 200

    consent = Consent.unscoped.get()
    revoke_consent(user=consent.user, client=acme_spa, session_id=None, now=clock.now())

    assert userinfo(token).status == 401


def test_a_type_that_is_unregistered_on_the_way_gets_nothing(
    alices: Browser, acme_spa: Client
) -> None:
    Client.unscoped.filter(pk=acme_spa.pk).update(metadata={"response_types": ["id_token token"]})
    handle = query(authorize(alices, acme_spa, response_type="id_token token"))["id"]
    Client.unscoped.filter(pk=acme_spa.pk).update(metadata={})

    response = alices.post("/oauth/consent", {"request": handle, "decision": "allow"})

    assert response.status_code == 400
    assert not RefreshFamily.unscoped.exists()


def test_a_clients_keys_are_asked_for_outside_the_transaction(
    alices: Browser, acme: Organisation, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = ECKey.generate_key("P-256", {"use": "enc"}).as_dict(private=False)
    metadata = {
        "jwks_uri": elsewhere.serve("/jwks", json.dumps({"keys": [key]}).encode()),
        "id_token_encrypted_response_alg": "ECDH-ES",
        "response_types": ["code id_token"],
    }
    client = cast.client("sealed", acme, is_first_party=True, metadata=metadata)
    fetch, depths = outbound.fetch, []

    def noted(*args: Any, **named: Any) -> Any:
        depths.append(len(connection.savepoint_ids))
        return fetch(*args, **named)

    monkeypatch.setattr(outbound, "fetch", noted)
    outside = len(connection.savepoint_ids)

    values = answer(authorize(alices, client, response_type="code id_token"))

    assert values["id_token"].count(".") == 4
    assert depths == [outside]
