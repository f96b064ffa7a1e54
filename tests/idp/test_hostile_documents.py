"""Whatever stands in a document, or is asked about somebody: no 500, nothing by half."""

import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.test import Client as Browser
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import Organisation
from idp.models import Client
from tests import cast
from tests.cast import Person
from tests.support import documents, oauth
from tests.support.authorize import parameters
from tests.support.elsewhere import Elsewhere
from tests.support.hostile import (
    ODD_JSON,
    Change,
    bounded,
    changed_members,
    changes,
    jose,
    json_values,
    key_sets,
    texts,
)
from tests.support.judging import ask, visit

pytestmark = pytest.mark.django_db

latin = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=40)
raw_bodies = st.one_of(
    st.sampled_from(ODD_JSON).map(str.encode), json_values.map(lambda v: json.dumps(v).encode()),
    st.binary(max_size=60), st.sampled_from([b"", b"[]", b"null", b"{", b"\xff\xfe{}", b"{}" * 3_000]),
)  # fmt: skip

# --- documents that clients describe themselves by ------------------------------------------------

MEMBERS = [
    "client_id", "client_name", "redirect_uris", "grant_types", "response_types", "scope",
    "token_endpoint_auth_method", "token_endpoint_auth_signing_alg", "jwks", "jwks_uri", "logo_uri",
    "client_uri", "policy_uri", "tos_uri", "application_type", "contacts", "default_max_age",
    "default_acr_values", "post_logout_redirect_uris", "backchannel_logout_uri",
    "frontchannel_logout_uri", "request_uris", "request_object_signing_alg",
    "request_object_encryption_alg", "request_object_encryption_enc", "sector_identifier_uri",
    "subject_type", "software_statement", "client_secret", "security_profile", "initiate_login_uri",
    "require_pushed_authorization_requests", "require_signed_request_object",
    "dpop_bound_access_tokens", "authorization_details_types", "id_token_encrypted_response_alg",
    "userinfo_signed_response_alg", "require_pkce", "may_sign_people_out", "is_first_party",
]  # fmt: skip
HEADERS = {
    "Content-Type": st.sampled_from(
        ["application/json", "text/html", "application/x+json", "application/json; charset=utf-7", ""]
    ),
    "Cache-Control": latin
    | st.sampled_from(["max-age=-1", "max-age=99999999999", "max-age=1,max-age=2", "no-store", "="]),
    "Expires": st.sampled_from(["0", "-1", "Thu, 01 Jan 1970 00:00:00 GMT", "Thu, 99 Foo 9999"]),
    "Age": st.sampled_from(["-1", "x", "9" * 30, ""]),
    "Content-Encoding": st.sampled_from(["gzip", "br", "identity", "x"]),
    "Content-Length": st.sampled_from(["0", "5", "-1", "x", "99999999"]),
    "Location": st.just("https://evil.example/"),
}  # fmt: skip


@pytest.fixture(params=["unknown", "allowed"])
def described(
    request: pytest.FixtureRequest, settings: Any, acme: Organisation, employee: Person,
    elsewhere: Elsewhere,
) -> Browser:  # fmt: skip
    """Somebody at a client of a document: never seen before, or allowed once."""
    settings.CLIENT_DOCUMENTS_ORGANISATION = "acme"
    settings.CLIENT_DOCUMENTS_HOSTS = ["*"]
    browser = Browser(raise_request_exception=False)
    cast.sign_in(browser, employee)
    if request.param == "allowed":
        client_id = documents.publish(elsewhere)
        documents.allow(browser, documents.ask(browser, elsewhere, client_id))
        assert Client.unscoped.get().is_by_document
    return browser


def test_no_document_breaks_the_authorization_endpoint(
    described: Browser, elsewhere: Elsewhere
) -> None:
    home = documents.callback(elsewhere)
    client_id = documents.publish(elsewhere)
    good = json.loads(elsewhere.pages[documents.PATH][2])
    query = urlencode({**parameters(client_id), "redirect_uri": home, "scope": "openid profile"})
    answers = st.fixed_dictionaries({}, optional=HEADERS)

    @bounded(120)
    @given(
        changes(MEMBERS, json_values | texts | key_sets), st.none() | st.none() | raw_bodies, answers,
        st.sampled_from([200, 200, 200, 200, 204, 301, 404, 500]),
    )  # fmt: skip
    def attempt(
        wanted: list[Change], body: bytes | None, headers: dict[str, str], status: int
    ) -> None:
        members = json.dumps(changed_members(good, wanted)).encode()
        content = members if body is None else body
        kind = {"Content-Type": "application/json"} | headers
        elsewhere.pages[documents.PATH] = (status, kind, content)
        visit(described, "GET", "/oauth/authorize", query, home=home)

    attempt()


# --- signing somebody out -------------------------------------------------------------------------

SIGN_OUT = "/oauth/global-token-revocation"


def test_no_request_breaks_global_revocation(
    acme: Organisation, employee: Person, client: Browser
) -> None:
    cast.client("tool", acme, metadata={"may_sign_people_out": True})
    cast.sign_in(client, employee)
    named = st.sampled_from(
        [
            {"format": "email", "email": employee.user.email},
            {"format": "opaque", "id": str(employee.user.pk)},
            {"format": "iss_sub", "iss": "http://localhost:8000", "sub": str(employee.user.pk)},
        ]
    )
    authorizations = st.sampled_from([oauth.basic("tool")] * 5 + ["", "Basic x", "Bearer x"])

    @bounded(150)
    @given(
        named,
        changes(
            ["format", "email", "id", "iss", "sub", "phone_number"], json_values | texts, most=2
        ),
        changes(["sub_id", "sub_ids", "reason"], json_values | texts, most=1),
        st.none() | st.none() | raw_bodies,
        authorizations | jose().map(lambda text: f"Bearer {text}"),
        st.sampled_from(
            ["application/json"] * 4 + ["", "text/plain", "application/json;charset=x"]
        ),
    )
    def attempt(
        who: dict[str, str],
        inside: list[Change],
        around: list[Change],
        body: bytes | None,
        authorization: str,
        content_type: str,
    ) -> None:
        members = changed_members({"sub_id": changed_members(who, inside)}, around)
        content = json.dumps(members).encode() if body is None else body
        reply = ask(
            SIGN_OUT,
            content.decode("latin-1"),
            authorization=authorization.encode("utf-8", "replace").decode("latin-1"),
            content_type=content_type,
        )
        assert reply.status != 200
        assert (reply.status == 204) == (reply.body == b"")

    attempt()


# --- what is published of our resources -----------------------------------------------------------


def test_no_path_breaks_the_metadata_of_resources(client: Browser) -> None:
    @bounded(60)
    @given(latin, latin, st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"]))
    def attempt(path: str, query: str, method: str) -> None:
        well_known = "/.well-known/oauth-protected-resource"
        page = client.generic(method, f"{well_known}/{quote(path)}", QUERY_STRING=query)
        assert page.status_code in {302, 403, 404}, (path, page.content[:300])

        reply = oauth.send(method, f"{well_known}/oauth/userinfo", query=query)
        assert reply.status in {200, 204, 405}

    attempt()
