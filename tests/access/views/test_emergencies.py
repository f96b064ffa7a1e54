"""The page that takes access without asking."""

from datetime import timedelta

import pytest

from access.models import Grant, State
from tests.access.pages import page_of, query_of, state, text
from tests.support import access

pytestmark = pytest.mark.django_db


class TestEmergencies:
    @pytest.fixture
    def breakable(self, acme, employee, approver):
        role = access.role(acme, "db-admin")
        return access.entitlement(
            acme, by=[approver], eligible=[employee], break_glass_duration=timedelta(minutes=30),
            break_glass_roles=[role],
        )  # fmt: skip

    def test_it_counts_at_once_and_is_reviewed(self, breakable, hers, theirs):
        page = "/access/emergency/?entitlement=db-admin"
        assert "Everybody who would have been asked is told at once" in text(hers.get(page))

        hers.post(page, {"minutes": "30", "reason": "all is on fire"})
        grant = Grant.unscoped.get()
        assert (grant.state, grant.is_break_glass) == (State.ACTIVE, True)

        said = text(theirs.get(page_of(grant)))
        assert "Was this an emergency?" in said
        theirs.post(page_of(grant, "review"), {"verdict": "not", "reason": "it was a drill"})
        assert state(grant) == State.REVOKED

    def test_it_takes_a_reason(self, breakable, hers):
        answer = hers.post(
            "/access/emergency/?entitlement=db-admin", {"minutes": "30", "reason": ""}
        )

        assert answer.status_code == 200
        assert Grant.unscoped.count() == 0

    def test_an_old_proof_is_made_again(self, breakable, hers, later):
        later(minutes=11)
        page = "/access/emergency/?entitlement=db-admin"
        answer = hers.post(page, {"minutes": "15", "reason": "all is on fire"})

        assert query_of(answer)["next"] == [page]
        assert Grant.unscoped.count() == 0

    def test_what_has_no_such_rule_is_not_taken(self, entitlement, hers):
        page = "/access/emergency/?entitlement=db-admin"

        assert hers.get(page).status_code == 404
        assert hers.post(page, {"minutes": "15", "reason": "please"}).status_code == 404
