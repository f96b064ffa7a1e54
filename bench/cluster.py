"""The PostgreSQL of a run: one cluster for all peers, a database each, every durability on.

It is the product's embedded server, under var/bench and of nobody else, with the memory that a
benchmark wants. Each run begins with empty databases.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from config.embedded import Services, ensure_services
from config.embedded.postgres import DATABASE, ROOT_ROLE

# random_page_cost: as the product sets it on its own connections, so that the peer has it, too.
TUNED = {"shared_buffers": "512MB", "max_wal_size": "4GB", "random_page_cost": "1.1"}

# What the run states, in the order printed. The first three must be on.
SHOWN = (
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "shared_buffers",
    "max_wal_size",
    "random_page_cost",
    "max_connections",
    "server_version",
)
DURABLE = SHOWN[:3]


@dataclass(frozen=True, kw_only=True)
class Cluster:
    host: str
    port: int
    user: str
    password: str
    postmaster: int

    @classmethod
    def at(cls, conninfo: str) -> "Cluster":
        """Find the cluster behind a superuser's connection string; it must run on this machine."""
        with psycopg.connect(conninfo) as connection:
            backend = connection.info.backend_pid
            stat = Path(f"/proc/{backend}/stat").read_text().rpartition(")")[2].split()
            return cls(
                host=connection.info.host,
                port=connection.info.port,
                user=connection.info.user,
                password=connection.info.password,
                postmaster=int(stat[1]),
            )

    def tune(self) -> None:
        """Write the settings of a benchmark; they hold from the next start on."""
        with self.connect() as connection:
            for name, value in TUNED.items():
                connection.execute(
                    sql.SQL("ALTER SYSTEM SET {} = {}").format(
                        sql.Identifier(name), sql.Literal(value)
                    )
                )

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        return psycopg.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            dbname=database,
            autocommit=True,
        )

    def create_database(self, name: str) -> None:
        with self.connect() as connection:
            identifier = sql.Identifier(name)
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} (FORCE)").format(identifier))
            connection.execute(sql.SQL("CREATE DATABASE {}").format(identifier))

    def drop_database(self, name: str) -> None:
        with self.connect() as connection:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} (FORCE)").format(sql.Identifier(name))
            )

    def settle(self) -> None:
        """Write what seeding left behind now, so that the timed part does not pay for it."""
        with self.connect() as connection:
            connection.execute("CHECKPOINT")

    def settings(self) -> dict[str, str]:
        """The settings that a reader needs to judge the figures; refuses a cluster that cheats."""
        with self.connect() as connection:
            listed = connection.execute(
                "SELECT name, current_setting(name) FROM unnest(%s::text[]) AS name", [list(SHOWN)]
            ).fetchall()
        shown: dict[str, str] = dict(listed)
        weak = [name for name in DURABLE if shown[name] != "on"]
        if weak:
            raise RuntimeError(f"PostgreSQL runs with {', '.join(weak)} off; a figure from it lies")
        return shown


@contextmanager
def own_cluster(folder: Path) -> Iterator[tuple[Cluster, Services]]:
    """Serve a cluster for one run, tuned, the product's database empty; stop it at the end."""
    with _only_run(folder):
        for name in [name for name in os.environ if name.startswith("SALLYPORT_")]:
            del os.environ[name]  # A configured server is somebody's; it is not measured.
        services = ensure_services(folder)
        try:
            cluster = Cluster.at(_root_url(folder))
            cluster.drop_database(DATABASE)
            cluster.tune()
            services.stop()
            services = ensure_services(folder)  # Tuned, and with the product's database again.
            yield Cluster.at(_root_url(folder)), services
        finally:
            services.stop()


@contextmanager
def _only_run(folder: Path) -> Iterator[None]:
    """Two runs at once would measure each other."""
    with (folder / "bench.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit("another benchmark is running here: wait for it to end") from None
        yield


def _root_url(folder: Path) -> str:
    password = (folder / "secrets" / "postgres_root_password").read_text().strip()
    sockets = json.loads((folder / "embedded.json").read_text())["sockets"]
    return f"postgresql://{ROOT_ROLE}:{password}@/postgres?host={quote(sockets)}"
