"""Access to some resources alone: what it is in a session, in tokens, and where policy is asked."""

from datetime import timedelta

import pytest

from access import flows
from access.models import State
from accounts import flows as accounts
from accounts.models import RoleAssignment
from core import clock
from core.errors import Refusal
from tests.support import access, authzen, oauth
from tests.support.authzen import Asker

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
ORDERS, SALES = {"type": "database", "id": "orders"}, {"type": "database", "id": "sales"}


@pytest.fixture
def session(employee):
    return access.session_of(employee)


@pytest.fixture
def offered(acme, employee, approver):
    """Whatever db-admin may do to a database, for one of them."""
    role = access.role(acme, "db-admin")
    accounts.give_permission(role=role, resource_type="database", action="*", now=clock.now())
    return access.entitlement(acme, by=[approver], eligible=[employee], resources=[ORDERS])


@pytest.fixture
def approved(offered, employee, approver, session):
    return access.approve(access.ask(offered, employee, session), approver)


@pytest.fixture
def asker(acme):
    return Asker(authzen.gateway(acme))


def change(entitlement, approver, **terms):
    offer = access.offer(entitlement.organisation, by=[approver], **terms)
    return flows.update_entitlement(entitlement=entitlement, offer=offer, now=clock.now())


class TestWhereItCounts:
    def test_for_the_resource_alone(self, approved, employee, session, asker):
        assert not asker.may(employee.email, "drop", "database orders", sid=str(session.pk))
        access.activate(approved, employee, session)

        assert asker.may(employee.email, "drop", "database orders", sid=str(session.pk))
        assert not asker.may(employee.email, "drop", "database sales", sid=str(session.pk))
        assert not asker.may(employee.email, "drop", "table orders", sid=str(session.pk))
        assert not asker.may(employee.email, "drop", "database orders")

    def test_a_search_finds_it_and_nothing_beside_it(
        self, approved, employee, session, asker, acme
    ):
        for resource in (ORDERS, SALES):
            accounts.register_resource(
                organisation=acme, type=resource["type"], name=resource["id"], now=clock.now()
            )
        access.activate(approved, employee, session)

        told = asker.search(
            "resource",
            {
                "subject": {"type": "user", "id": employee.email},
                "action": {"name": "drop"},
                "resource": {"type": "database"},
                "context": {"sid": str(session.pk)},
            },
        )
        assert told["results"] == [ORDERS]

    def test_no_token_carries_it_since_its_name_alone_would_say_too_much(
        self, approved, employee, session, acme_web
    ):
        access.activate(approved, employee, session)

        tokens = oauth.redeem(acme_web, oauth.issue_code(acme_web, session)).json
        claims = oauth.claims_of(tokens["access_token"])
        assert "db-admin" not in claims.get("roles", [])
        assert "grant_id" not in claims
        assert access.roles_in(session) == []

    def test_nor_does_it_after_it_was_taken_back(self, approved, employee, session, asker, now):
        active = access.activate(approved, employee, session)
        accounts.end_elevation(grant_id=active.pk, now=clock.now())

        assert not asker.may(employee.email, "drop", "database orders", sid=str(session.pk))


class TestWhatBegins:
    def test_is_what_was_approved_however_much_more_is_offered_since(
        self, approved, offered, employee, approver, session
    ):
        change(offered, approver, resources=[ORDERS, SALES])
        access.activate(approved, employee, session)

        assert RoleAssignment.unscoped.get(grant_id=approved.pk).resources == [ORDERS]

    def test_or_all_of_it(self, approved, offered, employee, approver, session):
        change(offered, approver)
        access.activate(approved, employee, session)

        assert RoleAssignment.unscoped.get(grant_id=approved.pk).resources == [ORDERS]

    def test_is_no_more_than_what_is_offered_today(self, acme, employee, approver, session):
        wide = access.entitlement(acme, by=[approver], eligible=[employee])
        request = access.approve(access.ask(wide, employee, session), approver)
        change(wide, approver, resources=[SALES])
        access.activate(request, employee, session)

        assert RoleAssignment.unscoped.get(grant_id=request.pk).resources == [SALES]

    def test_is_nothing_where_none_of_it_is_offered_any_more(
        self, approved, offered, employee, approver, session
    ):
        change(offered, approver, resources=[SALES])

        with pytest.raises(Refusal, match="not offered any more"):
            access.activate(approved, employee, session)
        assert access.fresh(approved).state == State.ACTIVATION_FAILED
        assert not RoleAssignment.unscoped.filter(grant_id=approved.pk).exists()

    def test_what_is_live_is_never_widened(self, approved, offered, employee, approver, session):
        access.activate(approved, employee, session)
        change(offered, approver)

        assert RoleAssignment.unscoped.get(grant_id=approved.pk).resources == [ORDERS]


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        "resources",
        [
            [{"type": "database"}], [{"type": "a b", "id": "x"}], [{"type": "", "id": "x"}],
            [{"type": "database", "id": ""}], [{"type": "database", "id": "x" * 256}],
            [{"type": "database", "id": "a\nb"}], [{"type": 1, "id": "x"}],
            [{"type": "database", "id": None}], [ORDERS | {"more": "x"}], ["database orders"],
            [{"type": "database", "id": str(number)} for number in range(51)],
        ],
        ids=lambda value: str(value)[:40],
    )  # fmt: skip
    def test_what_names_no_resource(self, acme, resources):
        with pytest.raises(Refusal) as refused:
            access.entitlement(acme, resources=resources)
        assert refused.value.code == "invalid_request"

    def test_each_is_kept_once(self, acme):
        assert access.entitlement(acme, resources=[SALES, ORDERS, SALES]).resources == [
            ORDERS, SALES,
        ]  # fmt: skip
