"""The launcher under accidents: doubled, killed, orphaned, cut off in the middle."""

import os
import re
import signal
import socket
import subprocess
import threading
from pathlib import Path

import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from config.embedded import Unusable, attach_services, ensure_services, processes, valkey
from config.embedded.paths import Places
from config.embedded.services import serving_pids
from tests.config.embedded import (
    as_user,
    children_of,
    connect,
    data_folder,
    kill_all,
    launcher,
    said_by_start,
    start,
    superuser,
    wait_until,
)


class TestStarting:
    def test_two_starts_at_once_give_one_start_and_one_adoption(self, empty_var: Path) -> None:
        both = [launcher(empty_var), launcher(empty_var)]

        said = [process.communicate(timeout=60)[0] for process in both]

        assert sum("initialised and started" in each for each in said) == 1
        assert sum("adopted" in each for each in said) == 1
        assert set(serving_pids(Places(empty_var))) == {"postgres", "valkey"}

    def test_it_says_version_origin_and_place_in_one_line_per_service(
        self, empty_var: Path
    ) -> None:
        said = said_by_start(empty_var).splitlines()

        assert re.match(
            r"PostgreSQL \d+\.\d+ \(.+\): initialised and started.*, data in /", said[0]
        )
        assert re.match(r"Valkey \d+\.\d+\.\d+ \(.+\): started.*, data in /", said[1])

    def test_a_first_start_killed_in_the_middle_leaves_nothing_that_starts(
        self, empty_var: Path
    ) -> None:
        process = launcher(empty_var)
        postgres = empty_var / "postgres"
        wait_until(lambda: bool(list(postgres.glob("data.new-*/PG_VERSION"))))

        for child in children_of(process.pid):
            os.kill(child, signal.SIGKILL)
        process.kill()
        process.communicate()

        assert not (postgres / "data").exists()
        assert set(start(empty_var)) == {"postgres", "valkey"}
        assert [path.name for path in postgres.iterdir()] == ["data"]

    def test_a_start_cut_off_before_the_roles_are_made_goes_on_from_there(self, var: Path) -> None:
        start(var)
        with connect(var) as owner:
            owner.execute("DROP OWNED BY CURRENT_USER")
        with superuser(var) as root:
            root.execute("COMMENT ON DATABASE sallyport IS NULL")
            root.execute("ALTER ROLE sallyport_app PASSWORD NULL")

        start(var)

        with connect(var, "database_url") as runtime:
            assert runtime.execute("SELECT current_user").fetchone() == ("sallyport_app",)

    def test_lost_passwords_are_refused_by_name_and_never_replaced(self, var: Path) -> None:
        start(var)
        (var / "secrets" / "postgres_root_password").unlink()

        with pytest.raises(Unusable, match=r"postgres_root_password is missing.*restore the file"):
            ensure_services(var)

        assert not (var / "secrets" / "postgres_root_password").exists()

    def test_a_lost_key_is_refused_while_there_are_data_that_it_seals(self, var: Path) -> None:
        start(var)
        (var / "secrets" / "key_encryption_keys").unlink()

        with pytest.raises(Unusable, match="key_encryption_keys is missing"):
            ensure_services(var)

    def test_a_wrong_password_is_refused_with_what_to_do(self, var: Path) -> None:
        start(var)
        (var / "secrets" / "postgres_root_password").write_text("wrong\n")

        with pytest.raises(Unusable, match="does not accept the stored password"):
            ensure_services(var)

    def test_production_makes_no_secrets_of_its_own(self, var: Path) -> None:
        for name in ("secret_key", "key_encryption_keys"):
            (var / "secrets" / name).unlink()

        said_by_start(var, SALLYPORT_ENVIRONMENT="production")

        assert not (var / "secrets" / "secret_key").exists()
        assert not (var / "secrets" / "key_encryption_keys").exists()

    def test_a_library_variable_of_the_shell_steers_nothing(self, empty_var: Path) -> None:
        said = said_by_start(
            empty_var, PGHOST="nowhere.example", PGSERVICE="none", PGOPTIONS="-c bad=1"
        )

        assert "initialised and started" in said


class TestAdopting:
    def test_servers_outlive_a_killed_launcher_and_are_adopted(self, var: Path) -> None:
        first = start(var)  # the launcher has ended: its servers are orphans

        with ensure_services(var) as services:
            second = serving_pids(Places(var))

        assert first == second
        assert all("adopted" in line for line in services.lines)

    def test_the_short_lived_launcher_answers_the_same(self, var: Path) -> None:
        with ensure_services(var) as services, attach_services(var) as attached:
            assert attached.environment() == services.environment()

    def test_it_is_waited_for_until_it_has_read_its_file(
        self, var: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with ensure_services(var):
            at_once = Retry(NoBackoff(), 0)
            store = redis.Redis.from_url((var / "secrets" / "redis_url").read_text(), retry=at_once)
            with store.pipeline() as many:
                for _ in range(20_000):
                    many.incr("counted")
                many.execute()
        slowly = f"{valkey.SETTINGS}key-load-delay 100\n"
        monkeypatch.setattr(valkey, "SETTINGS", slowly)

        with ensure_services(var):
            assert store.get("counted") == b"20000"

    def test_a_hanging_valkey_is_not_taken_over(self, var: Path) -> None:
        pid = start(var)["valkey"]
        os.kill(pid, signal.SIGSTOP)

        try:
            with pytest.raises(Unusable, match=r"unknown server listens on .*valkey\.sock"):
                ensure_services(var)
        finally:
            os.kill(pid, signal.SIGCONT)

    def test_a_stranger_on_the_socket_is_not_taken_over(self, var: Path) -> None:
        os.kill(start(var)["valkey"], signal.SIGKILL)
        path = var / "run" / "valkey.sock"
        path.unlink()
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.bind(str(path))
            stranger.listen()
            threading.Thread(target=stranger.accept, daemon=True).start()

            with pytest.raises(Unusable, match="unknown server listens"):
                ensure_services(var)


class TestStaleLocks:
    def test_the_number_of_a_stranger_of_the_same_account_is_no_server(self, var: Path) -> None:
        pids = start(var)
        account = Path(f"/proc/{pids['postgres']}").stat()
        kill_all(pids)
        sleeper = subprocess.Popen(["sleep", "60"], **as_user(account.st_uid, account.st_gid))
        lock = var / "postgres" / "data" / "postmaster.pid"
        socket_lock = var / "run" / ".s.PGSQL.5432.lock"
        for path in (lock, socket_lock):
            lines = path.read_text().splitlines()
            path.write_text("\n".join([str(sleeper.pid), *lines[1:]]) + "\n")

        try:
            again = start(var)
        finally:
            sleeper.kill()
            sleeper.wait()

        assert set(again) == {"postgres", "valkey"}

    def test_the_number_of_another_instances_server_is_not_ours(
        self, var: Path, seed: Path
    ) -> None:
        kill_all(start(var))
        lock = var / "postgres" / "data" / "postmaster.pid"
        with data_folder(like=seed) as other_folder:
            other = start(other_folder)
            lines = lock.read_text().splitlines()
            lock.write_text("\n".join([str(other["postgres"]), *lines[1:]]) + "\n")

            ours = start(var)

            assert ours["postgres"] != other["postgres"]
            assert serving_pids(Places(other_folder)) == other


class TestCrashes:
    def test_kill_minus_nine_of_everything_loses_no_committed_row(self, var: Path) -> None:
        pids = start(var)
        with connect(var) as owner:
            owner.execute("CREATE TABLE ledger (number int)")
        committed: list[int] = []

        def write() -> None:
            try:
                with connect(var, "database_url") as runtime:
                    for number in range(100_000):
                        runtime.execute("INSERT INTO ledger VALUES (%s)", [number])
                        committed.append(number)
            except psycopg.OperationalError:
                pass

        writer = threading.Thread(target=write)
        writer.start()
        wait_until(lambda: len(committed) > 50)
        kill_all(pids)
        writer.join()

        start(var)

        with connect(var) as owner:
            found = {row[0] for row in owner.execute("SELECT number FROM ledger")}
        assert found >= set(committed)

    def test_a_killed_postmaster_is_followed_by_a_new_one(self, var: Path) -> None:
        pids = start(var)
        connection = connect(var)
        os.kill(pids["postgres"], signal.SIGKILL)

        again = start(var)

        assert again["postgres"] != pids["postgres"]
        assert again["valkey"] == pids["valkey"]
        connection.close()

    def test_the_queue_survives_kill_minus_nine(self, var: Path) -> None:
        pids = start(var)
        url = (var / "secrets" / "redis_url").read_text().strip()
        with redis.Redis.from_url(url) as store:
            store.set("kept", "yes")
            store.execute_command("WAITAOF", 1, 0, 2000)
        os.kill(pids["valkey"], signal.SIGKILL)
        wait_until(lambda: not processes.is_running(pids["valkey"]))

        start(var)

        with redis.Redis.from_url(url) as store:
            assert store.get("kept") == b"yes"


class TestStopping:
    def test_the_last_user_stops_the_servers(self, var: Path) -> None:
        first, second = ensure_services(var), ensure_services(var)
        pids = serving_pids(Places(var))

        assert first.stop() is False
        assert serving_pids(Places(var)) == pids
        assert second.stop() is True
        assert serving_pids(Places(var)) == {}

    def test_open_connections_do_not_hold_it_up_and_nothing_is_lost(self, var: Path) -> None:
        services = ensure_services(var)
        with connect(var) as idle:
            idle.execute("SELECT 1")

            assert services.stop() is True

        assert "database system is shut down" in (var / "log" / "postgres.log").read_text()
        assert list((var / "run").iterdir()) == []

    def test_up_keeps_them_for_later_users_until_down(self, var: Path) -> None:
        launcher(var, "up").communicate(timeout=60)

        with ensure_services(var):
            pass
        assert set(serving_pids(Places(var))) == {"postgres", "valkey"}

        said, _ = launcher(var, "down").communicate(timeout=60)
        assert "Valkey: stopped" in said.splitlines()[0]
        assert "PostgreSQL: stopped" in said.splitlines()[1]
        assert serving_pids(Places(var)) == {}


class TestConfiguredServers:
    def test_configured_urls_start_nothing_and_say_what_lies_unused(self, var: Path) -> None:
        pids = start(var)
        kill_all(pids)

        said = said_by_start(
            var, SALLYPORT_DATABASE_URL="postgresql://x/y", SALLYPORT_REDIS_URL="redis://z"
        )

        assert "by SALLYPORT_DATABASE_URL, nothing started." in said
        assert f"The embedded data in {var}/postgres/data exist and are not used." in said
        assert "by SALLYPORT_REDIS_URL, nothing started." in said
        assert serving_pids(Places(var)) == {}

    def test_one_of_the_two_may_be_configured(self, var: Path) -> None:
        (var / "secrets" / "database_url").unlink()

        said_by_start(var, SALLYPORT_DATABASE_URL="postgresql://x/y")

        assert set(serving_pids(Places(var))) == {"valkey"}
        assert not (var / "secrets" / "database_url").exists()

    def test_our_own_files_in_the_environment_are_no_configuration(self, var: Path) -> None:
        start(var)
        said, _ = launcher(var, "env").communicate(timeout=60)
        exported = dict(line.removeprefix("export ").split("=", 1) for line in said.splitlines())

        assert exported["SALLYPORT_ENVIRONMENT"] == "development"
        assert "adopted" in said_by_start(var, **exported)
