"""Resources that policy knows of: registered, classified, forgotten."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client as Browser
from django.urls import reverse

from accounts import flows
from accounts.models import Organisation, Resource
from audit.events import Event
from audit.models import AuditEvent
from core import clock
from core.errors import Refusal
from tests import cast
from tests.cast import Person


def register(organisation: Organisation, name: str = "r-1", **more) -> Resource:
    return flows.register_resource(
        organisation=organisation, type="report", name=name, now=clock.now(), **more
    )


def events() -> list[str]:
    found = AuditEvent.objects.filter(event__startswith="accounts.resource").order_by("at", "id")
    return [event.event for event in found]


def test_a_resource_is_registered_classified_and_forgotten(
    acme: Organisation, approver: Person, employee: Person
) -> None:
    resource = register(acme, properties={"department": "legal"}, actor=approver.user)
    assert (resource.classification, resource.owner) == ("internal", None)

    flows.update_resource(
        resource=resource, classification="restricted", properties={}, owner=employee.user,
        now=clock.now(), actor=approver.user,
    )  # fmt: skip
    resource.refresh_from_db()
    assert (resource.classification, resource.owner, resource.properties) == (
        "restricted", employee.user, {},
    )  # fmt: skip
    assert flows.remove_resource(resource=resource, now=clock.now(), actor=approver.user)
    assert not flows.remove_resource(resource=resource, now=clock.now())

    assert events() == [Event.RESOURCE_REGISTERED, Event.RESOURCE_UPDATED, Event.RESOURCE_REMOVED]
    updated = AuditEvent.objects.get(event=Event.RESOURCE_UPDATED)
    assert (updated.facts["was"], updated.facts["classification"]) == ("internal", "restricted")
    assert updated.actor.endswith(str(approver.user.pk))


def test_a_name_is_one_resources_of_its_type(acme: Organisation, globex: Organisation) -> None:
    register(acme)
    register(globex)
    with pytest.raises(Refusal) as refused:
        register(acme)
    assert refused.value.status == 409


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": ""}, {"type": "two words"}, {"name": ""}, {"name": "x" * 256}, {"name": "a\nb"},
        {"classification": "secret"}, {"properties": []}, {"properties": {"x": "y" * 9000}},
    ],
    ids=["type", "words", "name", "long", "line", "classification", "list", "large"],
)  # fmt: skip
def test_what_is_no_resource_is_refused(acme: Organisation, wrong: dict) -> None:
    said = {"organisation": acme, "type": "report", "name": "r", "now": clock.now()}
    with pytest.raises(Refusal) as refused:
        flows.register_resource(**(said | wrong))
    assert refused.value.code == "invalid_request"
    assert not Resource.objects.within(acme).exists()


def test_its_owner_is_of_its_organisation(
    acme: Organisation, outsider: Person, employee: Person
) -> None:
    with pytest.raises(Refusal) as refused:
        register(acme, owner=outsider.user)
    assert refused.value.code == "not_found"
    resource = register(acme, owner=employee.user)
    with pytest.raises(Refusal):
        flows.update_resource(
            resource=resource, classification="public", properties={}, owner=outsider.user,
            now=clock.now(),
        )  # fmt: skip
    with pytest.raises(IntegrityError), transaction.atomic():
        Resource.objects.within(acme).update(owner=outsider.user)
        connection.check_constraints()


def test_the_database_knows_the_classifications(acme: Organisation) -> None:
    register(acme)
    with pytest.raises(IntegrityError), transaction.atomic():
        Resource.objects.within(acme).update(classification="secret")


def test_administrators_register_and_forget_resources(client: Browser, approver: Person) -> None:
    cast.sign_in(client, approver)
    form = {
        "type": "report", "name": "q3", "classification": "confidential", "owner": "",
        "properties": '{"department": "legal"}',
    }  # fmt: skip

    assert client.post(reverse("admin:accounts_resource_add"), form).status_code == 302
    resource = Resource.objects.within(approver.user.organisation).get()
    assert (resource.name, resource.properties) == ("q3", {"department": "legal"})
    page = reverse("admin:accounts_resource_change", args=[resource.pk])
    assert client.post(page, form | {"classification": "public"}).status_code == 302
    resource.refresh_from_db()
    assert resource.classification == "public"
    listed = reverse("admin:accounts_resource_changelist")
    client.post(listed, {"action": "remove", "_selected_action": [str(resource.pk)]})
    assert not Resource.objects.within(approver.user.organisation).exists()
    assert len(events()) == 3


def test_another_organisations_resources_do_not_exist(
    client: Browser, approver: Person, globex: Organisation
) -> None:
    theirs = register(globex)
    cast.sign_in(client, approver)

    page = client.get(reverse("admin:accounts_resource_change", args=[theirs.pk]), follow=True)
    listed = client.get(reverse("admin:accounts_resource_changelist"))

    assert b"r-1" not in page.content
    assert b"r-1" not in listed.content
