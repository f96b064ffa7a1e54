"""A151: whoever asks policy says from where somebody acts, so that a right counts where it does not.

Of an application that is what whoever enforces has seen, and it counts there alone. Of a person
nobody says it: their session knows.
"""

from typing import Any

import pytest

from access import flows
from accounts import flows as accounts
from core import clock
from sessions.models import LoginSession
from tests.support import access, authzen
from tests.support.authzen import EVALUATION, EVALUATIONS, Asker, question

pytestmark = pytest.mark.django_db
HERE, THERE = "203.0.113.7", "203.0.113.8"
ODD = [
    None, "", "203.0.113", "203.0.113.7/32", "203.0.113.0/24", "203.0.113.7 ", "203.0.113.7:443",
    "nightly.acme.example", "any", 3405803783, True, [HERE], {"ip": HERE}, HERE * 500,
]  # fmt: skip


@pytest.fixture
def asker(acme) -> Asker:
    return Asker(authzen.gateway(acme))


@pytest.fixture
def db_admin(acme):
    role = access.role(acme, "db-admin")
    accounts.give_permission(role=role, resource_type="db", action="*", now=clock.now())
    return role


def stating(address: Any, subject: str = "client nightly", **context: Any) -> dict[str, Any]:
    asked = question(subject, "write", "db main", **context)
    asked["subject"]["properties"] = {"ip_address": address}
    return asked


def may(asker: Asker, asked: dict[str, Any]) -> bool:
    reply = asker.send(EVALUATION, asked)
    assert reply.status == 200, reply.body
    return reply.json["decision"]


class TestOfAnApplication:
    @pytest.fixture(params=["bound", "by a condition", "both"])
    def grant(self, request, acme, employee, db_admin):
        """Begun from HERE, where alone it counts."""
        terms: dict[str, Any] = dict(access.FOR_WORKLOADS)
        if request.param != "by a condition":
            terms["binds_network"] = True
        if request.param != "bound":
            terms["condition"] = f'input.session.address == "{HERE}"'
        offered = access.entitlement(acme, **terms)
        workload = access.workload(access.machine(acme), employee, offered)
        return access.begin_by_itself(access.ask_by_itself(offered, workload, HERE), workload, HERE)

    def test_it_counts_where_it_acts_from(self, asker, grant):
        assert may(asker, stating(HERE))
        assert may(asker, stating(f"::ffff:{HERE}"))
        assert not may(asker, stating(THERE))
        assert not asker.may("client nightly", "write", "db main")

    @pytest.mark.parametrize("odd", ODD, ids=[str(odd)[:20] for odd in ODD])
    def test_what_is_no_address_is_none(self, asker, grant, odd):
        assert not may(asker, stating(odd))

    def test_it_is_said_as_a_property_of_the_subject_and_nowhere_else(self, asker, grant):
        for part in ("action", "resource"):
            asked = stating(None)
            asked[part]["properties"] = {"ip_address": HERE}
            assert not may(asker, asked)
        assert not may(asker, stating(None, ip_address=HERE))

    def test_each_question_of_a_batch_for_itself(self, asker, grant):
        asked = [stating(HERE), stating(THERE), question("client nightly", "write", "db main")]
        asked += [stating(HERE, "client acme-gateway")]
        told = asker.send(EVALUATIONS, {"evaluations": asked}).json["evaluations"]

        assert [each["decision"] for each in told] == [True, False, False, False]

    def test_a_search_for_who_may_as_well(self, asker, grant):
        def found(**properties: Any) -> list[str]:
            subject = {"type": "client", "properties": properties}
            asked = question("client x", "write", "db main") | {"subject": subject}
            return [each["id"] for each in asker.search("subject", asked)["results"]]

        assert found(ip_address=HERE) == ["nightly"]
        assert found(ip_address=THERE) == []
        assert found() == []

    def test_it_ends_there_as_everywhere(self, acme, asker, grant, approver, later):
        flows.suspend_grant(grant=grant, actor=approver.user, now=clock.now())
        assert not may(asker, stating(HERE))
        flows.resume_grant(grant=grant, actor=approver.user, now=clock.now())
        assert may(asker, stating(HERE))
        later(minutes=60)
        assert not may(Asker(authzen.gateway(acme, name="later")), stating(HERE))

    def test_another_organisations_gateway_learns_nothing(self, globex, grant):
        assert not may(Asker(authzen.gateway(globex)), stating(HERE))

    def test_by_one_statement(self, asker, grant, statements):
        asked = {"evaluations": [stating(HERE), stating(THERE)]}
        asker.send(EVALUATIONS, asked)
        statements.clear()
        asker.send(EVALUATIONS, asked)
        assert len(statements) == 1


class TestOfAPerson:
    def test_what_counts_from_an_address_does_not_by_what_is_said(
        self, acme, asker, employee, db_admin
    ):
        session = access.session_of(employee)
        LoginSession.unscoped.update(address=HERE)
        condition = f'input.session.address == "{HERE}"'
        offered = access.entitlement(acme, eligible=[employee], condition=condition)
        access.activate(access.ask(offered, employee, session), employee, session)
        own = str(session.pk)
        assert may(asker, stating(THERE, employee.email, sid=own)), "the session knows better"

        LoginSession.unscoped.update(address=THERE)
        for address in (HERE, THERE):
            assert not may(asker, stating(address, employee.email, sid=own))
            assert not may(asker, stating(address, employee.email))

    def test_nor_does_a_role_of_one_session_in_another(self, acme, asker, employee, db_admin):
        session, another = access.session_of(employee), access.session_of(employee)
        offered = access.entitlement(acme, eligible=[employee], binds_network=True)
        access.activate(access.ask(offered, employee, session), employee, session)
        own, other = str(session.pk), str(another.pk)
        assert asker.may(employee.email, "write", "db main", sid=own)

        for address in (HERE, "127.0.0.1", session.address):
            assert may(asker, stating(address, employee.email, sid=own))
            assert not may(asker, stating(address, employee.email, sid=other))
            assert not may(asker, stating(address, employee.email))
            assert not may(asker, stating(address, "client nightly", sid=own))
