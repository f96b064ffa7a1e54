"""What saving an entitlement would do, by the API: told, and nothing is kept."""

import pytest

from access.models import Entitlement
from tests import cast
from tests.support import access
from tests.support.api import code_of
from tests.support.rows import changed, snapshot

pytestmark = pytest.mark.django_db


@pytest.fixture
def lead(acme):
    return cast.person("lena@acme.example", acme, totp=True)


@pytest.fixture
def offered(acme, employee, lead):
    return access.entitlement(acme, by=[lead], eligible=[employee])


def terms(bob, offered) -> dict:
    """What PUT takes, as GET told it."""
    told = bob.get(f"/entitlements/{offered.pk}").json()
    ours = {"id", "organisation", "name", "version", "is_active", "created_at", "changed_at"}
    return {name: value for name, value in told.items() if name not in ours}


def test_it_tells_what_would_be_withdrawn_and_who_could_ask(bob, offered, employee, lead):
    waits = access.ask(offered, employee, access.session_of(employee))
    same, before = terms(bob, offered), snapshot()

    told = bob.post(f"/entitlements/{offered.pk}/preview", same | {"description": "Words"}).json()

    assert told["changed"] == ["description"]
    assert [each["id"] for each in told["withdrawn"]] == [str(waits.pk)]
    assert (told["ended"], told["kept"]) == ([], 0)
    assert told["askers"] == [employee.email]
    assert told["stages"] == [
        {"position": 1, "approvers": [lead.email], "approvers_more": 0,
         "escalation": [], "escalation_more": 0},
    ]  # fmt: skip
    assert changed(before) == []


def test_it_tells_of_live_access_that_would_end(bob, offered, employee, lead, approver):
    session = access.session_of(employee)
    grant = access.approve(access.ask(offered, employee, session), lead)
    access.activate(grant, employee, session)
    path, same = f"/entitlements/{offered.pk}/preview", terms(bob, offered)

    kept = bob.post(path, same).json()
    other = [{"approvers": [{"user": str(approver.user.pk)}]}]
    told = bob.post(path, same | {"stages": other}).json()

    assert (kept["changed"], kept["kept"]) == ([], 1)
    assert [each["requester"] for each in told["ended"]] == [employee.email]
    assert access.roles_in(session) == ["db-admin"]


def test_a_new_one_is_tried_and_not_kept(bob, acme):
    offer = {"name": "vault", "roles": [str(access.role(acme, "vault").pk)]}
    before = snapshot()

    told = bob.post("/entitlements/preview", offer).json()

    assert (told["changed"], told["askers"], told["stages"]) == ([], [], [])
    refused = bob.post("/entitlements/preview", offer | {"condition": "no rule"})
    assert code_of(refused) == (400, "invalid_request")
    assert changed(before) == []
    assert not Entitlement.unscoped.exists()


def test_another_organisations_does_not_exist(carol, bob, offered):
    refused = carol.post(f"/entitlements/{offered.pk}/preview", terms(bob, offered))

    assert code_of(refused) == (404, "not_found")
