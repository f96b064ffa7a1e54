"""An application needs a role for an hour: it asks, a person approves, it begins, and loses it."""

import pytest
from django.urls import reverse

from accounts import flows as accounts
from core import clock
from tests import cast
from tests.support import access, authzen, oauth
from tests.support.api import Api
from tests.support.authzen import Asker

pytestmark = pytest.mark.django_db


def test_from_asking_to_the_end(client, acme, acme_web, employee, approver):
    offered = access.entitlement(acme, by=[approver], **access.FOR_WORKLOADS)
    accounts.give_permission(
        role=access.role(acme, "db-admin"), resource_type="db", action="*", now=clock.now()
    )
    machine = access.machine(acme)
    access.workload(machine, employee, offered)

    def claims() -> tuple[str, dict]:
        text = authzen.token_of(machine, scope="roles")
        return text, oauth.claims_of(text)

    def told(token: str) -> dict:
        return oauth.send(
            "POST", "/oauth/introspect", form={"token": token},
            authorization=oauth.basic(acme_web.client_id),
        ).json  # fmt: skip

    gateway = Asker(authzen.gateway(acme))

    def may() -> bool:
        return gateway.may("client nightly", "write", "db main")

    # Before, it may nothing.
    assert claims()[1]["roles"] == []
    assert not may()

    # It asks, by a token of its own.
    nightly = Api(authzen.token_of(machine, scope="access:request"))
    asked = nightly.post("/workload/grants", {"entitlement": "db-admin", "reason": "migration"})
    assert asked.status_code == 201, asked.content
    grant_id = asked.json()["id"]
    assert not may()

    # Bob sees that an application asks, and who answers for it, and says yes.
    cast.sign_in(client, approver)
    inbox = client.get(reverse("access:inbox")).content.decode()
    assert "Nightly" in inbox
    page = client.get(reverse("access:grant", args=[grant_id])).content.decode()
    assert "nightly" in page
    assert "alice@acme.example" in page
    assert "migration" in page
    client.post(reverse("access:answer", args=[grant_id]), {"decision": "approve", "reason": ""})
    assert not may()

    # It begins, and its next token carries the role, the grant, and its end.
    begun = nightly.post(f"/workload/grants/{grant_id}/activate")
    assert begun.status_code == 200, begun.content
    token, carried = claims()
    assert (carried["roles"], carried["grant_id"]) == (["db-admin"], grant_id)
    assert carried["exp"] <= carried["grant_exp"]
    assert told(token)["roles"] == ["db-admin"]
    assert may()

    # Bob takes it away: from that transaction on nothing of it counts.
    client.post(reverse("access:revoke", args=[grant_id]), {"reason": "the run went wrong"})
    assert told(token) == {"active": False}
    assert claims()[1]["roles"] == []
    assert not may()
    assert nightly.get(f"/workload/grants/{grant_id}").json()["state"] == "revoked"
