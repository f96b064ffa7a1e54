"""Nothing crosses from one organisation to another."""

import ast
from pathlib import Path

import pytest
from django.db import IntegrityError, transaction
from django.test import Client as Browser
from django.urls import reverse

from accounts import flows
from accounts.models import (
    Group,
    GroupMember,
    GroupRole,
    Invitation,
    Organisation,
    Role,
    RoleAssignment,
    User,
)
from core import clock
from core.ids import digest
from core.scope import ScopedModel, Unscoped
from tests import cast
from tests.cast import Person

ROOT = Path(__file__).resolve().parents[2]
APPS = ["accounts", "audit", "config", "console", "core", "devices", "risk", "idp", "mfa", "policy",
        "protection", "sessions"]  # fmt: skip


def concrete(model: type[ScopedModel]) -> list[type[ScopedModel]]:
    found = [] if model._meta.abstract else [model]
    return found + [one for child in model.__subclasses__() for one in concrete(child)]


@pytest.mark.parametrize("model", concrete(ScopedModel), ids=lambda model: model.__name__)
def test_asking_without_an_organisation_is_an_error(model: type[ScopedModel]) -> None:
    for ask in (model.objects.all, model.objects.count, lambda: model.objects.filter(pk=1)):
        with pytest.raises(Unscoped):
            ask()


def test_asking_within_one_gives_its_rows_only(
    acme: Organisation, globex: Organisation, newcomer: Person, outsider: Person
) -> None:
    for organisation in (acme, globex):
        flows.create_role(organisation=organisation, name="employee", now=clock.now())
    assert [role.organisation for role in Role.objects.within(acme)] == [acme]
    assert list(User.objects.within(globex)) == [outsider.user]
    assert not User.objects.within(globex).filter(pk=newcomer.user.pk).exists()


def test_our_code_never_asks_for_users_of_every_organisation_by_accident() -> None:
    """`User.objects` stays open for allauth; ours must be followed by a scope or a constructor."""
    allowed = {"within", "within_id", "create_user", "create"}
    found = []
    for app in APPS:
        for path in (ROOT / app).rglob("*.py"):
            if "migrations" in path.parts:
                continue
            tree = ast.parse(path.read_text())
            for node in ast.walk(tree):
                if (
                    isinstance(node, ast.Attribute)
                    and _is_user_objects(node.value)
                    and node.attr not in allowed
                ):
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno} .{node.attr}")
    assert found == []


def _is_user_objects(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and node.attr == "objects"
        and isinstance(node.value, ast.Name)
        and node.value.id == "User"
    )


@pytest.fixture
def mixed(acme: Organisation, globex: Organisation, newcomer: Person, outsider: Person):
    """Rows that point across: each is refused by the database itself."""
    now = clock.now()
    ours = flows.create_role(organisation=acme, name="employee", now=now)
    theirs = flows.create_role(organisation=globex, name="employee", now=now)
    group = flows.create_group(organisation=acme, name="finance", now=now)
    return {
        "assignment of a foreign role": RoleAssignment(
            organisation=acme, user=newcomer.user, role=theirs, starts_at=now
        ),
        "assignment to a foreign user": RoleAssignment(
            organisation=acme, user=outsider.user, role=ours, starts_at=now
        ),
        "assignment filed elsewhere": RoleAssignment(
            organisation=globex, user=newcomer.user, role=ours, starts_at=now
        ),
        "foreign member": GroupMember(organisation=acme, group=group, user=outsider.user),
        "foreign group role": GroupRole(organisation=acme, group=group, role=theirs),
        "invitation with a foreign role": Invitation(
            organisation=acme, email="x@acme.example", role=theirs, digest=digest("x"),
            created_at=now, expires_at=now,
        ),
        "invitation by a foreigner": Invitation(
            organisation=acme, email="x@acme.example", invited_by=outsider.user,
            digest=digest("y"), created_at=now, expires_at=now,
        ),
    }  # fmt: skip


@pytest.mark.parametrize(
    "what",
    [
        "assignment of a foreign role", "assignment to a foreign user",
        "assignment filed elsewhere", "foreign member", "foreign group role",
        "invitation with a foreign role", "invitation by a foreigner",
    ],
)  # fmt: skip
def test_the_database_refuses_rows_that_point_across(mixed, what: str) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        mixed[what].save(force_insert=True)
        with transaction.get_connection().cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_a_user_cannot_be_moved_while_something_hangs_on_them(
    newcomer: Person, acme: Organisation, globex: Organisation
) -> None:
    role = flows.create_role(organisation=acme, name="employee", now=clock.now())
    flows.assign_role(user=newcomer.user, role=role, now=clock.now())
    with pytest.raises(IntegrityError), transaction.atomic():
        User.unscoped.filter(pk=newcomer.user.pk).update(organisation=globex)
        with transaction.get_connection().cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_an_administrator_finds_nothing_of_another_organisation(
    client: Browser, approver: Person, outsider: Person, globex: Organisation
) -> None:
    now = clock.now()
    role = flows.create_role(organisation=globex, name="secret-role", now=now)
    group = flows.create_group(organisation=globex, name="secret-group", now=now)
    assignment = flows.assign_role(user=outsider.user, role=role, now=now)
    flows.invite(organisation=globex, email="guest@globex.example", now=now)
    cast.sign_in(client, approver)
    rows = {
        "organisation": globex.pk, "user": outsider.user.pk, "role": role.pk, "group": group.pk,
        "roleassignment": assignment.pk, "invitation": Invitation.unscoped.get().pk,
    }  # fmt: skip
    for model, pk in rows.items():
        listing = client.get(reverse(f"admin:accounts_{model}_changelist"))
        assert listing.status_code == 200, model
        assert str(pk) not in listing.content.decode(), model
        answer = client.get(reverse(f"admin:accounts_{model}_change", args=[pk]))
        assert answer.status_code in {302, 404}, model
        assert "secret" not in answer.content.decode()


def test_an_administrator_cannot_act_on_another_organisation(
    client: Browser, approver: Person, outsider: Person, newcomer: Person, globex: Organisation
) -> None:
    role = flows.create_role(organisation=globex, name="employee", now=clock.now())
    cast.sign_in(client, approver)
    client.post(
        reverse("admin:accounts_user_changelist"),
        {"action": "deactivate", "_selected_action": [str(outsider.user.pk)]},
    )
    client.post(
        reverse("admin:accounts_roleassignment_add"),
        {"user": str(newcomer.user.pk), "role": str(role.pk), "starts_at_0": "2020-01-01",
         "starts_at_1": "00:00:00"},
    )  # fmt: skip
    outsider.user.refresh_from_db()
    assert outsider.user.is_active
    assert not RoleAssignment.unscoped.exists()
    assert Group.unscoped.count() == 0
