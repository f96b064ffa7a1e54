"""draft-parecki-oauth-global-token-revocation; RFC 9493 §3 for the names of people."""

import json
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import pytest
from django.test import Client as Browser

from accounts.models import Organisation
from audit.models import AuditEvent
from core import clock
from idp import flows, tasks
from idp.clients import authentication
from idp.endpoints import global_revocation
from idp.models import Client, RefreshFamily
from idp.tokens.subject import subject_of
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support import assertions, oauth
from tests.support.elsewhere import Elsewhere
from tests.support.oauth import Reply
from tests.support.over_tls import ISSUER

pytestmark = pytest.mark.django_db
spec = pytest.mark.spec

DRAFT = "Global Token Revocation"
PATH = "/oauth/global-token-revocation"
ALLOWED = {"may_sign_people_out": True}


@pytest.fixture
def tool(acme: Organisation) -> Client:
    """What watches over acme, and may sign people out."""
    return cast.client("tool", acme, metadata=ALLOWED)


@pytest.fixture
def session(client: Browser, employee: Person) -> LoginSession:
    return cast.sign_in(client, employee)


@pytest.fixture
def tokens(acme_web: Client, session: LoginSession) -> dict[str, Any]:
    return oauth.redeem(acme_web, oauth.issue_code(acme_web, session)).json


def send(body: Any, authorization: str | None = None, **changes: Any) -> Reply:
    return oauth.send(
        "POST",
        PATH,
        form=body if isinstance(body, str) else json.dumps(body),
        authorization=authorization or oauth.basic("tool"),
        **({"content_type": "application/json"} | changes),
    )


def revoke(authorization: str | None = None, **named: Any) -> Reply:
    return send({"sub_id": named}, authorization)


def by_email(who: Person, authorization: str | None = None) -> Reply:
    return revoke(authorization, format="email", email=who.email)


def is_over(session: LoginSession) -> bool:
    session.refresh_from_db()
    return session.end_reason == "ended_by_client"


def nothing_happened(session: LoginSession) -> bool:
    session.refresh_from_db()
    is_told = AuditEvent.objects.filter(event="sessions.user.signed_out").exists()
    return session.ended_at is None and not is_told


@spec(DRAFT, "3.3", "refresh tokens and access tokens are over, and the person signs in anew")
@spec(DRAFT, "3.4.1", "success is 204, without a body")
def test_everything_ends(
    client: Browser, tool: Client, acme_web: Client, employee: Person, session: LoginSession,
    tokens: dict[str, Any],
) -> None:  # fmt: skip
    waiting = oauth.issue_code(acme_web, session)
    other = cast.sign_in(Browser(), employee)

    reply = by_email(employee)

    assert (reply.status, reply.body) == (204, b"")
    assert reply.headers["Cache-Control"] == "no-store"
    assert is_over(session)
    assert is_over(other)
    assert oauth.refresh(acme_web, tokens["refresh_token"]).error == "invalid_grant"
    assert oauth.redeem(acme_web, waiting).error == "invalid_grant"
    bearer = f"Bearer {tokens['access_token']}"
    assert oauth.send("GET", "/oauth/userinfo", authorization=bearer).status == 401
    told = oauth.send(
        "POST", "/oauth/introspect", form={"token": tokens["access_token"]},
        authorization=oauth.basic("acme-web"),
    )  # fmt: skip
    assert told.json == {"active": False}
    assert client.get("/").status_code == 302
    event = AuditEvent.objects.get(event="sessions.user.signed_out")
    assert event.actor == f"idp.Client:{tool.pk}"
    assert event.subject == f"accounts.User:{employee.user.pk}"
    assert event.organisation_id == tool.organisation_id
    assert event.facts == {"reason": "ended_by_client", "sessions": 2}


@spec(DRAFT, "3.4.1", "asking again is answered alike")
def test_again(tool: Client, employee: Person, session: LoginSession) -> None:
    assert [by_email(employee).status for _ in range(3)] == [204] * 3
    assert AuditEvent.objects.filter(event="sessions.session.ended").count() == 1
    assert is_over(session)


@spec(DRAFT, "3.3", "families are marked, and applications told by the back channel")
@pytest.mark.django_db(transaction=True)
def test_applications_are_told(
    client: Browser, acme: Organisation, tool: Client, employee: Person, elsewhere: Elsewhere
) -> None:
    uri = elsewhere.serve("/backchannel_logout", b"")
    told = cast.client("told", acme, is_first_party=True, metadata={"backchannel_logout_uri": uri})
    session = cast.sign_in(client, employee)
    oauth.redeem(told, oauth.issue_code(told, session))

    assert by_email(employee).status == 204
    tasks.deliver_logout_tokens()

    assert RefreshFamily.unscoped.get().revoke_reason == "session_ended"
    ((_, _, _, body),) = elsewhere.requests
    claims = oauth.claims_of(parse_qs(body.decode())["logout_token"][0])
    assert claims["sid"] == str(session.pk)


@spec("RFC 9493", "3.2.2", "email: the address, whatever its case")
def test_email(tool: Client, employee: Person, session: LoginSession) -> None:
    assert revoke(format="email", email=employee.email.upper()).status == 204
    assert is_over(session)


@spec("RFC 9493", "3.2.3", "iss_sub: our issuer, and the subject of the client's ID tokens")
@spec("RFC 9493", "3.2.4", "opaque: the same subject")
@pytest.mark.parametrize("subject_type", ["public", "pairwise"])
@pytest.mark.parametrize("form", ["iss_sub", "opaque"])
def test_subject(
    acme: Organisation, approver: Person, employee: Person, session: LoginSession, form: str,
    subject_type: str,
) -> None:  # fmt: skip
    tool = cast.client("tool", acme, metadata=ALLOWED | {"subject_type": subject_type})
    subject = subject_of(tool, employee.user.pk)
    assert (subject == str(employee.user.pk)) == (subject_type == "public")
    bystander = cast.sign_in(Browser(), approver)

    named = {"iss": ISSUER, "sub": subject} if form == "iss_sub" else {"id": subject}
    assert revoke(format=form, **named).status == 204

    assert is_over(session)
    assert not is_over(bystander)


@spec(DRAFT, "3.4.2", "404: nobody has this name in the caller's organisation")
@pytest.mark.parametrize("subject_type", ["public", "pairwise"])
def test_nobody(
    acme: Organisation, outsider: Person, employee: Person, session: LoginSession,
    subject_type: str,
) -> None:  # fmt: skip
    tool = cast.client("tool", acme, metadata=ALLOWED | {"subject_type": subject_type})
    theirs = cast.sign_in(Browser(), outsider)
    mine = subject_of(tool, employee.user.pk)
    names: list[dict[str, Any]] = [
        {"format": "email", "email": "nobody@acme.example"},
        {"format": "email", "email": outsider.email},
        {"format": "opaque", "id": subject_of(tool, outsider.user.pk)},
        {"format": "iss_sub", "iss": ISSUER, "sub": subject_of(tool, outsider.user.pk)},
        {"format": "iss_sub", "iss": "https://elsewhere.example", "sub": mine},
        {"format": "opaque", "id": mine.upper()},
        {"format": "opaque", "id": employee.email},
        {"format": "opaque", "id": "\u00e9"},
    ]

    answers = [revoke(**named) for named in names]

    assert {(reply.status, reply.error) for reply in answers} == {(404, "not_found")}
    assert len({reply.body for reply in answers}) == 1
    assert nothing_happened(session)
    assert nothing_happened(theirs)


@spec(DRAFT, "3.4.2", "400: a body that is malformed, or names somebody in another way")
@pytest.mark.parametrize(
    "body",
    [
        "", "[]", "null", "nonsense", "{}", '{"sub_id": null}', '{"sub_id": "a@acme.example"}',
        '{"sub_id": {}}', '{"sub_id": {"format": "opaque"}}', '{"sub_id": {"format": ["email"]}}',
        '{"sub_id": {"format": "opaque", "id": ""}}', '{"sub_id": {"format": "opaque", "id": 5}}',
        '{"sub_id": {"format": "opaque", "id": null}}',
        '{"sub_id": {"format": "opaque", "id": "\\u0000"}}',
        '{"sub_id": {"format": "opaque", "id": "\\ud800"}}',
        '{"sub_id": {"format": "email", "email": {"a": "b"}}}',
        '{"sub_id": {"format": "email", "email": "alice@acme.example", "id": "x"}}',
        '{"sub_id": {"format": "email", "email": "alice@acme.example"}, "more": 1}',
        '{"sub_id": {"format": "email", "email": "a@b.example", "email": "alice@acme.example"}}',
        '{"sub_id": {"format": "iss_sub", "sub": "x"}}',
        '{"sub_id": {"format": "account", "uri": "acct:alice@acme.example"}}',
        '{"sub_id": {"format": "aliases", "identifiers": []}}',
        json.dumps({"sub_id": {"format": "opaque", "id": "x" * 513}}),
        '{"sub_id":' * 400,
    ],
    ids=lambda body: body[:24] + str(len(body)),
)  # fmt: skip
def test_malformed(tool: Client, session: LoginSession, body: str) -> None:
    reply = send(body)

    assert (reply.status, reply.error) == (400, "invalid_request")
    assert nothing_happened(session)


def test_a_body_that_is_too_large_a_form_or_a_query(
    tool: Client, employee: Person, session: LoginSession
) -> None:
    good = json.dumps({"sub_id": {"format": "email", "email": employee.email}})

    assert send(good + " " * 4096).status == 413
    assert send(good, content_type="application/x-www-form-urlencoded").error == "invalid_request"
    assert send(good, query="a=b").error == "invalid_request"
    assert oauth.send("GET", PATH, authorization=oauth.basic("tool")).status == 405
    assert nothing_happened(session)


@spec(DRAFT, "3.4.2", "401: not authenticated")
@pytest.mark.parametrize(
    "shown",
    ["Basic", "Basic !", "Bearer", "Bearer x", "Bearer a.b.c", "Digest x",
     oauth.basic("tool", "wrong"), oauth.basic("nobody"), oauth.basic("acme-spa")],
)  # fmt: skip
def test_unauthenticated(
    tool: Client, acme_spa: Client, employee: Person, session: LoginSession,
    tokens: dict[str, Any], shown: str,
) -> None:  # fmt: skip
    bearer = f"Bearer {tokens['access_token']}"

    for authorization in (shown, bearer):
        reply = by_email(employee, authorization)
        assert (reply.status, reply.error) == (401, "invalid_client")
        assert "WWW-Authenticate" in reply.headers
    body = json.dumps({"sub_id": {"format": "email", "email": employee.email}})
    assert oauth.send("POST", PATH, form=body, content_type="application/json").status == 401
    assert nothing_happened(session)


@spec(DRAFT, "3.4.2", "403: no administrator has let this client do so")
def test_forbidden(
    acme: Organisation, acme_web: Client, employee: Person, session: LoginSession
) -> None:
    reply = by_email(employee, oauth.basic("acme-web"))

    assert (reply.status, reply.error) == (403, "unauthorized_client")
    assert nothing_happened(session)


def test_a_right_that_was_taken_away_is_gone_at_once(
    tool: Client, employee: Person, session: LoginSession
) -> None:
    """Clients are cached for five seconds: the row counts."""
    revoke(format="opaque", id="nobody")
    assert authentication._cache["tool"][1].metadata.may_sign_people_out
    cached = authentication._cache["tool"]
    flows.update_client(client=tool, now=clock.now(), metadata={})
    authentication._cache["tool"] = cached

    assert by_email(employee).status == 403
    assert nothing_happened(session)


@spec(DRAFT, "3.5", "private_key_jwt: the assertion is a bearer token, and good once")
def test_private_key_jwt(acme: Organisation, employee: Person, session: LoginSession) -> None:
    assertions.client(acme, **ALLOWED)
    signed = assertions.sign(assertions.claims(aud=ISSUER + PATH))

    assert by_email(employee, f"Bearer {signed}").status == 204
    assert is_over(session)
    assert by_email(employee, f"Bearer {signed}").error == "invalid_client"
    foreign = assertions.sign(assertions.claims(aud="https://elsewhere.example"))
    assert by_email(employee, f"Bearer {foreign}").error == "invalid_client"


@spec(DRAFT, "3.5", "an assertion that is not signed by an asymmetric key is refused")
def test_a_shared_secret_signs_nothing(
    acme: Organisation, employee: Person, session: LoginSession
) -> None:
    made = flows.register_client(
        organisation=acme, name="Tool", kind="confidential", now=clock.now(),
        redirect_uris=[cast.REDIRECT_URI], metadata=ALLOWED,
        token_endpoint_auth_method="client_secret_jwt",
    )  # fmt: skip
    assert made.secret
    name = made.client.client_id
    key = assertions.OctKey.import_key(made.secret)
    signed = assertions.sign(assertions.claims(name, aud=ISSUER), key, "HS256")

    assert by_email(employee, f"Bearer {signed}").error == "invalid_client"
    assert nothing_happened(session)


@pytest.mark.usefixtures("early_in_a_window")
def test_too_many_have_to_wait(
    tool: Client, employee: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = replace(global_revocation.GLOBAL_REVOCATIONS, burst=2)
    monkeypatch.setattr(global_revocation, "GLOBAL_REVOCATIONS", small)

    assert [by_email(employee).status for _ in range(3)] == [204, 204, 429]


@spec(DRAFT, "6", "discovery announces the endpoint and how to authenticate there")
def test_discovery() -> None:
    said = oauth.send("GET", "/.well-known/openid-configuration").json

    assert said["global_token_revocation_endpoint"] == ISSUER + PATH
    assert said["global_token_revocation_endpoint_auth_methods_supported"] == [
        "client_secret_basic", "private_key_jwt",
    ]  # fmt: skip
