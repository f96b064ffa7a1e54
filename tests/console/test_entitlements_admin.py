"""Administrators set what may be asked for, see beforehand what that would do, and say who may ask."""

import base64
from datetime import timedelta

import pytest

from access import flows
from access.models import Eligibility, Entitlement, Grant
from accounts import flows as accounts
from audit.models import AuditEvent
from core import clock, webhooks
from tests import cast
from tests.support import access
from tests.support.rows import changed, snapshot

pytestmark = pytest.mark.django_db

LIST = "/admin/access/entitlement/"
PERIODS = {
    "max_duration": "8h", "max_pending": "1h", "activation_window": "8h", "start_horizon": "7d",
    "approval_window": "0", "required_tier": "0",
}  # fmt: skip


@pytest.fixture
def administrator(client, approver):
    cast.sign_in(client, approver)
    return client


@pytest.fixture
def lead(acme):
    return cast.person("lena@acme.example", acme, totp=True)


@pytest.fixture
def offered(acme, employee, lead):
    return access.entitlement(acme, by=[lead], eligible=[employee])


@pytest.fixture
def waiting(offered, employee):
    return access.ask(offered, employee, access.session_of(employee))


def form(acme, **said):
    """What the editor sends: a role, one stage that lena answers."""
    stages = {f"stage{number}-approvals_needed": "1" for number in range(1, 6)}
    fields = PERIODS | stages | {
        "roles": [str(access.role(acme, "db-admin").pk)],
        "stage1-approvers": "lena@acme.example", "binds_session": "on", "binds_device": "on",
        "thresholds": "[]",
    }  # fmt: skip
    return {name: value for name, value in (fields | said).items() if value is not None}


def edit(browser, entitlement, data):
    return browser.post(f"{LIST}{entitlement.pk}/change/", data)


def text(answer):
    return " ".join(answer.content.decode().split())


def errors_at(answer, field):
    """What is said at a field, and nowhere else."""
    page = text(answer)
    row = page[page.index(f'id="row-{field}"') :]
    return row[: row.index("</div>") if "errorlist" not in row else row.index("</ul>")]


def test_an_entitlement_is_made_as_the_form_says(administrator, acme, lead, approver):
    group = accounts.create_group(organisation=acme, name="keepers", now=clock.now())
    auditor = access.role(acme, "auditor")
    answer = administrator.post(
        f"{LIST}add/",
        form(
            acme, name="database", description="For mending", max_duration="1d 2h 30m",
            max_age="15m", required_acr="phr", required_tier="2", reason_required="on",
            ticket_pattern="INC-[0-9]+", condition='startswith(input.request.ticket, "INC")',
            thresholds='[{"approve": 2, "deny": 1}]', break_glass_duration="30m",
            **{
                "stage1-approvers": "lena@acme.example\ngroup:keepers",
                "stage1-approvals_needed": "2",
                "stage1-escalate_after": "10m",
                "stage1-escalation": "role:auditor",
                "stage1-auto_deny_after": "1h",
                "stage2-approvers": approver.email,
            },
        ),
    )  # fmt: skip

    made = Entitlement.objects.within(acme).get()
    assert answer["Location"] == f"{LIST}{made.pk}/change/"
    assert made.name == "database"
    assert made.max_duration == timedelta(days=1, hours=2, minutes=30)
    assert made.max_age == timedelta(minutes=15)
    assert (made.required_acr, made.required_tier, made.binds_network) == ("phr", 2, False)
    assert made.break_glass_duration == timedelta(minutes=30)
    assert [each["approve"] for each in made.thresholds] == [2]
    first, second = made.stages.order_by("position")
    assert (first.approvals_needed, first.auto_deny_after) == (2, timedelta(hours=1))
    named = {
        (each.user_id or each.group_id or each.role_id, each.is_escalation)
        for each in first.approvers.all()
    }
    assert named == {(lead.user.pk, False), (group.pk, False), (auditor.pk, True)}
    assert [each.user_id for each in second.approvers.all()] == [approver.user.pk]
    written = AuditEvent.objects.get(event="access.entitlement.created")
    assert written.actor == f"accounts.User:{approver.user.pk}"


def test_what_is_saved_unchanged_stays_as_it_is(administrator, acme, offered):
    page = administrator.get(f"{LIST}{offered.pk}/change/").context["editor"]
    data = {"thresholds": "[]"}
    for part in (page.form, *page.stages):
        for bound in part:
            value = bound.value()
            if value is None or value is False or bound.name == "thresholds":
                continue
            listed = isinstance(value, list) and bound.name in {"roles", "break_glass_roles"}
            data[bound.html_name] = [str(each) for each in value] if listed else str(value)

    assert edit(administrator, offered, data).status_code == 302
    assert Entitlement.unscoped.get(pk=offered.pk).version == 1


@pytest.mark.parametrize(
    ("said", "field", "words"),
    [
        ({"condition": "true\ninput.request.("}, "condition", "line 2"),
        ({"condition": 'http.send({"url": "x"})'}, "condition", "may not call http.send"),
        (
            {"thresholds": '[{"approve": 1, "filter": "x :="}]'}, "thresholds",
            "The filter of Threshold 1 is no rule: line",
        ),
        ({"thresholds": '{"approve": 1}'}, "thresholds", "are a list"),
        ({"thresholds": "[{"}, "thresholds", "valid JSON"),
        ({"thresholds": '[{"approve": 1, "sudo": 1}]'}, "thresholds", "nothing else"),
        ({"max_duration": "soon"}, "max_duration", "Write a time"),
        ({"ticket_pattern": "("}, "ticket_pattern", "no regular expression"),
        ({"ticket_webhook": "http://tickets.example"}, "ticket_webhook", "https"),
        ({"stage1-approvers": "mallory@globex.example"}, "stage1-approvers", "Not known here"),
        ({"stage1-approvers": "group:nobodies"}, "stage1-approvers", "Not known here"),
        ({"stage1-escalation": "lena@acme.example"}, "stage1-escalate_after", "how long"),
        (
            {"stage1-approvers": "", "stage1-escalation": "lena@acme.example",
             "stage1-escalate_after": "1h"},
            "stage1-approvers", "names who may answer",
        ),
        ({"stage1-approvals_needed": "0"}, "stage1-approvals_needed", "needs 1 to 20"),
        ({"roles": None}, "roles", "required"),
    ],
    ids=[
        "a condition that does not compile", "a condition that reaches out", "a filter",
        "no list", "no JSON", "another member", "no time", "a pattern", "plain http",
        "somebody elsewhere", "no such group", "an escalation without a time",
        "an escalation alone", "nobody needed", "no role",
    ],
)  # fmt: skip
@pytest.mark.parametrize("button", ["save", "preview"])
def test_a_mistake_is_said_at_its_field_and_nothing_is_written(
    administrator, acme, outsider, offered, said, field, words, button
):
    before = snapshot()
    answer = edit(administrator, offered, form(acme, **said, **{button: "1"}))

    assert answer.status_code == 200
    assert words in errors_at(answer, field)
    assert 'id="preview"' not in text(answer)
    assert changed(before) == []


def test_longer_than_two_weeks_is_refused(administrator, acme, lead):
    answer = administrator.post(f"{LIST}add/", form(acme, name="long", max_duration="15d"))

    assert "at most 14 days" in text(answer)
    assert not Entitlement.objects.within(acme).exists()


def test_a_name_is_given_once(administrator, acme, offered):
    answer = administrator.post(f"{LIST}add/", form(acme, name="db-admin"))

    assert "There is an entitlement db-admin already" in errors_at(answer, "name")


def test_a_preview_tells_what_saving_does_and_does_nothing(
    administrator, acme, employee, waiting, offered, approver
):
    before = snapshot()
    data = form(acme, max_duration="2h", **{"stage1-approvers": approver.email})
    page = text(edit(administrator, offered, data | {"preview": "1"}))

    assert changed(before) == []
    assert "Changes: Lasts at most" in page
    assert "Stages" in page[page.index("Changes:") : page.index("Requests that wait")]
    assert employee.email in page[page.index('id="preview-withdrawn"') :]
    assert employee.email in page[page.index('id="preview-askers"') :]
    assert f"Stage 1: {approver.email}" in page

    edit(administrator, offered, data)
    assert Grant.unscoped.get(pk=waiting.pk).state == "cancelled"


def test_a_preview_tells_of_live_access_that_would_end(
    administrator, acme, employee, lead, offered, approver, waiting
):
    approved = access.approve(waiting, lead)
    access.activate(approved, employee, access.session_of(employee))
    same = form(acme, max_duration="1h")
    other = same | {"stage1-approvers": approver.email}

    page = text(edit(administrator, offered, same | {"preview": "1", "description": "Words"}))
    assert "1 would go on as it is" in page
    assert 'id="preview-ended"' not in page

    page = text(edit(administrator, offered, other | {"preview": "1"}))
    assert "0 would go on" in page
    assert employee.email in page[page.index('id="preview-ended"') :]
    assert access.fresh(approved).state == "active"

    edit(administrator, offered, other)
    assert access.fresh(approved).state == "revoked"


def test_a_new_one_is_previewed_too(administrator, acme, lead):
    page = text(administrator.post(f"{LIST}add/", form(acme, name="new", preview="1")))

    assert "Stage 1: lena@acme.example" in page
    assert not Entitlement.objects.within(acme).exists()


def test_retiring_ends_what_waits(administrator, offered, waiting):
    chosen = {"action": "retire", "_selected_action": [str(offered.pk)]}
    administrator.post(LIST, chosen)

    assert not Entitlement.unscoped.get(pk=offered.pk).is_active
    assert Grant.unscoped.get(pk=waiting.pk).state == "cancelled"


def test_a_retired_one_is_not_changed(administrator, acme, offered):
    flows.retire_entitlement(entitlement=offered, now=clock.now())
    answer = edit(administrator, offered, form(acme))

    assert "This entitlement is retired." in text(answer)


def test_a_column_that_nobody_offers_is_ignored(administrator, acme, globex, lead):
    """A142."""
    data = form(acme, name="mine", organisation=str(globex.pk), version="9", is_active="")
    administrator.post(f"{LIST}add/?organisation=globex", data)

    made = Entitlement.unscoped.get()
    assert (made.organisation_id, made.version, made.is_active) == (acme.pk, 1, True)


def test_roles_of_another_organisation_cannot_be_offered(administrator, acme, globex, lead):
    theirs = access.role(globex, "root")
    answer = administrator.post(f"{LIST}add/", form(acme, name="x", roles=[str(theirs.pk)]))

    assert "not one of the available choices" in errors_at(answer, "roles")


def eligible(entitlement, **said):
    now = {"starts_at_0": f"{clock.now():%Y-%m-%d}", "starts_at_1": f"{clock.now():%H:%M:%S}"}
    return {"entitlement": str(entitlement.pk), "user": "", "group": ""} | now | said


def test_somebody_is_let_ask_until_a_day_and_it_is_ended(
    administrator, acme, offered, lead, employee, waiting
):
    day = clock.now() + timedelta(days=3)
    until = {"ends_at_0": f"{day:%Y-%m-%d}", "ends_at_1": "12:00:00"}
    path = "/admin/access/eligibility/"
    administrator.post(f"{path}add/", eligible(offered, user=str(lead.user.pk), **until))

    assert Eligibility.objects.within(acme).get(user=lead.user).ends_at.date() == day.date()
    line = Eligibility.objects.within(acme).get(user=employee.user)
    administrator.post(path, {"action": "end", "_selected_action": [str(line.pk)]})
    assert Eligibility.objects.within(acme).get(pk=line.pk).ended_at is not None
    assert Grant.unscoped.get(pk=waiting.pk).state == "cancelled"


@pytest.mark.parametrize("case", ["twice", "nobody", "both", "past"])
def test_eligibility_that_cannot_be_is_refused_on_the_form(
    administrator, acme, offered, employee, lead, case
):
    group = accounts.create_group(organisation=acme, name="keepers", now=clock.now())
    said, words = {
        "twice": ({"user": str(employee.user.pk)}, "is eligible already"),
        "nobody": ({}, "Name a person or a group"),
        "both": ({"user": str(lead.user.pk), "group": str(group.pk)}, "Name a person or a group"),
        "past": (
            {"user": str(lead.user.pk), "ends_at_0": "2020-01-01", "ends_at_1": "00:00:00"},
            "must end after it starts",
        ),
    }[case]
    before = snapshot()
    answer = administrator.post("/admin/access/eligibility/add/", eligible(offered, **said))

    assert answer.status_code == 200
    assert words in text(answer)
    assert changed(before) == []


def test_the_list_takes_as_many_statements_for_many_as_for_one(
    administrator, acme, employee, lead, offered, django_assert_max_num_queries
):
    with django_assert_max_num_queries(30) as few:
        administrator.get(LIST)
    for number in range(5):
        access.entitlement(acme, by=[lead], eligible=[employee], name=f"more-{number}")
    with django_assert_max_num_queries(len(few)):
        page = text(administrator.get(LIST))

    assert "more-4" in page


def test_what_questions_about_tickets_are_signed_with_is_shown_once(
    administrator, acme, employee, lead, elsewhere
):
    uri = elsewhere.serve("/tickets", b'{"valid": true}', content_type="application/json")
    answer = administrator.post(f"{LIST}add/", form(acme, name="database", ticket_webhook=uri))

    secret = answer.content.decode().partition('id="ticket-secret">')[2].partition("<")[0]
    assert "no-store" in answer["Cache-Control"]
    made = Entitlement.objects.within(acme).get(name="database")
    flows.add_eligibility(entitlement=made, user=employee.user, now=clock.now())
    access.ask(made, employee, access.session_of(employee), ticket="OPS-17")
    _, _, headers, body = elsewhere.requests[0]
    key = base64.b64decode(secret.removeprefix("whsec_"))
    assert headers["webhook-signature"] == webhooks.signature(
        key, headers["webhook-id"], headers["webhook-timestamp"], body
    )
    again = edit(administrator, made, form(acme, ticket_webhook=uri, description="Other words"))
    assert again.status_code == 302
    assert secret not in administrator.get(f"{LIST}{made.pk}/change/").content.decode()
