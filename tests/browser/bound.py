"""Looks at, and lets time pass for, the key that somebody's session is bound to."""

import time

from tests.browser.people import Person
from tests.support.instance import Instance

PATIENCE_SECONDS = 20
NEWEST = (
    "SELECT s.id FROM idp_sessions_loginsession s JOIN accounts_user u ON u.id = s.user_id "
    "WHERE u.email = %s AND s.ended_at IS NULL ORDER BY s.binding <> '' DESC, s.id DESC LIMIT 1"
)


def binding_of(instance: Instance, who: Person) -> str:
    """How the session is bound; "" for not."""
    with instance.connect() as connection:
        row = connection.execute(
            f"SELECT binding FROM idp_sessions_loginsession WHERE id = ({NEWEST})", [who.email]
        ).fetchone()
    assert row is not None, f"{who.email} is not signed in"
    return str(row[0])


def wait_for_binding(instance: Instance, who: Person) -> str:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if binding := binding_of(instance, who):
            return binding
        time.sleep(0.05)
    return ""


def age_proof(instance: Instance, who: Person, *, minutes: int = 3) -> None:
    """The key was last shown so long ago."""
    _change(
        instance,
        "UPDATE idp_sessions_loginsession SET proven_at = proven_at - make_interval(mins => %s) "
        f"WHERE id = ({NEWEST})",
        [minutes, who.email],
    )


def end_first_moments(instance: Instance, who: Person) -> None:
    """Right after binding a cookie is not needed yet; that is over."""
    _change(
        instance,
        "UPDATE idp_sessions_boundkey SET former_ends_at = statement_timestamp() "
        f"WHERE session_id = ({NEWEST})",
        [who.email],
    )


def end_cookie(instance: Instance, who: Person) -> None:
    """The ten minutes of the bound cookie, and of the one before it, are over."""
    _change(
        instance,
        "UPDATE idp_sessions_boundkey SET cookie_ends_at = statement_timestamp(), "
        f"former_ends_at = statement_timestamp() WHERE session_id = ({NEWEST})",
        [who.email],
    )


def _change(instance: Instance, statement: str, values: list[object]) -> None:
    with instance.connect() as connection:
        assert connection.execute(statement, values).rowcount == 1
