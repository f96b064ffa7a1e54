"""A142: members that an operation of the API does not have change nothing, and are refused."""

from datetime import timedelta
from typing import Any

import pytest

from console.api import limits
from core.limits import Limit
from tests.attacks.test_a141_api import Acme, operations
from tests.attacks.test_a142_mass_assignment import FLAGS
from tests.support.api import ADMINISTRATORS, OF_AN_ACCOUNT, PEOPLE, Api, code_of, token_of
from tests.support.rows import changed, snapshot

pytestmark = pytest.mark.django_db


@pytest.fixture
def theirs(employee, approver) -> Acme:
    return Acme(employee, approver)


@pytest.fixture
def planted(outsider, approver) -> dict[str, Any]:
    """What an attacker would like to be written."""
    globex, other = str(outsider.user.organisation_id), str(approver.user.pk)
    return {
        **dict.fromkeys(FLAGS, True),
        "organisation": globex, "organisation_id": globex, "tenant": globex, "pk": other,
        "id": other, "user_id": other, "requester": other, "requester_id": other,
        "approver": other, "approver_id": other, "actor": other, "acting_for": [other],
        "session_id": other, "grant_id": other, "state": "active", "version": 99,
        "approved_at": "2020-01-01T00:00:00Z", "created_at": "2020-01-01T00:00:00Z",
        "activated_at": "2020-01-01T00:00:00Z", "terms": {}, "terms_digest": "00",
        "tier": 4, "acr": "phrh", "security_stamp": other, "person_id": other, "is_active": True,
    }  # fmt: skip


OF_PEOPLE: dict[str, Any] = {
    "request_access": {"entitlement": "db-admin"}, "approve": {}, "deny": {}, "revoke": {},
    "review": {"is_justified": True}, "extend": {}, "break_glass": {
        "entitlement": "db-admin", "reason": "because",
    },
}  # fmt: skip


OF_ACCOUNTS: dict[str, Any] = {
    "judge_own_sign_in": {"verdict": "safe"}, "rename_own_device": {"name": "mine"},
    "update_own_profile": {"name": "Alice"},
}  # fmt: skip


@pytest.mark.parametrize("which", ["people", "accounts", "administrators"])
def test_each_operation_takes_its_own_members_and_no_others(
    theirs, planted, employee, approver, which, monkeypatch
):
    many = Limit("api-many", 10**6, timedelta(minutes=1), "a test")
    monkeypatch.setattr(limits, "BY_A_PERSON", many)
    monkeypatch.setattr(limits, "CHANGES_BY_A_PERSON", many)
    is_administration = which == "administrators"
    api = Api.of(approver) if is_administration else Api(token_of(theirs.session), theirs.session)
    before = snapshot()

    names = {"people": PEOPLE, "accounts": OF_AN_ACCOUNT, "administrators": ADMINISTRATORS}[which]
    for name, method, path in operations(names):
        if method == "GET" or "{name}" in path:
            continue
        said = theirs.said(name) if is_administration else (OF_PEOPLE | OF_ACCOUNTS).get(name)
        answer = api.send(method, theirs.path(path), (said or {}) | planted)

        status, code = code_of(answer)
        assert (status, code) in {(422, "invalid_request"), (400, "invalid_request")}, name
        if said is not None:
            refused = {each["name"] for each in answer.json()["errors"]}
            assert refused, name
            assert refused <= planted.keys(), (name, refused)

    assert changed(before) == []
