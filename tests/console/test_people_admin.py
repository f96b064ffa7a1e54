"""Administrators say whose an account is, and see before what follows from it."""

import pytest

from access.models import Grant, State
from accounts import flows as accounts
from accounts.models import User
from audit.models import AuditEvent
from core import clock
from tests import cast
from tests.support import access
from tests.support.api import Api

pytestmark = pytest.mark.django_db


@pytest.fixture
def administrator(client, approver):
    cast.sign_in(client, approver)
    return client


@pytest.fixture
def twin(acme):
    """Another account of alice's."""
    return cast.person("a.arden@acme.example", acme, name="Alice A. Arden", totp=True)


def page_of(who) -> str:
    return f"/admin/accounts/user/{who.user.pk}/person/"


def text(answer) -> str:
    return " ".join(answer.content.decode().split())


def person_of(who) -> object:
    return User.unscoped.get(pk=who.user.pk).person_id


def test_the_account_leads_there(administrator, employee):
    page = text(administrator.get(f"/admin/accounts/user/{employee.user.pk}/change/"))

    assert page_of(employee) in page
    assert "is linked with no other account" in text(administrator.get(page_of(employee)))


def test_another_is_found_looked_at_and_linked(administrator, approver, employee, twin):
    found = text(administrator.get(page_of(employee), {"q": "arden"}))
    assert f"?other={twin.user.pk}" in found
    looked = text(administrator.get(page_of(employee), {"other": str(twin.user.pk)}))
    assert "Nothing that is open now would change" in looked
    assert person_of(employee) != person_of(twin)

    told = text(administrator.post(page_of(employee), {"other": str(twin.user.pk)}, follow=True))

    assert "These are one person" in told
    assert person_of(employee) == person_of(twin)
    event = AuditEvent.objects.get(event="accounts.user.linked")
    assert event.actor == f"accounts.User:{approver.user.pk}"
    assert event.facts["other"] == str(twin.user.pk)


def test_looking_tells_what_linking_does_and_does_nothing(
    administrator, acme, employee, twin, approver
):
    def ask(name, state):
        offered = access.entitlement(acme, by=[twin], eligible=[employee], name=name)
        session = access.session_of(employee)
        grant = access.ask(offered, employee, session)
        if state != State.APPROVAL_AWAITED:
            access.approve(grant, twin)
        if state == State.ACTIVE:
            access.activate(grant, employee, session)
        return grant

    waits = ask("waits", State.APPROVAL_AWAITED)
    begins = ask("begins", State.SCHEDULED)
    lives = ask("lives", State.ACTIVE)

    looked = administrator.get(page_of(employee), {"other": str(twin.user.pk)})
    following = looked.context["following"]

    assert [each.pk for each in following.ended] == [lives.pk]
    assert [each.pk for each in following.stuck] == [begins.pk]
    assert [(who.pk, each.pk) for who, each in following.lost] == [(twin.user.pk, waits.pk)]
    by_call = Api.of(approver).post(
        f"/users/{employee.user.pk}/link/preview", {"other": str(twin.user.pk)}
    )
    assert {kind: [each["id"] for each in by_call.json()[kind]] for kind in ("ended", "stuck")} == {
        "ended": [str(lives.pk)], "stuck": [str(begins.pk)],
    }  # fmt: skip
    assert by_call.json()["lost"] == [{"approver": twin.email, "grant": str(waits.pk)}]
    assert access.fresh(lives).state == State.ACTIVE
    assert person_of(employee) != person_of(twin)
    assert not AuditEvent.objects.filter(event="accounts.user.linked").exists()
    administrator.post(page_of(employee), {"other": str(twin.user.pk)})
    assert access.fresh(lives).state == State.REVOKED
    assert Grant.unscoped.get(pk=waits.pk).state == State.APPROVAL_AWAITED


def test_one_is_unlinked(administrator, employee, twin):
    accounts.link_accounts(user=employee.user, other=twin.user, now=clock.now())
    page = text(administrator.get(page_of(employee)))
    assert page.count('name="unlink"') == 2

    administrator.post(page_of(employee), {"unlink": str(twin.user.pk)})

    assert person_of(employee) != person_of(twin)
    assert AuditEvent.objects.filter(event="accounts.user.unlinked").count() == 1


def test_nobody_unlinks_an_account_of_their_own(administrator, approver, twin):
    accounts.link_accounts(user=approver.user, other=twin.user, now=clock.now())
    assert 'name="unlink"' not in text(administrator.get(page_of(approver)))

    for whom in (twin, approver):
        told = text(administrator.post(page_of(twin), {"unlink": str(whom.user.pk)}, follow=True))
        assert "Somebody else has to say this" in told
    assert person_of(approver) == person_of(twin)


@pytest.mark.parametrize("said", [{}, {"other": "x"}, {"other": ""}, {"unlink": "x"}])
def test_what_names_nobody_is_told(administrator, employee, said):
    told = text(administrator.post(page_of(employee), said, follow=True))

    assert "errorlist" in told or "messagelist" in told
    assert not AuditEvent.objects.filter(event__startswith="accounts.user.").exists()


@pytest.mark.parametrize("query", [{"q": "a"}, {"q": "\0\0"}, {"q": "%"}, {"other": "\0"}])
def test_odd_questions_are_answered(administrator, employee, query):
    assert administrator.get(page_of(employee), query).status_code == 200


def test_people_of_another_organisation_do_not_exist(administrator, employee, outsider):
    assert administrator.get(page_of(outsider)).status_code == 404
    assert administrator.get(page_of(employee), {"q": outsider.email}).context["nobody"]
    administrator.post(page_of(employee), {"other": str(outsider.user.pk)})
    assert person_of(employee) != person_of(outsider)


def test_it_is_for_administrators_who_have_shown_two_factors(client, employee, approver, twin):
    cast.sign_in(client, employee)
    assert client.post(page_of(employee), {"other": str(twin.user.pk)}).status_code in {302, 404}
    cast.sign_in(client, approver, acr="aal1")
    answer = client.post(page_of(employee), {"other": str(twin.user.pk)})
    assert answer.status_code == 302
    assert "step-up" in client.get(answer["Location"])["Location"]
    assert person_of(employee) != person_of(twin)


def test_two_factors_of_yesterday_are_not_enough(administrator, employee, twin, later):
    later(hours=8, minutes=1)

    assert administrator.post(page_of(employee), {"other": str(twin.user.pk)}).status_code == 302
    assert person_of(employee) != person_of(twin)
