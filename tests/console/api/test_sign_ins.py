"""Sign-ins, risk, reports of devices and organisations, as administrators have them by the API."""

import pytest

from accounts.models import Organisation
from core import clock
from core.ids import new_id
from risk.models import SignIn, UserRisk
from sessions.models import LoginSession
from tests.support import access
from tests.support.api import Api, code_of
from tests.support.machine import Machine
from tests.support.rows import changed, snapshot

pytestmark = pytest.mark.django_db


@pytest.fixture
def sign_in(employee) -> SignIn:
    return SignIn.unscoped.get(session_id=access.session_of(employee).pk)


def test_they_are_listed_and_narrowed(bob, sign_in, employee, approver):
    user = str(employee.user.pk)

    (told,) = bob.get("/sign-ins", user=user).json()["items"]

    assert (told["id"], told["email"]) == (str(sign_in.pk), employee.email)
    everybody = {each["email"] for each in bob.get("/sign-ins").json()["items"]}
    assert everybody == {employee.email, approver.email}
    assert bob.get("/sign-ins", user=user, verdict="safe").json()["items"] == []
    assert bob.get("/sign-ins", level=3).json()["items"] == []
    assert code_of(bob.get("/sign-ins", level=9)) == (422, "invalid_request")


def test_one_that_was_somebody_else_ends_and_marks_the_account(bob, sign_in, employee):
    assert bob.get(f"/users/{employee.user.pk}/risk").json() == {"level": 0, "until": None}

    told = bob.post(f"/sign-ins/{sign_in.pk}/judge", {"verdict": "compromised"}).json()

    assert told["verdict"] == "compromised"
    assert LoginSession.unscoped.get(pk=sign_in.session_id).ended_at is not None
    assert bob.get(f"/users/{employee.user.pk}/risk").json()["level"] == 3
    assert (
        bob.post(f"/sign-ins/{sign_in.pk}/judge", {"verdict": "safe"}).json()["verdict"] == "safe"
    )
    assert bob.get(f"/users/{employee.user.pk}/risk").json()["level"] == 0


def test_another_organisations_do_not_exist(carol, sign_in, employee):
    before = snapshot()

    refused = carol.post(f"/sign-ins/{sign_in.pk}/judge", {"verdict": "compromised"})
    assert code_of(refused) == (404, "not_found")
    assert code_of(carol.get(f"/users/{employee.user.pk}/risk")) == (404, "not_found")
    assert str(sign_in.pk) not in carol.get("/sign-ins").content.decode()
    assert not UserRisk.unscoped.exists()
    assert changed(before) == []


def test_a_device_is_explained_with_what_was_reported(bob, carol, employee):
    machine = Machine()
    device = machine.enrolled_by(employee.user)

    explained = bob.get(f"/devices/{device.pk}/score").json()

    assert explained["state"] == "enrolled"
    assert {check["id"] for check in explained["checks"]}
    assert bob.get(f"/devices/{device.pk}/reports").json() == {"items": [], "next": None}
    for path in ("score", "reports"):
        assert code_of(carol.get(f"/devices/{device.pk}/{path}")) == (404, "not_found")


def test_devices_are_counted_and_narrowed_by_tier(bob, carol, employee):
    device = Machine().enrolled_by(employee.user)

    today = bob.get("/devices/tiers").json()["items"][-1]

    assert (today["day"], today["counts"]) == (str(clock.now().date()), [1, 0, 0, 0, 0])
    assert carol.get("/devices/tiers").json()["items"][-1]["counts"] == [0, 0, 0, 0, 0]
    assert [each["id"] for each in bob.get("/devices", tier=0).json()["items"]] == [str(device.pk)]
    assert bob.get("/devices", tier=1).json()["items"] == []
    assert bob.get("/devices", state="lost").json()["items"] == []
    assert code_of(bob.get("/devices", tier=9)) == (422, "invalid_request")


def test_organisations_are_for_who_administers_all_of_them(bob, globex, approver):
    path = f"/organisations/{globex.pk}/deactivate"
    assert code_of(bob.get("/organisations")) == (403, "not_allowed")
    assert code_of(bob.post(path)) == (403, "not_allowed")
    assert Organisation.objects.get(pk=globex.pk).is_active
    approver.user.is_superuser = True
    approver.user.save(update_fields=["is_superuser"])
    root = Api.of(approver)

    assert {each["slug"] for each in root.get("/organisations").json()["items"]} >= {
        "acme", "globex",
    }  # fmt: skip
    assert root.post(path).json()["is_active"] is False
    assert code_of(root.post(f"/organisations/{new_id()}/deactivate")) == (404, "not_found")
