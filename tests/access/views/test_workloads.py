"""Pages about applications, for who answers for them and for who answers their requests."""

import pytest
from django.urls import reverse

from access import flows
from access.models import Grant, State
from accounts.mail import unpack
from accounts.models import OutgoingMail
from core import clock
from tests import cast
from tests.support import access

pytestmark = pytest.mark.django_db


@pytest.fixture
def offered(acme, approver):
    return access.entitlement(acme, by=[approver], **access.FOR_WORKLOADS)


@pytest.fixture
def workload(acme, employee, offered):
    return access.workload(access.machine(acme), employee, offered)


@pytest.fixture
def alice(client, employee):
    cast.sign_in(client, employee)
    return client


def text(answer) -> str:
    return " ".join(answer.content.decode().split())


def test_who_answers_for_one_sees_what_it_has_and_may_ask_for(alice, workload, offered, approver):
    page = text(alice.get(reverse("access:mine")))
    assert "Applications that you answer for" in page
    assert f"?entitlement=db-admin&amp;workload={workload.name}" in page

    grant = access.ask_by_itself(offered, workload)
    page = text(alice.get(reverse("access:mine")))
    assert reverse("access:grant", args=[grant.pk]) in page
    assert "&amp;workload=" not in page


def test_they_ask_begin_and_give_back(alice, acme, workload, approver):
    where = f"{reverse('access:ask')}?entitlement=db-admin&workload=nightly"
    page = text(alice.get(where))
    assert 'for <span class="break">Nightly</span>' in page
    looked = alice.post(where, {"minutes": "30", "reason": "to mend it", "step": "look"})
    assert "nothing was asked yet" in text(looked)
    asked = alice.post(where, {"minutes": "30", "reason": "to mend it", "step": "ask"})
    assert asked.status_code == 302, text(asked)
    grant = Grant.objects.within(acme).get()
    assert (grant.workload_id, grant.requested_session_id is None) == (workload.pk, False)
    assert grant.terms["workload"]["asks_by_itself"] is False

    page = text(alice.get(reverse("access:grant", args=[grant.pk])))
    assert "For the application" in page
    access.approve(grant, approver)
    alice.post(reverse("access:activate", args=[grant.pk]))
    assert access.fresh(grant).state == State.ACTIVE
    assert "In tokens of Nightly" in text(alice.get(reverse("access:grant", args=[grant.pk])))
    assert alice.get(reverse("access:extend", args=[grant.pk])).status_code == 200
    alice.post(reverse("access:drop", args=[grant.pk]))
    assert access.fresh(grant).state == State.ENDED


def test_to_others_there_is_no_such_application(client, workload, newcomer, offered):
    flows.add_eligibility(entitlement=offered, user=newcomer.user, now=clock.now())
    cast.sign_in(client, newcomer, acr="aal1")
    for name in ("nightly", "unknown", "x" * 300):
        where = f"{reverse('access:ask')}?entitlement=db-admin&workload={name}"
        assert client.get(where).status_code == 404
        assert client.post(where, {"minutes": "30", "step": "ask"}).status_code == 404
    grant = access.ask_by_itself(offered, workload)
    assert client.get(reverse("access:grant", args=[grant.pk])).status_code == 404


def test_who_is_eligible_themselves_asks_for_no_application(client, workload, employee, offered):
    """The page of an application is judged by the application."""
    flows.end_eligibility(eligibility=workload.eligibilities.get(), now=clock.now())
    flows.add_eligibility(entitlement=offered, user=employee.user, now=clock.now())
    cast.sign_in(client, employee)
    where = f"{reverse('access:ask')}?entitlement=db-admin"
    assert client.get(where).status_code == 200
    assert client.get(f"{where}&workload=nightly").status_code == 404


def test_an_approver_sees_which_and_who_answers_for_it(client, workload, offered, approver):
    grant = access.ask_by_itself(offered, workload, reason="the nightly run")
    cast.sign_in(client, approver)
    inbox = text(client.get(reverse("access:inbox")))
    assert "for Nightly" in inbox
    assert "asks by itself" in inbox
    assert "alice@acme.example" in inbox
    page = text(client.get(reverse("access:grant", args=[grant.pk])))
    assert "How sure we are that it is the application" in page
    assert "192.0.2.7" in page


def test_of_a_person_who_asks_for_it_they_see_the_sign_in(
    client, workload, offered, employee, session, approver
):
    from access.workloads import OnBehalf

    grant = access.ask(offered, employee, session, behalf=OnBehalf(workload))
    cast.sign_in(client, approver)
    page = text(client.get(reverse("access:grant", args=[grant.pk])))
    assert "How sure we are that it is them" in page
    assert 'for <span class="break">Nightly</span>' in page


def test_what_counts_from_its_address_it_begins_itself(alice, acme, workload):
    made = access.entitlement(acme, name="net", binds_network=True, **access.FOR_WORKLOADS)
    flows.add_eligibility(entitlement=made, workload=workload, now=clock.now())
    grant = access.ask_by_itself(made, workload)
    page = text(alice.get(reverse("access:grant", args=[grant.pk])))
    assert "the application begins it" in page
    assert 'id="activate"' not in page


def test_it_is_nothing_of_ones_own(alice, workload, offered):
    """What one answers for stands apart from what one has."""
    grant = access.ask_by_itself(offered, workload)
    flows.cancel_grant(
        grant=grant, requester=workload.responsible, behalf=access.by_itself(workload),
        now=clock.now(),
    )  # fmt: skip
    assert str(grant.pk) not in text(alice.get(reverse("access:history")))


def test_mail_goes_to_who_answers_for_it_and_says_which(workload, offered, approver, settings):
    settings.EMAIL_BACKEND = "accounts.mail.OutboxBackend"
    grant = access.ask_by_itself(offered, workload)
    OutgoingMail.objects.all().delete()
    access.approve(grant, approver)
    (sent,) = [unpack(each.message) for each in OutgoingMail.objects.all()]
    assert sent.to == ["alice@acme.example"]
    assert "the application nightly, for which alice@acme.example answers" in sent.body
