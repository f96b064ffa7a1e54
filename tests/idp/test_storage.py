"""The raw statements fit the tables that migrations made, and find their rows by an index."""

import json
import re
from contextlib import suppress
from datetime import timedelta
from importlib import import_module
from pkgutil import iter_modules
from uuid import UUID

import psycopg
import pytest
from django.apps import apps
from django.db import connection
from psycopg.pq import TransactionStatus

from accounts import budget
from audit import recorder
from core import clock
from idp import storage
from idp.storage import database, parts
from sessions import evaluation, rights

pytestmark = pytest.mark.django_db

STATEMENTS = {
    name: text
    for module in iter_modules(storage.__path__)
    for name, text in vars(import_module(f"idp.storage.{module.name}")).items()
    if isinstance(text, str)
    and not name.startswith("_")
    and re.search(r"\b(SELECT|UPDATE|INSERT)\b", text)
    and name not in vars(parts)
}
OTHERS = {
    "sessions.COLLECT": evaluation.COLLECT,
    "sessions.FIND_DATED": rights.FIND_DATED,
    "audit.INSERT": recorder.INSERT,
    "budget.COUNT": budget.COUNT,
}
ID = UUID(int=1)
VALUES = {
    "address": "203.0.113.7", "bound_to": "{}", "caller": ID, "challenge": "c" * 43, "client": ID,
    "client_id": "acme-web", "event_id": ID, "scope": "roles", "clock_offset": timedelta(0), "current": b"c", "digest": b"d",
    "event": "a.b.c", "actor": "", "facts": "{}", "failures": 20,
    "family": ID, "id": ID, "issues_refresh": True, "jti": "j", "key": b"k",
    "lifetime": timedelta(days=7), "new": b"n", "organisation_id": ID,
    "parameters": "{}", "presented": b"p", "proof": b"p", "reason": "policy", "redirect_uri": "https://x", "sealed": b"s",
    "interval": 5, "slow_down": 5, "user_agent": "", "user_code_digest": b"u", "user_code_head": b"h",
    "grants": [str(ID)], "candidates": [1, 2], "list": ID, "stem": ID, "alg": "ES256", "expires": 1,
    "open_for": timedelta(days=1), "kept_for": timedelta(hours=2),
    "session": ID, "terms": "{}", "user": ID,
    "session_id": ID, "subject": "", "total": 100, "transaction_id": ID,
    "addresses": ["203.0.113.7"], "ids": [ID], "emails": ["a@acme.example"], "usernames": ["alice"], "workloads": ["acme-web"], "type": "record",
    "types": ["record"], "names": ["1"], "wanted_types": ["record", "*"], "after": str(ID), "most": 100,
    "sessions": [ID], "organisation": ID,
    "origin": "https://wiki.acme.example", "host": ID, "former": b"f", "cookie": b"c", "seen_from": b"s",
    "standing": "",
    "reasons": "[]", "decision_id": "", "revision": "",
    "used": b"u", "from_address": "203.0.113.7", "client_name": None,
    "required_acr": "", "required_tier": 0, "scope_tiers": "{}",
}  # fmt: skip
VALUES |= dict.fromkeys(
    (
        "at", "now", "changed_at", "expires_at", "window_began", "used_until", "judged_as_of",
        "last_used_at", "proven_at",
    ),
    clock.now(),
)  # fmt: skip
# Tables that grow with use. The others are small, or read whole.
LARGE = [
    "idp_authorizationcode", "idp_refreshfamily", "idp_sessions_loginsession", "accounts_user",
    "idp_revokedtoken", "idp_spentproof", "idp_listedtoken", "account_emailaddress", "accounts_roleassignment",
    "idp_forwardcode", "idp_forwardsession",
    "accounts_lock", "devices_browser", "devices_device", "risk_userrisk", "access_workloadrole",
]  # fmt: skip


def plan(statement: str) -> str:
    """The plan of a statement that is only looked at, with indexes preferred."""
    with database.unit() as unit:
        unit.cursor.execute("SET LOCAL enable_seqscan = off", {})
        row = unit.cursor.one(f"EXPLAIN (FORMAT JSON) {statement}", VALUES)
        return json.dumps(row)


def test_no_statement_is_forgotten():
    assert set(STATEMENTS) == {
        "REDEEM_CODE", "FIND_CODE", "ROTATE", "ROTATE_AND_TOUCH",
        "ROTATE_AS_SEEN", "ROTATE_AS_SEEN_AND_TOUCH", "FIND_FAMILY", "FIND_TOKEN", "FIND_TOKEN_TO_TELL",
        "FIND_MACHINE_TOKEN",
        "REVOKE_FAMILY", "REVOKE_TOKEN", "FIND_CLIENT", "ISSUE_TO_CLIENT",
        "SPEND_PROOF", "START_DEVICE", "POLL_DEVICE", "REDEEM_DEVICE", "FIND_DEVICE", "KEEP", "KEEP_AND_TOUCH",
        "POLL_BACKCHANNEL", "REDEEM_BACKCHANNEL", "FIND_BACKCHANNEL",
        "FIND_PROFILE", "FIND_SESSION", "PUSH_REQUEST", "PUSH_REQUEST_ONCE", "ENLIST_TOKEN", "CLOSE_STATUS_LIST", "OPEN_STATUS_LIST",
        "FIND_STATUS_LIST", "FIND_STATUS_LISTS",
        "FIND_GROUPS", "FACTS", "FIND_USERS", "FIND_USERS_BY_EMAIL", "FIND_USERS_BY_USERNAME", "FIND_WORKLOADS", "FIND_RESOURCES",
        "FIND_SESSIONS", "FIND_ACTIVE_POLICY",
        "FIND_PROXIED", "FIND_PROXIED_HOST", "FIND_FOR_SIGN_IN", "REDEEM_FORWARD_CODE", "END_FORWARD_SESSION",
        "NOTE_FORWARD_REFUSAL", "TOUCH_FORWARDED",
    }  # fmt: skip


@pytest.mark.parametrize(
    "statement", [*STATEMENTS.values(), *OTHERS.values()], ids=[*STATEMENTS, *OTHERS]
)
def test_every_table_and_column_exists(statement):
    assert "Plan" in plan(statement)


@pytest.mark.parametrize("statement", STATEMENTS.values(), ids=STATEMENTS)
def test_rows_are_found_by_an_index(statement):
    found = json.loads(plan(statement))

    def scans(node):
        if isinstance(node, dict):
            if node.get("Node Type") == "Seq Scan":
                yield node["Relation Name"]
            for value in node.values():
                yield from scans(value)
        elif isinstance(node, list):
            for value in node:
                yield from scans(value)

    assert not set(scans(found)) & set(LARGE)


@pytest.mark.parametrize(
    "statement", [STATEMENTS["FIND_FAMILY"], STATEMENTS["ROTATE_AS_SEEN"], evaluation.COLLECT]
)
def test_what_a_session_stands_on_is_looked_up_row_by_row(statement):
    """However few rows there are: a join of another kind reads all sessions for one of them."""
    with database.unit() as unit:
        unit.cursor.execute("SET LOCAL enable_nestloop = off", {})
        row = unit.cursor.one(f"EXPLAIN (FORMAT JSON) {statement}", VALUES)
    nodes = set(re.findall("'Node Type': '([^']+)'", str(row)))

    assert "Nested Loop" in nodes
    assert not nodes & {"Merge Join", "Hash Join"}


@pytest.mark.parametrize("name", STATEMENTS)
def test_tables_are_ours(name):
    ours = {model._meta.db_table for model in apps.get_models(include_auto_created=True)}
    named = set(re.findall(r"\b(?:FROM|JOIN|INTO|UPDATE) ([a-z]+_[a-z_]+)", STATEMENTS[name]))

    assert named <= ours


@pytest.mark.parametrize("name", STATEMENTS)
def test_nothing_is_compared_with_the_clock_of_the_process(name):
    """What claims or expires compares with the database's clock, moved by the offset alone."""
    assert not re.search(r"expires_at [<>=]+ %\(", STATEMENTS[name])
    assert "CURRENT_TIMESTAMP" not in STATEMENTS[name].upper()


class TestUnit:
    def test_a_refusal_undoes_what_was_done(self, acme):
        with database.unit() as unit:
            unit.cursor.execute("UPDATE accounts_organisation SET name = %(n)s", {"n": "Changed"})
            unit.refused = True

        acme.refresh_from_db()
        assert acme.name == "Acme"

    def test_so_does_an_exception(self, acme):
        with pytest.raises(RuntimeError), database.unit() as unit:
            unit.cursor.execute("UPDATE accounts_organisation SET name = %(n)s", {"n": "Changed"})
            raise RuntimeError

        acme.refresh_from_db()
        assert acme.name == "Acme"

    def test_else_it_stays(self, acme):
        with database.unit() as unit:
            unit.cursor.execute("UPDATE accounts_organisation SET name = %(n)s", {"n": "Changed"})

        acme.refresh_from_db()
        assert acme.name == "Changed"

    def test_without_a_statement_there_is_no_transaction(self, django_assert_num_queries):
        with django_assert_num_queries(0), database.unit() as unit:
            unit.refused = True


RENAME = "UPDATE accounts_organisation SET name = %(n)s"


@pytest.mark.django_db(transaction=True)
class TestUnitByItself:
    """What is no savepoint of a test, but the transaction that a request has."""

    def test_it_is_committed_at_its_end(self, acme):
        with database.unit() as unit:
            unit.cursor.execute(RENAME, {"n": "Changed"})
            assert database.raw_connection().info.transaction_status == TransactionStatus.INTRANS

        assert database.raw_connection().info.transaction_status == TransactionStatus.IDLE
        connection.close()
        acme.refresh_from_db()
        assert acme.name == "Changed"

    def test_a_refusal_undoes_it(self, acme):
        with database.unit() as unit:
            unit.cursor.execute(RENAME, {"n": "Changed"})
            unit.refused = True

        assert database.raw_connection().info.transaction_status == TransactionStatus.IDLE
        acme.refresh_from_db()
        assert acme.name == "Acme"

    def test_so_does_an_exception(self, acme):
        with pytest.raises(RuntimeError), database.unit() as unit:
            unit.cursor.execute(RENAME, {"n": "Changed"})
            raise RuntimeError

        assert database.raw_connection().info.transaction_status == TransactionStatus.IDLE
        acme.refresh_from_db()
        assert acme.name == "Acme"

    def test_one_inside_it_is_undone_alone(self, acme, globex):
        rename = f"{RENAME} WHERE slug = %(s)s"
        with database.unit() as unit:
            unit.cursor.execute(rename, {"n": "Changed", "s": "acme"})
            with database.unit() as inner:
                inner.cursor.execute(rename, {"n": "Changed", "s": "globex"})
                inner.refused = True

        acme.refresh_from_db()
        globex.refresh_from_db()
        assert (acme.name, globex.name) == ("Changed", "Globex")

    def test_after_a_failure_that_was_swallowed_nothing_passes_for_committed(self, acme):
        with (
            pytest.raises(psycopg.errors.InFailedSqlTransaction),
            database.unit() as unit,
        ):
            unit.cursor.execute(RENAME, {"n": "Changed"})
            with suppress(psycopg.errors.DivisionByZero):
                unit.cursor.execute("SELECT 1 / %(zero)s", {"zero": 0})

        acme.refresh_from_db()
        assert acme.name == "Acme"

    def test_where_the_connection_breaks_the_failure_is_told_and_the_next_goes_on(self, acme):
        with pytest.raises(psycopg.OperationalError), database.unit() as unit:
            unit.cursor.execute(RENAME, {"n": "Changed"})
            pid = database.raw_connection().info.backend_pid
            with psycopg.connect(**connection.get_connection_params()) as other:
                other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
            unit.cursor.execute("SELECT 1", {})

        with database.unit() as unit:
            found = unit.cursor.one("SELECT name FROM accounts_organisation", {})
        assert found == {"name": "Acme"}


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_broke_is_replaced():
    first = database.raw_connection()
    first.close()

    second = database.raw_connection()

    assert second is not first
    assert second.execute("SELECT 1").fetchone() == (1,)
    assert connection.is_usable()
