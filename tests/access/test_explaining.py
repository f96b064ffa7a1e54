"""Why, why not, and who could say yes."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from access import flows
from access.explaining import explain, explain_answer, who_may_answer
from access.models import Grant, State
from access.offers import ApproverLine, StageLine
from accounts import flows as accounts
from core import clock
from sallyport_cli.telling import explained
from tests import cast
from tests.support import access
from tests.support.api import Api

pytestmark = pytest.mark.django_db


def why(entitlement, person, session, **wish):
    return explain(
        entitlement=entitlement, user=person.user, session_id=session.pk, now=clock.now(), **wish
    )


def failed(told) -> list[str]:
    return [rule.name for rule in told.rules if not rule.passed]


def test_somebody_who_may_is_told_what_would_happen(entitlement, employee, approver, session):
    told = why(entitlement, employee, session)

    assert (told.allowed, told.outcome, told.is_eligible) == (True, State.APPROVAL_AWAITED, True)
    assert all(rule.words.endswith(".") for rule in told.rules)
    assert [list(stage.approvers) for stage in told.stages] == [[approver.user]]
    assert not Grant.unscoped.exists()


def test_somebody_who_may_not_is_told_why(entitlement, newcomer):
    told = why(entitlement, newcomer, access.session_of(newcomer), duration=timedelta(days=1))

    assert (told.allowed, told.outcome) == (False, "")
    assert failed(told) == ["duration_within", "eligible"]
    assert told.rules[1].words == "Only people who were made eligible may ask for this."


def test_until_when_one_is_eligible(acme, newcomer):
    offered = access.entitlement(acme)
    ends_at = clock.now() + timedelta(hours=1)
    flows.add_eligibility(entitlement=offered, user=newcomer.user, ends_at=ends_at, now=clock.now())

    assert why(offered, newcomer, access.session_of(newcomer)).eligible_until == ends_at


def test_a_stronger_sign_in_would_do(acme, employee, session):
    told = why(access.entitlement(acme, eligible=[employee], required_acr="phr"), employee, session)

    assert (told.asks_step_up, told.demanded_level) == (True, 3)


def test_what_is_open_already(entitlement, request_, employee, session):
    told = why(entitlement, employee, session)

    assert told.open == request_
    assert "nothing_open" in failed(told)


def test_where_nobody_has_to_be_asked(acme, employee, session):
    told = why(access.entitlement(acme, eligible=[employee]), employee, session)

    assert told.outcome == State.SCHEDULED


def test_a_ticket_is_judged_by_its_form_and_nobody_is_asked(acme, employee, session, elsewhere):
    uri = elsewhere.serve("/tickets", b'{"valid": false}')
    offered = access.entitlement(
        acme, eligible=[employee], ticket_webhook=uri, ticket_pattern="[A-Z]+-[0-9]+"
    )

    assert failed(why(offered, employee, session)) == ["ticket_good"]
    assert why(offered, employee, session, ticket="OPS-1").allowed
    assert elsewhere.requests == []


def test_who_escalation_reaches(acme, employee, session, approver, lead):
    offered = access.entitlement(
        acme, eligible=[employee],
        stages=[StageLine(
            [*access.named(approver), *access.named(lead, is_escalation=True)],
            escalate_after=timedelta(minutes=5),
        )],
    )  # fmt: skip

    (stage,) = why(offered, employee, session).stages
    assert (list(stage.approvers), list(stage.escalation)) == ([approver.user], [lead.user])


def test_the_requester_is_in_no_shape_among_who_may_answer(acme, employee, lead, approver, session):
    offered = access.entitlement(acme, by=[employee, lead, approver], eligible=[employee])
    accounts.link_accounts(user=employee.user, other=lead.user, now=clock.now())
    employee.user.refresh_from_db()
    request = access.ask(offered, employee, session)

    assert who_may_answer(access.fresh(request), now=clock.now()) == ([approver.user], 0)
    access.deny(request, approver)
    assert who_may_answer(access.fresh(request), now=clock.now()) == ([], 0)


@pytest.fixture
def many(acme, employee, approver, monkeypatch):
    """Fourteen may answer at the first stage, and once the second has escalated; 11 are named."""
    monkeypatch.setattr("access.approvers.MOST_NAMED", 11)
    group = accounts.create_group(organisation=acme, name="crowd", now=clock.now())
    for number in range(14):
        person = cast.person(f"n{number:02}@acme.example", acme)
        accounts.add_group_member(group=group, user=person.user, now=clock.now())
    lines = [*access.named(approver), ApproverLine(group=group, is_escalation=True)]
    return access.entitlement(
        acme, name="many", eligible=[employee],
        stages=[
            StageLine([ApproverLine(group=group)]),
            StageLine(lines, escalate_after=timedelta(minutes=5)),
        ],
    )  # fmt: skip


def test_of_many_who_may_answer_some_are_named(many, employee, approver, session):
    first, second = why(many, employee, session).stages

    assert (len(first.approvers), first.approvers_more) == (11, 3)
    assert first.approvers[-1].email == "n10@acme.example"
    assert (list(second.approvers), second.approvers_more) == ([approver.user], 0)
    assert (len(second.escalation), second.escalation_more) == (11, 3)
    people, more = who_may_answer(
        access.fresh(access.ask(many, employee, session)), now=clock.now()
    )
    assert (len(people), more) == (11, 3)


def test_it_takes_no_more_statements_for_many(many, employee, session, entitlement):
    with CaptureQueriesContext(connection) as few:
        why(entitlement, employee, session)
    with CaptureQueriesContext(connection) as for_many:
        why(many, employee, session)

    # The second stage, what escalates of it, and three times how many more there are.
    assert len(for_many) - len(few) <= 5


def test_pages_the_api_and_the_command_say_how_many_more_there_are(many, client, employee):
    cast.sign_in(client, employee)
    page = " ".join(client.get("/access/request/?entitlement=many").content.decode().split())
    assert "<li>and 4 more</li>" in page
    assert "n09@acme.example and 4 more.</p>" in page

    told = Api.of(employee).get("/access/entitlements/many").json()
    first, second = told["stages"]
    assert (len(first["approvers"]), first["approvers_more"]) == (11, 3)
    assert (len(second["escalation"]), second["escalation_more"]) == (11, 3)
    said = explained(told)
    assert "n10@acme.example and 3 more" in said
    assert "after 5 min also n00@acme.example" in said


def test_whoever_has_asked_sees_how_many_more_there_are(many, client, employee):
    asked = access.ask(many, employee, cast.sign_in(client, employee))

    page = " ".join(client.get(f"/access/grants/{asked.pk}/").content.decode().split())
    assert "n09@acme.example and 4 more.</p>" in page


def test_administrators_see_how_many_more_there_are(many, client, approver, acme):
    root = cast.person("root@acme.example", acme, totp=True, is_staff=True)
    bob = Api.of(root)
    same = bob.get(f"/entitlements/{many.pk}").json()
    for name in ("id", "organisation", "name", "version", "is_active", "created_at", "changed_at"):
        del same[name]
    first, second = bob.post(f"/entitlements/{many.pk}/preview", same).json()["stages"]

    assert (len(first["approvers"]), first["approvers_more"]) == (11, 3)
    assert (len(second["escalation"]), second["escalation_more"]) == (11, 4)


def test_an_approver_is_told_why_not(request_, approver, lead, employee):
    def told(person, session):
        return explain_answer(
            grant=request_, approver=person.user, session_id=session.pk, now=clock.now()
        )

    assert told(approver, access.session_of(approver)).allowed
    assert failed(told(lead, access.session_of(lead))) == ["approver_named"]
    mine = told(employee, access.session_of(employee))
    assert {"approver_is_another", "approver_is_another_person"} <= set(failed(mine))
    weak = told(approver, access.session_of(approver, acr="aal1"))
    assert (weak.allowed, weak.asks_step_up, weak.demanded_level) == (False, True, 2)
