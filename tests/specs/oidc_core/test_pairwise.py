"""OpenID Connect Core 1.0 §8: subject identifier types; Registration 1.0 §5: sector identifiers.

The names of conformance modules stand beside what they exercise (oidcc-…).
"""

import json
import re
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client as Browser

from accounts.models import Organisation
from idp.models import Client, PairwiseSalt
from idp.tokens import subject
from protection import envelope
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support import oauth, registering
from tests.support.authorize import answer, authorize, is_error_page, path
from tests.support.elsewhere import Elsewhere

PAIRWISE = {"subject_type": "pairwise"}
OTHER_URI = "https://other.example/callback"
SAME_SECTOR = "https://app.acme.example/second"


@pytest.fixture
def alices(employee: Person) -> Browser:
    visitor = Browser()
    cast.sign_in(visitor, employee)
    return visitor


@pytest.fixture
def session(alices: Browser, employee: Person) -> LoginSession:
    return LoginSession.unscoped.get(user=employee.user)


def pairwise(name: str, of: Organisation, uri: str = cast.REDIRECT_URI, **fields: Any) -> Client:
    fields = {"metadata": PAIRWISE, "is_first_party": True, "redirect_uris": [uri]} | fields
    return cast.client(name, of, **fields)


def tokens(client: Client, session: LoginSession) -> dict[str, Any]:
    uri = client.redirect_uris[0]
    subject.salt()
    code = oauth.issue_code(client, session, redirect_uri=uri)
    return oauth.redeem(client, code, redirect_uri=uri).json


def sub(client: Client, session: LoginSession) -> str:
    return str(oauth.claims_of(tokens(client, session)["id_token"])["sub"])


def register(acme: Organisation, *uris: str, **metadata: Any) -> oauth.Reply:
    """A public client that registers itself."""
    members = PAIRWISE | {"token_endpoint_auth_method": "none"} | metadata
    return registering.register(
        registering.initial_token(acme), redirect_uris=list(uris), **members
    )


def registered(reply: oauth.Reply) -> Client:
    assert reply.status == 201, reply.body
    return Client.unscoped.get(client_id=reply.json["client_id"])


@pytest.mark.spec("OpenID Core", "8.1", "clients of two sectors cannot tell that it is one person")
def test_two_sectors(acme: Organisation, session: LoginSession, employee: Person) -> None:
    first = sub(pairwise("first", acme), session)
    second = sub(pairwise("second", acme, OTHER_URI), session)

    assert len({first, second, str(employee.user.pk)}) == 3
    for value in (first, second):
        assert re.fullmatch(r"[A-Za-z0-9_-]{43}", value)


@pytest.mark.spec("OpenID Core", "8.1", "clients of one sector know a person by one name")
def test_one_sector(acme: Organisation, session: LoginSession) -> None:
    assert sub(pairwise("first", acme), session) == sub(
        pairwise("second", acme, SAME_SECTOR), session
    )


@pytest.mark.spec("OpenID Core", "8.1", "two people of one sector have two names")
def test_two_people(acme: Organisation, session: LoginSession, newcomer: Person) -> None:
    client = pairwise("first", acme)
    others = cast.sign_in(Browser(), newcomer, acr="aal1")

    assert sub(client, session) != sub(client, others)


@pytest.mark.spec("OpenID Core", "8", "a name stays the same, sign-in after sign-in")
def test_it_stays(acme: Organisation, session: LoginSession, employee: Person) -> None:
    client = pairwise("first", acme)
    before = sub(client, session)
    subject.forget()  # another process

    assert sub(client, cast.sign_in(Browser(), employee)) == before


@pytest.mark.spec("OpenID Core", "8", "a rotated secret key changes no name")
def test_it_does_not_hang_on_the_secret_key(
    acme: Organisation, session: LoginSession, settings: Any
) -> None:
    client = pairwise("first", acme)
    before = sub(client, session)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "n" * 50
    subject.forget()

    assert sub(client, session) == before


@pytest.mark.spec("OpenID Core", "5.3.2", "every answer to a client has the same sub")
def test_the_same_everywhere(acme: Organisation, session: LoginSession) -> None:
    client = pairwise("first", acme)
    answered = tokens(client, session)
    name = oauth.claims_of(answered["id_token"])["sub"]

    refreshed = oauth.refresh(client, answered["refresh_token"]).json
    told = {
        "access token": oauth.claims_of(answered["access_token"])["sub"],
        "refreshed": oauth.claims_of(refreshed["id_token"])["sub"],
        "userinfo": oauth.send(
            "GET", "/oauth/userinfo", authorization=f"Bearer {refreshed['access_token']}"
        ).json["sub"],
    }
    for token in ("access_token", "refresh_token"):
        told[f"introspected {token}"] = oauth.send(
            "POST", "/oauth/introspect", form={"token": refreshed[token]},
            authorization=oauth.basic(client.client_id),
        ).json["sub"]  # fmt: skip

    assert set(told.values()) == {name}, told


@pytest.mark.spec("OpenID Core", "3.1.2.1", "an id_token_hint with a pairwise sub is understood")
def test_id_token_hint(
    acme: Organisation, alices: Browser, session: LoginSession, newcomer: Person
) -> None:
    client = pairwise("first", acme)
    hint = tokens(client, session)["id_token"]
    ninas = Browser()
    cast.sign_in(ninas, newcomer, acr="aal1")

    ours = authorize(alices, client, prompt="none", id_token_hint=hint)
    theirs = authorize(ninas, client, prompt="none", id_token_hint=hint)

    assert "code" in answer(ours)
    assert answer(theirs)["error"] == "login_required"


def test_choosing_an_account_by_a_pairwise_hint(
    acme: Organisation, alices: Browser, session: LoginSession
) -> None:
    client = pairwise("first", acme)
    hint = tokens(client, session)["id_token"]

    response = authorize(alices, client, prompt="select_account", id_token_hint=hint)
    page = alices.get(response["Location"])

    assert path(response) == "/oauth/authorize/account"
    assert 'id="account-continue"' in page.content.decode()
    assert not is_error_page(page)


@pytest.mark.spec("OpenID RP-Initiated Logout", "2", "a hint with a pairwise sub needs no question")
def test_logout_hint(acme: Organisation, alices: Browser, session: LoginSession) -> None:
    hint = tokens(pairwise("first", acme), session)["id_token"]

    response = alices.get(f"/oauth/end-session?{urlencode({'id_token_hint': hint})}")

    assert response.status_code == 200
    session.refresh_from_db()
    assert session.ended_at is not None


@pytest.mark.spec("OpenID Registration", "5", "redirect URIs of several hosts need a sector")
def test_several_hosts(acme: Organisation) -> None:
    reply = register(acme, cast.REDIRECT_URI, OTHER_URI)

    assert (reply.status, reply.error) == (400, "invalid_client_metadata")
    assert not Client.unscoped.exists()


@pytest.mark.spec("OpenID Registration", "5", "a client cannot move to several hosts later")
def test_several_hosts_later(acme: Organisation) -> None:
    asked = {"redirect_uris": [cast.REDIRECT_URI, OTHER_URI]} | PAIRWISE
    own = register(acme, cast.REDIRECT_URI).json

    reply = registering.manage("PUT", own, client_id=own["client_id"], **asked)

    assert (reply.status, reply.error) == (400, "invalid_client_metadata")


def test_an_unknown_subject_type(acme: Organisation) -> None:
    reply = register(acme, cast.REDIRECT_URI, subject_type="ephemeral")

    assert (reply.status, reply.error) == (400, "invalid_client_metadata")


@pytest.mark.spec("OpenID Registration", "5", "the sector's list is fetched and names every URI")
def test_sector_identifier(acme: Organisation, session: LoginSession, elsewhere: Elsewhere) -> None:
    """oidcc-registration-sector-uri"""
    listed = [cast.REDIRECT_URI, OTHER_URI, "https://third.example/"]
    uri = elsewhere.serve("/sector.json", json.dumps(listed).encode())

    first = registered(register(acme, cast.REDIRECT_URI, OTHER_URI, sector_identifier_uri=uri))
    second = registered(register(acme, "https://third.example/", sector_identifier_uri=uri))

    assert [request[1] for request in elsewhere.requests] == ["/sector.json"] * 2
    assert sub(first, session) == sub(second, session) != str(session.user_id)


@pytest.mark.spec("OpenID Registration", "5", "a list that lacks a redirect URI is refused")
@pytest.mark.parametrize(
    ("body", "status", "content_type"),
    [
        (b'["https://other.example/callback"]', 200, "application/json"),
        (b'[["https://app.acme.example/callback"], 1, null]', 200, "application/json"),
        (b'{"https://app.acme.example/callback": 1}', 200, "application/json"),
        (b'"https://app.acme.example/callback"', 200, "application/json"),
        (b'["https://app.acme.example/callback"]', 404, "application/json"),
        (b'["https://app.acme.example/callback"]', 200, "text/html"),
        (b"[" * 60_000, 200, "application/json"),
        (b"\xff", 200, "application/json"),
        (b"", 200, "application/json"),
    ],
)  # fmt: skip
def test_bad_sector_lists(
    acme: Organisation, elsewhere: Elsewhere, body: bytes, status: int, content_type: str
) -> None:
    """oidcc-registration-sector-bad"""
    uri = elsewhere.serve("/sector.json", body, status=status, content_type=content_type)

    for metadata in ({}, {"subject_type": "public"}):
        reply = register(acme, cast.REDIRECT_URI, sector_identifier_uri=uri, **metadata)
        assert (reply.status, reply.error) == (400, "invalid_client_metadata")
    assert not Client.unscoped.exists()


@pytest.mark.spec("OpenID Registration", "5", "the sector's address is https and outside")
@pytest.mark.parametrize(
    "uri", ["http://app.acme.example/s.json", "https://127.0.0.1/s.json", "https://10.0.0.1/s.json"]
)
def test_sector_addresses_that_are_not_asked(acme: Organisation, uri: str) -> None:
    reply = register(acme, cast.REDIRECT_URI, sector_identifier_uri=uri)

    assert (reply.status, reply.error) == (400, "invalid_client_metadata")


def test_the_salt_is_sealed_and_made_once(acme: Organisation) -> None:
    assert register(acme, cast.REDIRECT_URI).status == 201
    first = subject.salt()
    subject.forget()
    assert register(acme, cast.REDIRECT_URI).status == 201

    row = PairwiseSalt.objects.values_list("salt", flat=True).get()
    assert subject.salt() == first
    assert len(first) == subject.SALT_SIZE_BYTES
    assert first not in bytes(row)
    assert envelope.unseal(bytes(row), context="None|idp.PairwiseSalt|salt|1") == first


def test_public_subjects_do_not_read_the_salt(
    acme_web: Client, session: LoginSession, statements: list[str]
) -> None:
    assert sub(acme_web, session) == str(session.user_id)
    assert not any("pairwisesalt" in statement for statement in statements)


@pytest.mark.spec("OpenID Discovery", "3", "both subject types are offered")
def test_discovery() -> None:
    metadata = oauth.send("GET", "/.well-known/openid-configuration").json

    assert metadata["subject_types_supported"] == ["public", "pairwise"]
