"""Access to some resources alone: what it is in a session, in tokens, and where policy is asked."""

import csv
import io
import json
from datetime import timedelta

import pytest

from access import flows
from access.alerts import Kind, alerts_of
from access.chat.messages import message_of
from access.chat.models import ChatDelivery
from access.models import AccessReview, State
from accounts import flows as accounts
from accounts.mail import unpack
from accounts.models import OutgoingMail, RoleAssignment
from audit.events import Event
from audit.models import AuditEvent
from core import clock
from core.errors import Refusal
from tests import cast
from tests.support import access, authzen, oauth, rooms
from tests.support.api import Api, token_of
from tests.support.authzen import Asker

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
MATRIX = "/admin/access/grant/matrix"
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


class TestHowItIsTold:
    """Whoever looks at what somebody has sees the limit with it, never the role alone."""

    @pytest.fixture
    def active(self, approved, employee, session):
        return access.activate(approved, employee, session)

    @pytest.fixture
    def bob(self, approver):
        return Api.of(approver)

    def test_in_the_matrix_and_its_table(self, active, client, approver):
        cast.sign_in(client, approver)

        page = " ".join(client.get(f"{MATRIX}/").content.decode().split())
        assert "elevated, limited</a>" in page
        assert "only for</span>" in page
        assert '<span class="quiet">database</span> orders</li>' in page
        (line,) = csv.DictReader(io.StringIO(client.get(f"{MATRIX}.csv").getvalue().decode()))
        assert (line["how"], line["resources"]) == ("elevated, limited", '["database orders"]')

    def test_a_long_limit_is_all_there_the_first_ones_at_once(
        self, acme, employee, session, client, approver
    ):
        many = [{"type": "invoice", "id": f"2026; {number:02}, a"} for number in range(50)]
        made = access.entitlement(acme, eligible=[employee], resources=many)
        access.activate(access.ask(made, employee, session), employee, session)
        cast.sign_in(client, approver)

        page = client.get(f"{MATRIX}/").content.decode()
        assert "<summary>and 47 more</summary>" in page
        assert all(each["id"] in page for each in many)
        (line,) = csv.DictReader(io.StringIO(client.get(f"{MATRIX}.csv").getvalue().decode()))
        assert json.loads(line["resources"]) == [f"invoice {each['id']}" for each in many]

    def test_as_it_stood_then(self, active, offered, employee, approver, acme, later):
        began = clock.now()
        later(minutes=1)
        change(offered, approver)
        later(hours=2)
        again = access.session_of(employee)
        wide = access.approve(access.ask(offered, employee, again), approver)
        access.activate(wide, employee, again)

        (was,) = access.holdings(acme, began)
        (held,) = access.holdings(acme, clock.now())
        assert (was.resources, held.resources) == ([ORDERS], None)

    def test_by_the_api(self, active, bob, session):
        alice = Api(token_of(session, scope="access"), session)
        (role,) = alice.get("/me").json()["roles"]
        assert (role["name"], role["resources"]) == ("db-admin", [ORDERS])
        for path in ("/access/grants", "/access/entitlements"):
            assert [each["resources"] for each in alice.get(path).json()["items"]] == [[ORDERS]]
        assert alice.get("/access/entitlements/db-admin").json()["resources"] == [ORDERS]
        for path in ("/holdings", "/assignments", "/grants"):
            assert [each["resources"] for each in bob.get(path).json()["items"]] == [[ORDERS]]

    def test_what_began_is_told_and_not_what_was_asked_for(
        self, acme, employee, approver, session, bob
    ):
        wide = access.entitlement(acme, by=[approver], eligible=[employee])
        request = access.approve(access.ask(wide, employee, session), approver)
        (told,) = bob.get("/grants").json()["items"]
        assert told["resources"] is None
        change(wide, approver, resources=[SALES])
        access.activate(request, employee, session)

        (told,) = bob.get("/grants").json()["items"]
        assert told["resources"] == [SALES]
        assert access.fresh(request).events.get(kind="activated").facts["resources"] == [SALES]

    def test_on_the_pages_of_whoever_has_it(self, offered, employee, approver, client):
        session = cast.sign_in(client, employee)
        grant = access.approve(access.ask(offered, employee, session), approver)
        for path in (
            f"/access/grants/{grant.pk}/",
            "/access/",
            "/access/request/?entitlement=db-admin",
        ):
            assert "database orders" in client.get(path).content.decode(), path
        access.activate(grant, employee, session)
        for path in (
            "/",
            "/access/",
            f"/access/grants/{grant.pk}/",
            f"/access/grants/{grant.pk}/extend/",
        ):
            assert "database orders" in client.get(path).content.decode(), path

    def test_on_the_pages_of_administrators_and_approvers(self, active, client, approver):
        cast.sign_in(client, approver)
        for path in (
            f"/access/grants/{active.pk}/", f"/admin/access/grant/{active.pk}/change/",
            "/admin/accounts/roleassignment/",
        ):  # fmt: skip
            page = client.get(path).content.decode()
            assert "database orders" in page or "database</span> orders" in page, path

    def test_in_mail_and_in_chat(self, offered, employee, session, acme, settings):
        settings.EMAIL_BACKEND = "accounts.mail.OutboxBackend"
        rooms.room(acme, "https://hooks.chat.example/x")
        grant = access.ask(offered, employee, session)

        mail = unpack(OutgoingMail.objects.get().message)
        assert "Only for: database orders\n" in mail.body
        told = message_of(ChatDelivery.unscoped.get(grant=grant))
        assert ("Only for", "database orders") in told.facts
        assert told.data["resources"] == [ORDERS]

    def test_in_a_review_as_it_is_when_somebody_decides(self, offered, acme, approver, bob):
        flows.open_review(organisation=acme, actor=approver.user, now=clock.now())
        path = f"/reviews/{AccessReview.unscoped.get().pk}/items"
        (told,) = bob.get(path).json()["items"]
        assert told["resources"] == [ORDERS]

        change(offered, approver, resources=[ORDERS, SALES])
        (told,) = bob.get(path).json()["items"]
        assert told["resources"] == [ORDERS, SALES]
        bob.post(f"{path}/{told['id']}/decide", {"decision": "keep"})
        change(offered, approver)
        (told,) = bob.get(path).json()["items"]
        assert told["resources"] == [ORDERS, SALES]
        event = AuditEvent.objects.get(event=Event.ACCESS_REVIEW_DECIDED)
        assert event.facts["resources"] == [ORDERS, SALES]

    def test_in_alerts(self, offered, acme, later):
        later(days=100)
        (alert,) = alerts_of(organisation_id=acme.pk, now=clock.now())
        assert (alert.kind, alert.resources) == (Kind.UNUSED, [ORDERS])

    def test_who_holds_all_of_it_besides_holds_it_once(self, active, employee, session, acme):
        def held():
            rows = accounts.held_roles(user=employee.user, now=clock.now(), session_id=session.pk)
            return [each.resources for each in rows]

        assert held() == [[ORDERS]]
        accounts.assign_role(
            user=employee.user, role=access.role(acme, "db-admin"),
            ends_at=clock.now() + timedelta(minutes=1), now=clock.now(),
        )  # fmt: skip
        assert held() == [None], "though it ends before what is limited does"


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
