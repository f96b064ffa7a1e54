"""What waits for whoever may answer."""

import pytest

from tests.support import access
from tests.support.api import Api

pytestmark = pytest.mark.django_db


def test_an_approver_sees_who_asks_for_what_and_why(acme, employee, approver, newcomer):
    offered = access.entitlement(acme, by=[approver], eligible=[employee])
    grant = access.ask(offered, employee, access.session_of(employee), reason="to mend it")
    bob = Api.of(approver)

    told = bob.get("/access/inbox").json()

    (waits,) = told["items"]
    assert (told["total"], waits["grant"]["id"]) == (1, str(grant.pk))
    assert waits["grant"]["requester"]["email"] == "alice@acme.example"
    assert (waits["grant"]["reason"], waits["needed"], waits["risk"]) == ("to mend it", 1, 0)
    for other in (employee, newcomer):
        theirs = Api.of(other, acr="aal1").get("/access/inbox").json()
        assert theirs == {"items": [], "total": 0}

    bob.post(f"/access/grants/{grant.pk}/approve", {})
    assert bob.get("/access/inbox").json()["total"] == 0
