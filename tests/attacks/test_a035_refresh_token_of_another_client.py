"""A035: a refresh token of one client is shown by another."""

import pytest

from audit.events import Event
from audit.models import AuditEvent
from idp.models import RefreshFamily
from tests import cast
from tests.support import oauth

pytestmark = pytest.mark.django_db

KINDS = ["confidential", "public"]


@pytest.mark.parametrize("owner_kind", KINDS)
@pytest.mark.parametrize("thief_kind", KINDS)
@pytest.mark.parametrize("where", ["acme", "globex"])
def test_it_gets_nothing_and_has_leaked(acme, globex, session, owner_kind, thief_kind, where):
    owner = cast.client("owner", acme, kind=owner_kind, is_first_party=True)
    thief = cast.client("thief", acme if where == "acme" else globex, kind=thief_kind)
    token = oauth.redeem(owner, oauth.issue_code(owner, session)).json["refresh_token"]

    reply = oauth.refresh(thief, token)

    assert (reply.status, reply.error) == (400, "invalid_grant")
    family = RefreshFamily.unscoped.get()
    assert (family.client, family.generation) == (owner, 0)
    assert family.revoke_reason == "replayed"
    event = AuditEvent.objects.get(event=Event.REFRESH_TOKEN_REPLAYED)
    assert event.actor == f"idp.Client:{thief.pk}"
    assert event.organisation_id == owner.organisation_id
    assert not AuditEvent.objects.filter(event=Event.REFRESH_TOKEN_ROTATED).exists()


def test_nor_by_naming_the_owner_without_its_secret(acme_web, tokens):
    form = {
        "grant_type": "refresh_token",
        "refresh_token": tokens["refresh_token"],
        "client_id": acme_web.client_id,
    }

    assert oauth.send("POST", "/oauth/token", form=form).error == "invalid_client"
    assert RefreshFamily.unscoped.get().revoked_at is None
    assert oauth.refresh(acme_web, tokens["refresh_token"]).status == 200


@pytest.mark.parametrize("kind", KINDS)
def test_another_client_cannot_revoke_or_look_at_it(acme, acme_web, tokens, kind):
    cast.client("thief", acme, kind=kind)
    how = {"form": {"token": tokens["refresh_token"]}}
    if kind == "public":
        how["form"]["client_id"] = "thief"
    else:
        how["authorization"] = oauth.basic("thief")

    assert oauth.send("POST", "/oauth/revoke", **how).status == 200
    looked = oauth.send("POST", "/oauth/introspect", **how)

    assert (
        looked.error == "invalid_client" if kind == "public" else looked.json == {"active": False}
    )
    assert RefreshFamily.unscoped.get().revoked_at is None
