"""The PostgreSQL of a run: one cluster for all peers, a database each, every durability on."""

from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

# What the run states, in the order printed. The first three must be on.
SHOWN = (
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "shared_buffers",
    "max_wal_size",
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
