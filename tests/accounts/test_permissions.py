"""What roles allow, and who may give that away."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client as Browser
from django.urls import reverse

from accounts import flows
from accounts.models import Organisation, Role, RolePermission
from audit.events import Event
from audit.models import AuditEvent
from core import clock
from core.errors import Refusal
from tests import cast
from tests.cast import Person


@pytest.fixture
def role(acme: Organisation) -> Role:
    return flows.create_role(organisation=acme, name="auditor", now=clock.now())


def give(role: Role, resource_type: str = "report", action: str = "read", **more) -> RolePermission:
    return flows.give_permission(
        role=role, resource_type=resource_type, action=action, now=clock.now(), **more
    )


def held(who: Person) -> set[tuple[str, str]]:
    return flows.held_permissions(user=who.user, now=clock.now())


def test_holders_of_a_role_hold_its_permissions(
    newcomer: Person, employee: Person, role: Role
) -> None:
    give(role)
    flows.assign_role(user=newcomer.user, role=role, now=clock.now())

    assert held(newcomer) == {("report", "read")}
    assert held(employee) == set()


def test_members_of_a_group_hold_its_roles_permissions(
    acme: Organisation, newcomer: Person, role: Role
) -> None:
    give(role)
    group = flows.create_group(organisation=acme, name="audit", now=clock.now())
    flows.give_group_role(group=group, role=role, now=clock.now())
    flows.add_group_member(group=group, user=newcomer.user, now=clock.now())

    assert held(newcomer) == {("report", "read")}


def test_giving_and_taking_are_written_down(approver: Person, role: Role) -> None:
    given = give(role, actor=approver.user)
    assert flows.take_permission(permission=given, now=clock.now(), actor=approver.user)
    assert not flows.take_permission(permission=given, now=clock.now())

    added, removed = AuditEvent.objects.filter(event__startswith="accounts.permission").order_by(
        "at", "id"
    )
    assert (added.event, removed.event) == (Event.PERMISSION_ADDED, Event.PERMISSION_REMOVED)
    for event in (added, removed):
        assert event.actor.endswith(str(approver.user.pk))
        assert event.facts == {"role": "auditor", "resource_type": "report", "action": "read"}


def test_a_permission_is_given_once(role: Role) -> None:
    give(role)
    with pytest.raises(Refusal) as refused:
        give(role)
    assert refused.value.status == 409


@pytest.mark.parametrize("word", ["", "two words", "caf\u00e9", "x" * 129, "a\n"], ids=repr)
def test_types_and_actions_are_words(role: Role, word: str) -> None:
    for pair in ((word, "read"), ("report", word)):
        with pytest.raises(Refusal) as refused:
            give(role, *pair)
        assert refused.value.code == "invalid_request"
    assert not RolePermission.objects.within_id(role.organisation_id).exists()


def test_a_permission_stays_in_its_organisation(globex: Organisation, role: Role) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        RolePermission.objects.create(organisation=globex, role=role, resource_type="x", action="y")
        connection.check_constraints()


def test_administrators_edit_permissions_with_the_role(
    client: Browser, approver: Person, role: Role
) -> None:
    cast.sign_in(client, approver)
    page = reverse("admin:accounts_role_change", args=[role.pk])
    form = {
        "description": "", "required_acr": "", "required_tier": "0",
        "permissions-TOTAL_FORMS": "1", "permissions-INITIAL_FORMS": "0",
        "permissions-0-role": str(role.pk), "permissions-0-resource_type": "report",
        "permissions-0-action": "read",
    }  # fmt: skip

    assert client.post(page, form).status_code == 302
    (given,) = RolePermission.objects.within_id(role.organisation_id)
    assert str(given) == "read report"

    taken = form | {
        "permissions-TOTAL_FORMS": "1", "permissions-INITIAL_FORMS": "1",
        "permissions-0-id": str(given.pk), "permissions-0-DELETE": "on",
    }  # fmt: skip
    assert client.post(page, taken).status_code == 302
    assert not RolePermission.objects.within_id(role.organisation_id).exists()
    assert AuditEvent.objects.filter(event=Event.PERMISSION_REMOVED).count() == 1


def test_an_invitation_of_somebody_who_left_gives_no_role(
    acme: Organisation, approver: Person, role: Role
) -> None:
    _, link = flows.invite(
        organisation=acme, email="gus@acme.example", role=role, invited_by=approver.user,
        now=clock.now(),
    )  # fmt: skip
    type(approver.user).unscoped.filter(pk=approver.user.pk).update(is_staff=False)

    gus = flows.accept_invitation(
        token=link.rstrip("/").rpartition("/")[2], name="Gus", password=cast.PASSWORD,
        now=clock.now(),
    )  # fmt: skip

    assert flows.held_roles(user=gus, now=clock.now()) == []
    accepted = AuditEvent.objects.get(event=Event.INVITATION_ACCEPTED)
    assert accepted.facts["role_is_withheld"] is True
