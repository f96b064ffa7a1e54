"""Accounts of one person: linked by an administrator, and what follows from it."""

import pytest

from accounts import flows
from accounts.models import User
from audit.events import Event
from audit.models import AuditEvent
from core import clock
from core.errors import Refusal
from tests import cast

pytestmark = pytest.mark.django_db


def person_of(who) -> object:
    return User.unscoped.get(pk=who.user.pk).person_id


def link(one, other, **said) -> None:
    flows.link_accounts(user=one.user, other=other.user, now=clock.now(), **said)


def test_every_account_is_somebody_else_s_at_first(employee, approver, newcomer):
    assert len({person_of(who) for who in (employee, approver, newcomer)}) == 3


def test_linked_accounts_are_one_person_s(employee, approver):
    link(employee, approver, actor=approver.user)

    assert person_of(employee) == person_of(approver)
    written = AuditEvent.objects.get(event=Event.USER_LINKED)
    assert written.facts == {"other": str(approver.user.pk)}


def test_whoever_shares_an_account_with_either_is_the_same(acme, employee, approver, newcomer):
    fourth = cast.person("fourth@acme.example", acme)
    link(employee, approver)
    link(newcomer, fourth)

    link(approver, newcomer)
    assert len({person_of(who) for who in (employee, approver, newcomer, fourth)}) == 1


def test_said_twice_it_is_said_once(employee, approver):
    link(employee, approver)
    link(approver, employee)

    assert AuditEvent.objects.filter(event=Event.USER_LINKED).count() == 1


def test_an_account_is_unlinked_alone(employee, approver, newcomer):
    link(employee, approver)
    link(employee, newcomer)
    flows.unlink_account(user=employee.user, now=clock.now())

    assert person_of(approver) == person_of(newcomer)
    assert person_of(employee) != person_of(approver)
    assert AuditEvent.objects.filter(event=Event.USER_UNLINKED).count() == 1


def test_nobody_is_linked_across_organisations(employee, outsider):
    with pytest.raises(Refusal) as error:
        link(employee, outsider)
    assert error.value.code == "not_found"
    assert person_of(employee) != person_of(outsider)


def test_an_account_that_the_previous_release_makes_has_a_person_of_its_own(acme):
    """It knows nothing of the column: the database gives each row a value."""
    from django.db import connection

    with connection.cursor() as cursor:
        for name in ("one", "two"):
            cursor.execute(
                "INSERT INTO accounts_user (id, password, is_superuser, email, name, is_active,"
                " is_staff, security_stamp, created_at, organisation_id) VALUES"
                " (gen_random_uuid(), '', false, %s, '', true, false, gen_random_uuid(), now(), %s)",
                [f"{name}@acme.example", acme.pk],
            )

    assert len(set(User.objects.within(acme).values_list("person_id", flat=True))) == 2
