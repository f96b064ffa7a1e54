"""One event in the transaction of each change."""

from contextlib import contextmanager

import pytest
from django.db import transaction

from accounts import flows as accounts
from accounts.models import Role
from audit import recorder
from audit.events import Event
from audit.models import AuditEvent
from core.ids import new_id
from idp.grants import authorization_code, refresh_token
from idp.models import RefreshFamily
from idp.storage import database
from tests import cast
from tests.support import oauth

pytestmark = pytest.mark.django_db


def record(acme, now, **values):
    return recorder.record(Event.ROLE_CREATED, organisation_id=acme.id, now=now, **values)


class TestRecord:
    def test_it_writes_who_what_when_and_where(self, acme, employee, now):
        session_id, device_id = new_id(), new_id()

        event = record(
            acme, now, actor=employee.user, subject="accounts.Role:7", session_id=session_id,
            device_id=device_id, address="203.0.113.9", role="clerk",
        )  # fmt: skip

        stored = AuditEvent.objects.get(id=event.id)
        assert (stored.at, stored.event) == (now, "accounts.role.created")
        assert stored.organisation_id == acme.id
        assert stored.actor == f"accounts.User:{employee.user.pk}"
        assert stored.subject == "accounts.Role:7"
        assert (stored.session_id, stored.device_id) == (session_id, device_id)
        assert (stored.address, stored.facts) == ("203.0.113.9", {"role": "clerk"})

    def test_facts_become_json_text_where_json_has_no_word(self, acme, now):
        some_id = new_id()

        event = record(acme, now, family=some_id, ends_at=now, nothing=None, many=("a", "b"))

        assert AuditEvent.objects.get(id=event.id).facts == {
            "family": str(some_id), "ends_at": str(now), "nothing": None, "many": ["a", "b"],
        }  # fmt: skip

    def test_events_of_one_cause_share_a_transaction_id(self, acme, now):
        token = recorder.transaction_id.set(new_id())
        try:
            first, second = record(acme, now), record(acme, now)
        finally:
            recorder.transaction_id.reset(token)

        assert first.transaction_id == second.transaction_id
        assert record(acme, now).transaction_id != first.transaction_id

    def test_the_address_of_the_request_is_taken_where_none_is_given(self, acme, now):
        token = recorder.request_address.set("198.51.100.4")
        try:
            assert record(acme, now).address == "198.51.100.4"
            assert record(acme, now, address="203.0.113.9").address == "203.0.113.9"
        finally:
            recorder.request_address.reset(token)

    def test_a_raw_insert_writes_the_same_row(self, acme, employee, now):
        session_id = new_id()
        with database.unit() as unit:
            recorder.insert(
                unit.cursor, Event.CODE_REDEEMED, organisation_id=acme.id, now=now,
                actor=f"accounts.User:{employee.user.pk}", subject="idp.Client:1",
                session_id=session_id, address="203.0.113.9", facts={"family": session_id},
            )  # fmt: skip

        stored = AuditEvent.objects.get(event=Event.CODE_REDEEMED)
        assert (stored.at, stored.organisation_id) == (now, acme.id)
        assert (stored.session_id, stored.address) == (session_id, "203.0.113.9")
        assert stored.facts == {"family": str(session_id)}

    def test_every_column_is_written_by_the_raw_insert(self):
        columns = {field.column for field in AuditEvent._meta.concrete_fields}

        assert all(column in recorder.INSERT for column in columns)


class TestOneTransaction:
    def test_a_change_that_is_undone_leaves_no_event(self, acme, now):
        with pytest.raises(RuntimeError), transaction.atomic():
            accounts.create_role(organisation=acme, name="clerk", now=now)
            raise RuntimeError

        assert not AuditEvent.objects.filter(event=Event.ROLE_CREATED).exists()

    def test_a_change_that_cannot_be_written_down_does_not_happen(self, acme, now, broken_audit):
        with pytest.raises(broken_audit):
            accounts.create_role(organisation=acme, name="clerk", now=now)

        assert not Role.objects.within(acme).exists()

    def test_nor_does_one_of_a_machine_endpoint(self, client, employee, acme_web, broken_insert):
        session = cast.sign_in(client, employee)
        code = oauth.issue_code(acme_web, session)

        with broken_insert():
            reply = oauth.redeem(acme_web, code)

        assert (reply.status, reply.error) == (500, "server_error")
        assert not RefreshFamily.unscoped.exists()
        assert oauth.redeem(acme_web, code).status == 200

    @pytest.mark.django_db(transaction=True)
    def test_nor_a_refresh(self, client, employee, acme_web, broken_insert):
        session = cast.sign_in(client, employee)
        tokens = oauth.redeem(acme_web, oauth.issue_code(acme_web, session)).json

        with broken_insert():
            assert oauth.refresh(acme_web, tokens["refresh_token"]).status == 500

        assert RefreshFamily.unscoped.get().generation == 0
        assert oauth.refresh(acme_web, tokens["refresh_token"]).status == 200

    @pytest.fixture
    def broken_audit(self, monkeypatch):
        class Full(Exception):  # noqa: N818
            pass

        def fail(**_):
            raise Full

        monkeypatch.setattr(AuditEvent.objects, "create", fail)
        return Full

    @pytest.fixture
    def broken_insert(self, monkeypatch):
        """The database itself refuses audit rows for a while."""

        @contextmanager
        def broken():
            with monkeypatch.context() as patch:
                for module, name in (
                    (authorization_code, "REDEEM_CODE"),
                    (refresh_token, "ROTATE"),
                    (refresh_token, "ROTATE_AND_TOUCH"),
                    (refresh_token, "ROTATE_AS_SEEN"),
                    (refresh_token, "ROTATE_AS_SEEN_AND_TOUCH"),
                ):
                    statement = getattr(module, name)
                    assert "SELECT %(event_id)s" in statement
                    broken = statement.replace("%(event_id)s", "no_such_function(%(event_id)s)")
                    patch.setattr(module, name, broken)
                yield

        return broken


def test_a_reference_names_the_model_and_the_row(employee):
    assert recorder.ref(employee.user) == f"accounts.User:{employee.user.pk}"
