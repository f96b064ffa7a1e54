"""Rows of an organisation are looked up within one, by construction and in the database."""

import contextlib

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction

from accounts.models import Role, RoleAssignment, User
from core.ids import new_id
from core.scope import ScopedManager, ScopedModel, Unscoped
from devices.models import Browser
from idp.models import Client, Consent, RefreshFamily
from tests import cast

pytestmark = pytest.mark.django_db

SCOPED = [model for model in apps.get_models() if issubclass(model, ScopedModel)]
# Belongs to an organisation by way of another row, which is looked up first, or to all.
BY_WAY_OF_ANOTHER = {
    "mfa.RecoveryCode", "mfa.WebAuthnHandle", "mfa.PasskeyChallenge", "accounts.GuessBudget",
    "accounts.OutgoingMail", "accounts.Organisation", "audit.AuditEvent", "protection.DataKey",
    "idp.PairwiseSalt", "idp.SigningKey", "idp.EncryptionKey", "idp.RevokedToken", "idp.UsedAssertion", "idp.SpentProof",
    "idp.StatusList", "idp.ListedToken",  # one crowd of the tokens of all
    "devices.Enrolment",  # nobody's until somebody allows it
    "risk.FailedSignIn",  # tried before anybody knows whose it is
}  # fmt: skip
OURS = {
    "access",
    "accounts",
    "devices",
    "risk",
    "mfa",
    "idp_sessions",
    "idp",
    "audit",
    "protection",
}


@pytest.mark.parametrize("model", SCOPED, ids=lambda model: model._meta.label)
@pytest.mark.parametrize("question", ["all", "first", "count", "exists"])
def test_a_query_over_all_organisations_is_refused(model, question):
    with pytest.raises(Unscoped):
        getattr(model.objects, question)()


@pytest.mark.parametrize("model", SCOPED, ids=lambda model: model._meta.label)
def test_within_an_organisation_it_answers(model, acme):
    assert list(model.objects.within(acme)) == []
    assert list(model.objects.within_id(acme.id)) == []


def test_it_finds_its_own_rows_only(acme, globex):
    ours, theirs = (
        Role.objects.create(organisation=organisation, name="clerk")
        for organisation in (acme, globex)
    )

    assert list(Role.objects.within(acme)) == [ours]
    assert list(Role.objects.within_id(globex.id)) == [theirs]
    assert not Role.objects.within(acme).filter(pk=theirs.pk).exists()


def test_every_row_of_ours_belongs_to_an_organisation():
    for model in apps.get_models():
        label = model._meta.label
        if model._meta.app_label not in OURS or label in BY_WAY_OF_ANOTHER:
            continue
        if model._meta.auto_created or model._meta.proxy:
            continue
        assert "organisation" in {field.name for field in model._meta.fields}, label
        assert isinstance(
            getattr(model, "objects", None), ScopedManager
        ) or model.__name__.endswith("Factor"), label


def same_organisation_constraints() -> set[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conrelid::regclass::text, conname FROM pg_constraint"
            " WHERE contype = 'f' AND array_length(conkey, 1) = 2"
        )
        return set(cursor.fetchall())


@pytest.mark.parametrize("model", SCOPED, ids=lambda model: model._meta.label)
def test_every_reference_to_a_scoped_row_is_tied_to_its_organisation(model):
    """A composite foreign key holds what no query can forget."""
    tied = {
        name for table, name in same_organisation_constraints() if table == model._meta.db_table
    }
    for field in model._meta.fields:
        parent = field.remote_field.model if field.remote_field else None
        if parent is None or not (
            parent is User or (isinstance(parent, type) and parent in SCOPED)
        ):
            continue
        if (model._meta.label, field.name) in {
            ("access.AccessReviewItem", "decided_by"),  # may administer every organisation
            ("accounts.Invitation", "invited_by"),  # a name for the mail; the flow compares
            ("idp.InitialAccessToken", "created_by"),  # a name for the list; the audit row decides
        }:
            continue
        wanted = f"{model._meta.db_table}_{field.column}_organisation"[:60]
        assert wanted in tied, f"{model._meta.label}.{field.name}"


@pytest.mark.parametrize("model", SCOPED, ids=lambda model: model._meta.label)
def test_what_has_no_key_of_its_own_is_held_by_a_composite_one(model):
    """Which holds for rows alone that have both columns; and so for the organisation of that row."""
    tied = {
        name for table, name in same_organisation_constraints() if table == model._meta.db_table
    }
    keys = [
        field
        for field in model._meta.fields
        if field.remote_field and not field.remote_field.field.db_constraint
    ]
    for field in keys:
        assert not field.null
        if field.name != "organisation":
            assert f"{model._meta.db_table}_{field.column}_organisation"[:60] in tied
    assert [field.name for field in keys] != ["organisation"]


def test_a_token_stands_on_what_is_there(client, acme, employee, now):
    """Its row has composite keys alone: without a client, a user or a session there is none."""
    session = cast.sign_in(client, employee)
    good = {
        "organisation_id": acme.pk, "client_id": cast.client("acme-app", acme).pk, "user_id": employee.user.pk,
        "session_id": session.pk, "scope": "openid", "current": b"x" * 32,
        "created_at": now, "expires_at": now,
    }  # fmt: skip
    for nobody in ({}, *({name: new_id()} for name in good if name.endswith("_id"))):
        with contextlib.nullcontext() if not nobody else pytest.raises(IntegrityError):
            with transaction.atomic():
                RefreshFamily.objects.create(**good | nobody)
                with connection.cursor() as cursor:
                    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


@pytest.mark.parametrize("wrong", ["role", "browser", "user of a client"])
def test_the_database_refuses_a_row_that_crosses(acme, globex, employee, outsider, wrong, now):
    role = Role.objects.create(organisation=globex, name="clerk")

    with pytest.raises(IntegrityError, match="organisation"), transaction.atomic():
        if wrong == "role":
            RoleAssignment.objects.create(
                organisation=acme, user=employee.user, role=role, starts_at=now
            )
        elif wrong == "browser":
            Browser.objects.create(
                organisation=acme, user=outsider.user, cookie_digest=b"x" * 32, name="-",
                first_seen_at=now, last_seen_at=now,
            )  # fmt: skip
        else:
            client = cast.client("globex-app", globex)
            assert isinstance(client, Client)
            Consent.objects.create(
                organisation=acme, user=employee.user, client=client, scopes=[], granted_at=now
            )
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
