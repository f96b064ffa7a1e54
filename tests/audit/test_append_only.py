"""What is written stays: for the application, its owner and whoever connects as them."""

import os

import psycopg
import pytest
from django.conf import settings
from django.db import DatabaseError, connection, transaction

from audit import recorder
from audit.events import Event
from audit.models import AuditEvent

CHANGES = [
    "UPDATE audit_auditevent SET actor = 'somebody else'",
    "UPDATE audit_auditevent SET facts = '{}' WHERE id = id",
    "DELETE FROM audit_auditevent",
    "TRUNCATE audit_auditevent",
]


@pytest.fixture
def event(acme, now):
    return recorder.record(Event.ROLE_CREATED, organisation_id=acme.id, now=now, role="clerk")


@pytest.mark.django_db
@pytest.mark.parametrize("statement", CHANGES)
def test_the_database_refuses_to_change_or_remove_an_event(event, statement):
    with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(statement)

    assert AuditEvent.objects.get(id=event.id).facts == {"role": "clerk"}


@pytest.mark.django_db
@pytest.mark.parametrize("change", ["save", "update", "delete", "delete_all"])
def test_nor_does_the_orm_get_through(event, change):
    with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
        if change == "save":
            event.actor = "somebody else"
            event.save()
        elif change == "update":
            AuditEvent.objects.update(facts={})
        elif change == "delete":
            event.delete()
        else:
            AuditEvent.objects.all().delete()


@pytest.mark.django_db
def test_the_triggers_are_there_and_switched_on():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgname, tgenabled FROM pg_trigger"
            " WHERE tgrelid = 'audit_auditevent'::regclass AND NOT tgisinternal ORDER BY 1"
        )
        assert cursor.fetchall() == [("audit_append_only", "O"), ("audit_no_truncate", "O")]


@pytest.mark.django_db
class TestTheRuntimeRole:
    """Where migrations run as another role, the product's own may only insert and read."""

    @pytest.fixture
    def role(self):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT 1 FROM pg_roles WHERE rolname = %s AND rolname <> current_user",
                [settings.DATABASE_RUNTIME_ROLE],
            )
            if not cursor.fetchone():
                pytest.skip("this server has one role for all")
        return settings.DATABASE_RUNTIME_ROLE

    @pytest.mark.parametrize("right", ["UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"])
    def test_it_has_no_right_to_change(self, role, right):
        assert not self._may(role, right)

    @pytest.mark.parametrize("right", ["INSERT", "SELECT"])
    def test_it_may_write_and_read(self, role, right):
        assert self._may(role, right)

    def test_it_cannot_switch_the_guard_off(self, role):
        url = os.environ.get("TEST_RUNTIME_DATABASE_URL")
        if url is None:
            pytest.skip("the suite knows no password of that role")
        name = connection.settings_dict["NAME"]
        with psycopg.connect(url, dbname=name, autocommit=True) as runtime:
            for statement in (
                "ALTER TABLE audit_auditevent DISABLE TRIGGER ALL",
                "DROP TRIGGER audit_append_only ON audit_auditevent",
                "SET session_replication_role = replica",
                "DELETE FROM audit_auditevent",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    runtime.execute(statement)

    def _may(self, role, right):
        with connection.cursor() as cursor:
            cursor.execute("SELECT has_table_privilege(%s, 'audit_auditevent', %s)", [role, right])
            return cursor.fetchone()[0]
