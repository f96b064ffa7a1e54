"""A046: a person is deleted, and another gets the same address: nothing of the first attaches.

The subject is the user's id, or an image of it under a sector; it is never reassigned.
"""

import pytest
from django.test import Client as Browser

from accounts.models import Organisation
from audit.models import AuditEvent
from idp.models import Client, Consent, RefreshFamily
from idp.tokens import subject
from idp.tokens.subject import subject_of
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support import oauth

ADDRESS = "dora@acme.example"


@pytest.fixture(params=["public", "pairwise"])
def app(request: pytest.FixtureRequest, acme: Organisation) -> Client:
    subject.salt()
    return cast.client("app", acme, is_first_party=True, metadata={"subject_type": request.param})


@pytest.fixture
def dora(acme: Organisation) -> Person:
    return cast.person(ADDRESS, acme, name="Dora Doe")


def tokens(app: Client, who: Person) -> dict[str, str]:
    session = cast.sign_in(Browser(), who, acr="aal1")
    return oauth.redeem(app, oauth.issue_code(app, session)).json


def delete(who: Person) -> None:
    """As a tidying administrator of the database would, with all that hangs on the row."""
    for model in (RefreshFamily, Consent, LoginSession):
        model.unscoped.filter(user=who.user).delete()
    who.user.delete()


def test_the_next_with_the_address_has_another_subject(
    app: Client, dora: Person, acme: Organisation
) -> None:
    first = oauth.claims_of(tokens(app, dora)["id_token"])
    delete(dora)

    second = oauth.claims_of(tokens(app, cast.person(ADDRESS, acme, name="Dora Doe"))["id_token"])

    assert first["sub"] != second["sub"]
    assert first["sid"] != second["sid"]


def test_tokens_of_the_first_are_worth_nothing(
    app: Client, dora: Person, acme: Organisation
) -> None:
    old = tokens(app, dora)
    delete(dora)
    heir = cast.person(ADDRESS, acme, name="Dora Doe")
    tokens(app, heir)

    userinfo = oauth.send("GET", "/oauth/userinfo", authorization=f"Bearer {old['access_token']}")
    refreshed = oauth.refresh(app, old["refresh_token"])

    assert (userinfo.status, userinfo.error) == (401, "invalid_token")
    assert (refreshed.status, refreshed.error) == (400, "invalid_grant")
    assert RefreshFamily.unscoped.get().user_id == heir.user.pk
    assert not AuditEvent.objects.filter(
        event="idp.refresh_token.rotated", actor=f"accounts.User:{heir.user.pk}"
    ).exists()


def test_a_hint_of_the_first_names_nobody(app: Client, dora: Person, acme: Organisation) -> None:
    hint = oauth.claims_of(tokens(app, dora)["id_token"])["sub"]
    delete(dora)
    heir = cast.person(ADDRESS, acme, name="Dora Doe")

    assert hint != subject_of(app, heir.user.pk)
