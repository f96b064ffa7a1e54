"""What stands in the database, for tests that nothing of it changes."""

from collections.abc import Collection

from django.apps import apps
from django.db import connection

# What any request may move: when somebody was last seen, cookie sessions, what limits count.
MOVING = frozenset({
    "django_session", "idp_sessions_loginsession", "axes_accessattempt",
    "axes_accessattemptexpiration", "idp_authorizationrequest", "mfa_passkeychallenge",
})  # fmt: skip


def snapshot(*, leave_out: Collection[str] = MOVING) -> dict[str, set[str]]:
    """Every row of every table, as text."""
    tables = {model._meta.db_table for model in apps.get_models()} - set(leave_out)
    rows = {}
    with connection.cursor() as cursor:
        for table in sorted(tables):
            cursor.execute(f'SELECT t::text FROM "{table}" t')
            rows[table] = {text for (text,) in cursor.fetchall()}
    return rows


def changed(before: dict[str, set[str]], *, leave_out: Collection[str] = MOVING) -> list[str]:
    """The tables that are not as they were."""
    after = snapshot(leave_out=leave_out)
    return [table for table, rows in before.items() if rows != after[table]]
