"""A072: a client signs people out whom it may not, once more with an old assertion, or to find them."""

import json
from typing import Any

import pytest
from django.test import Client as Browser

from accounts.models import Organisation
from audit.events import Event
from audit.models import AuditEvent
from core import clock
from idp.flows import deactivate_client
from idp.models import Client
from idp.tokens.subject import subject_of
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support import assertions, oauth
from tests.support.oauth import Reply
from tests.support.racing import race
from tests.support.registering import initial_token, manage, register

pytestmark = pytest.mark.django_db

PATH = "/oauth/global-token-revocation"
RIGHT = {"may_sign_people_out": True}


@pytest.fixture
def tool(acme: Organisation) -> Client:
    return cast.client("tool", acme, metadata=RIGHT)


def revoke(named: dict[str, Any], authorization: str = oauth.basic("tool"), **how: Any) -> Reply:
    return oauth.send(
        "POST", PATH, form=json.dumps({"sub_id": named}), content_type="application/json",
        authorization=authorization, **how,
    )  # fmt: skip


def by_email(address: str, authorization: str = oauth.basic("tool")) -> Reply:
    return revoke({"format": "email", "email": address}, authorization)


def lives(session: LoginSession) -> bool:
    session.refresh_from_db()
    return session.ended_at is None


def refusals() -> list[tuple[str, str, dict[str, Any]]]:
    rows = AuditEvent.objects.filter(event=Event.GLOBAL_REVOCATION_REFUSED).order_by("at", "id")
    return [(row.actor, row.address, row.facts) for row in rows]


def test_a_client_without_the_right(
    acme_web: Client, employee: Person, session: LoginSession
) -> None:
    reply = by_email(employee.email, oauth.basic("acme-web"))

    assert (reply.status, reply.error) == (403, "unauthorized_client")
    assert lives(session)
    assert refusals() == [
        (
            f"idp.Client:{acme_web.pk}",
            "203.0.113.7",
            {"error": "unauthorized_client", "format": None},
        )
    ]


@pytest.mark.parametrize("value", [True, "true", 1])
def test_no_client_gives_itself_the_right(
    acme: Organisation, employee: Person, session: LoginSession, value: Any
) -> None:
    made = register(initial_token(acme), may_sign_people_out=value).json
    shown = oauth.basic(made["client_id"], made["client_secret"])
    assert by_email(employee.email, shown).status == 403

    members = {name: made[name] for name in ("client_id", "redirect_uris")}
    manage("PUT", made, **members, may_sign_people_out=value)

    assert by_email(employee.email, shown).status == 403
    assert "may_sign_people_out" not in Client.unscoped.get().metadata
    assert lives(session)


def test_whoever_is_not_that_client(
    tool: Client, acme_spa: Client, employee: Person, session: LoginSession, tokens: dict[str, Any]
) -> None:
    """Nor does anybody write into the audit trail without having authenticated."""
    before = AuditEvent.objects.count()
    shown = [
        "", "Bearer x", oauth.basic("tool", "wrong"), oauth.basic("tool", ""),
        oauth.basic("nobody"), oauth.basic("acme-spa", ""), f"Bearer {tokens['access_token']}",
        f"Bearer {tokens['id_token']}", f"Bearer {assertions.forge({'alg': 'ES256'}, {'sub': 'tool'})}",
    ]  # fmt: skip

    answers = [by_email(employee.email, authorization) for authorization in shown]

    assert {(reply.status, reply.error) for reply in answers} == {(401, "invalid_client")}
    assert AuditEvent.objects.count() == before
    assert lives(session)


def test_a_client_that_was_switched_off(
    tool: Client, employee: Person, session: LoginSession
) -> None:
    by_email("nobody@acme.example")  # known to this process from now on
    deactivate_client(client=tool, now=clock.now())

    assert by_email(employee.email).status == 401
    assert lives(session)


@pytest.mark.parametrize("subject_type", ["public", "pairwise"])
def test_people_of_another_organisation(
    acme: Organisation, outsider: Person, subject_type: str
) -> None:
    tool = cast.client("tool", acme, metadata=RIGHT | {"subject_type": subject_type})
    theirs = cast.sign_in(Browser(), outsider)
    subject = subject_of(tool, outsider.user.pk)
    names: list[dict[str, Any]] = [
        {"format": "email", "email": outsider.email},
        {"format": "email", "email": outsider.email.upper()},
        {"format": "opaque", "id": subject},
        {"format": "opaque", "id": str(outsider.user.pk)},
        {"format": "iss_sub", "iss": "http://localhost:8000", "sub": subject},
    ]

    answers = [revoke(named) for named in names]

    assert {reply.status for reply in answers} == {404}
    assert lives(theirs)
    assert [facts for _, _, facts in refusals()] == [
        {"error": "not_found", "format": named["format"]} for named in names
    ]
    assert {actor for actor, _, _ in refusals()} == {f"idp.Client:{tool.pk}"}


def test_who_is_elsewhere_is_answered_like_who_is_nowhere(tool: Client, outsider: Person) -> None:
    """To the byte, and the trail does not say whom it named either."""
    nowhere, elsewhere = by_email("nobody@globex.example"), by_email(outsider.email)

    assert (nowhere.status, nowhere.body) == (elsewhere.status, elsewhere.body)
    varying = {"Date"}
    assert {n: v for n, v in nowhere.headers.items() if n not in varying} == {
        n: v for n, v in elsewhere.headers.items() if n not in varying
    }
    first, second = refusals()
    assert first == second
    assert not AuditEvent.objects.filter(facts__icontains="globex").exists()


@pytest.mark.usefixtures("early_in_a_window")
def test_searching_for_people_ends_after_sixty(
    tool: Client, employee: Person, session: LoginSession
) -> None:
    """Then not even those who are there are found, and nothing more is written."""
    answers = [by_email(f"p{number}@acme.example").status for number in range(60)]
    assert answers == [404] * 60

    reply = by_email(employee.email)

    assert (reply.status, reply.error) == (429, "too_many_attempts")
    assert 0 < int(reply.headers["Retry-After"]) <= 60
    assert len(refusals()) == 60
    assert lives(session)


@pytest.mark.usefixtures("early_in_a_window")
def test_nor_does_a_client_without_the_right_fill_the_trail(
    acme_web: Client, employee: Person
) -> None:
    shown = oauth.basic("acme-web")

    answers = [by_email(employee.email, shown).status for _ in range(62)]

    assert answers == [403] * 60 + [429] * 2
    assert len(refusals()) == 60


def test_an_assertion_shown_again(acme: Organisation, employee: Person, client: Browser) -> None:
    assertions.client(acme, **RIGHT)
    signed = f"Bearer {assertions.sign(assertions.claims())}"
    assert by_email(employee.email, signed).status == 204
    employee.user.refresh_from_db()
    anew = cast.sign_in(client, employee)

    reply = by_email(employee.email, signed)

    assert (reply.status, reply.error) == (401, "invalid_client")
    assert lives(anew)
    assert AuditEvent.objects.filter(event=Event.CLIENT_ASSERTION_REPLAYED).count() == 1


@pytest.mark.django_db(transaction=True)
def test_an_assertion_shown_by_many_at_once(acme: Organisation, employee: Person) -> None:
    assertions.client(acme, **RIGHT)
    signed = f"Bearer {assertions.sign(assertions.claims())}"

    answers = race(lambda _: by_email(employee.email, signed).status, runners=10)

    assert sorted(answers) == [204] + [401] * 9


@pytest.mark.parametrize(
    ("changes", "signer"),
    [
        ({"aud": "https://elsewhere.example"}, "first"),
        ({"aud": None}, "first"),
        ({"exp": 1}, "first"),
        ({"iss": "tool"}, "first"),
        ({}, "stranger"),
    ],
    ids=["of another server", "of no server", "over", "by another", "forged"],
)
def test_an_assertion_that_is_none(
    acme: Organisation,
    employee: Person,
    session: LoginSession,
    changes: dict[str, Any],
    signer: str,
) -> None:
    assertions.client(acme, **RIGHT)
    signed = assertions.sign(assertions.claims(**changes), assertions.ec_key(signer))

    assert by_email(employee.email, f"Bearer {signed}").status == 401
    assert lives(session)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ('{"sub_id": {"format": "email", "email": "alice@acme.example"}}' + " " * 4096, 413),
        ('{"sub_id": {"format": "email", "email": "alice@acme.example"}}' + " " * 200_000, 413),
        ('{"sub_id": {"format": "email", "email": "' + "a" * 4000 + '"}}', 400),
        ('{"sub_id": ' + "[" * 2000 + "]" * 2000 + "}", 400),
        ('{"sub_id": ' + '{"a":' * 500 + "1" + "}" * 501, 400),
        ('{"sub_id": {"format": "opaque", "id": ' + "9" * 4000 + "}}", 400),
    ],
    ids=["padded", "far too long", "a long name", "a deep list", "a deep object", "a long number"],
)
def test_a_body_without_measure(
    tool: Client, session: LoginSession, body: str, status: int
) -> None:
    reply = oauth.send(
        "POST", PATH, form=body, content_type="application/json",
        authorization=oauth.basic("tool"),
    )  # fmt: skip

    assert (reply.status, reply.error) == (status, "invalid_request")
    assert lives(session)
    assert refusals() == []
