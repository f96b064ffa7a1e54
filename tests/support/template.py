"""One migrated database for a set of migrations, which others are copied from in some 100 ms.

    with template.lock(owner_url) as connection:
        name = template.ensure(connection, owner_url=owner_url, environment=os.environ)
        template.copy(connection, name, to="another")

All processes of a run share it, whatever their own database is called.
"""

import hashlib
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from config.children import PROJECT, manage_command
from tests.support import slots

DROP_SECONDS = 30
LOCK = 1
KEYS = "SALLYPORT_KEY_ENCRYPTION_KEYS"


@contextmanager
def lock(owner_url: str) -> Iterator[psycopg.Connection]:
    """Be the only one on the server that makes, drops or copies a template."""
    url = slots.with_database(owner_url, "postgres")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s, 0)", [slots.LOCK_FAMILY + LOCK])
        yield connection


def ensure(
    connection: psycopg.Connection, *, owner_url: str, environment: Mapping[str, str]
) -> str:
    """The name of a migrated database for today's migrations, made if it is not there.

    environment: the variables of a process of the product, whichever its database.
    """
    name = f"sallyport_template_{_digest(owner_url, environment)}"
    row = connection.execute(
        "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [name]
    ).fetchone()
    if row == ("complete",):
        return name
    old = connection.execute(
        "SELECT datname FROM pg_database WHERE datname LIKE 'sallyport\\_template\\_%'"
    ).fetchall()
    for (other,) in old:
        drop(connection, other)
    connection.execute(_statement("CREATE DATABASE {}", name))
    answer = subprocess.run(
        manage_command("migrate", "--no-input", "-v", "0"),
        cwd=PROJECT,
        env={**environment, "SALLYPORT_DATABASE_URL": slots.with_database(owner_url, name)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode != 0:
        raise RuntimeError(f"the template cannot be migrated:\n{answer.stdout}{answer.stderr}")
    connection.execute(_statement("COMMENT ON DATABASE {} IS 'complete'", name))
    return name


def copy(connection: psycopg.Connection, name: str, *, to: str) -> None:
    """Make a database anew from a template."""
    drop(connection, to)
    connection.execute(_statement("CREATE DATABASE {} TEMPLATE {}", to, name))


def drop(connection: psycopg.Connection, name: str) -> None:
    """Drop a database, once no vacuum of the server's own works in it: that cannot be ended."""
    deadline = time.monotonic() + DROP_SECONDS
    while True:
        try:
            connection.execute(_statement("DROP DATABASE IF EXISTS {} WITH (FORCE)", name))
        except psycopg.errors.InsufficientPrivilege:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return


def _digest(owner_url: str, environment: Mapping[str, str]) -> str:
    """A name for the migrations; rows that they seal depend on the key-encryption keys."""
    keys = environment.get(KEYS) or Path(environment[f"{KEYS}_FILE"]).read_text()
    digest = hashlib.sha256(keys.strip().encode())
    digest.update(slots.with_database(owner_url, "postgres").encode())
    for path in sorted(PROJECT.glob("*/migrations/*.py")):
        digest.update(path.as_posix().encode() + path.read_bytes())
    digest.update((PROJECT / "requirements.txt").read_bytes())
    return digest.hexdigest()[:12]


def _statement(text: str, *names: str) -> sql.Composed:
    return sql.SQL(text).format(*(sql.Identifier(name) for name in names))
