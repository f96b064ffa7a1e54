"""What the posture agent sees of a Linux machine, and that it never guesses."""

from pathlib import Path

import pytest

from core import clock
from examples.posture_agent.collect import collect
from examples.posture_agent.machine import Machine, this_machine
from tests.support.laptops import debian_laptop, encrypt, put, says

SECURE_BOOT = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
PLAN = "apt-get --simulate --option Debug::NoLocking=true upgrade"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return debian_laptop(tmp_path / "laptop")


def seen(root: Path) -> dict[str, dict]:
    report = collect(this_machine(root), key_storage="software", now=clock.now())
    return {check["id"]: check for check in report["checks"]}


def status(root: Path, check: str) -> str:
    return seen(root)[check]["status"]


def test_a_healthy_laptop(root: Path) -> None:
    checks = seen(root)

    assert {name: check["status"] for name, check in checks.items()} == {
        "hardware_key": "fail",
        "os_patch_age": "pass",
        "disk_encryption": "pass",
        "screen_lock": "pass",
        "endpoint_protection": "pass",
        "firewall": "pass",
        "secure_boot": "pass",
        "managed": "fail",
        "no_known_exploited_vulnerability": "missing",
        "rooted": "pass",
    }
    assert checks["os_patch_age"]["value"] == 2


def test_it_says_which_system(root: Path) -> None:
    report = collect(this_machine(root), key_storage="software", now=clock.now())

    assert report["os"] == {
        "name": "Debian GNU/Linux",
        "version": "12",
        "build": "6.1.0-28-amd64",
    }


def test_of_an_empty_machine_everything_is_missing(tmp_path: Path) -> None:
    checks = seen(tmp_path)

    assert checks.pop("hardware_key")["status"] == "fail"
    assert {check["status"] for check in checks.values()} == {"missing"}


def test_a_system_without_eyes_reports_everything_missing() -> None:
    machine = Machine(Path("/nowhere"), "other")
    report = collect(machine, key_storage="tpm", now=clock.now())

    statuses = {check["id"]: check["status"] for check in report["checks"]}
    assert statuses.pop("hardware_key") == "pass"
    assert set(statuses.values()) == {"missing"}


def test_the_makers_number_is_told_where_it_can_be_read(root: Path) -> None:
    report = collect(this_machine(root), key_storage="software", now=clock.now())
    assert "hardware" not in report

    put(root, "sys/class/dmi/id/product_serial", "5CD1234\n")
    put(root, "sys/class/dmi/id/product_uuid", "\n")

    report = collect(this_machine(root), key_storage="software", now=clock.now())
    assert report["hardware"] == {"serial": "5CD1234"}


def test_texts_are_cut_to_what_a_report_may_hold(root: Path) -> None:
    put(root, "etc/os-release", f'NAME="Debian\x07{"n" * 200}"\nVERSION_ID="12"\n')

    report = collect(this_machine(root), key_storage="software", now=clock.now())

    assert report["os"]["name"] == f"Debian{'n' * 94}"


class TestDiskEncryption:
    def test_off_fails(self, root: Path) -> None:
        encrypt(root, is_encrypted=False)

        assert status(root, "disk_encryption") == "fail"

    def test_one_plain_disk_below_is_enough_to_fail(self, root: Path) -> None:
        put(root, "sys/block/dm-2/slaves/sda2/dev", "8:2\n")

        assert status(root, "disk_encryption") == "fail"

    def test_a_plain_home_fails_though_the_root_is_encrypted(self, root: Path) -> None:
        put(
            root,
            "proc/mounts",
            "/dev/mapper/vg-root / ext4 rw 0 0\n/dev/nvme0n1p4 /home ext4 rw 0 0\n",
        )

        assert status(root, "disk_encryption") == "fail"

    def test_verified_is_not_encrypted(self, root: Path) -> None:
        put(root, "sys/block/dm-0/dm/uuid", "CRYPT-VERITY-aa-root\n")

        assert status(root, "disk_encryption") == "fail"

    @pytest.mark.parametrize(
        "mount",
        ["overlay / overlay rw 0 0", "tmpfs / tmpfs rw 0 0", "server:/export / nfs4 rw 0 0"],
        ids=["container", "live", "share"],
    )
    def test_what_shows_no_disk_is_missing(self, root: Path, mount: str) -> None:
        put(root, "proc/mounts", f"{mount}\n")

        assert status(root, "disk_encryption") == "missing"

    def test_an_unknown_mapping_is_missing(self, root: Path) -> None:
        put(root, "proc/mounts", "/dev/mapper/elsewhere / ext4 rw 0 0\n")

        assert status(root, "disk_encryption") == "missing"

    @pytest.mark.parametrize(
        ("encryption", "expected"), [("aes-256-gcm", "pass"), ("off", "fail")], ids=str
    )
    def test_zfs_says_it_itself(self, root: Path, encryption: str, expected: str) -> None:
        put(root, "proc/mounts", "rpool/ROOT / zfs rw 0 0\n")
        says(root, "zfs get -H -o value encryption rpool/ROOT", f"{encryption}\n")

        assert status(root, "disk_encryption") == expected

    def test_blanks_in_mount_points_are_read(self, root: Path) -> None:
        says(root, "env", "HOME=/data/my home/eve\n")
        put(
            root,
            "proc/mounts",
            "/dev/mapper/vg-root / ext4 rw 0 0\n/dev/sdb1 /data/my\\040home ext4 rw 0 0\n",
        )

        assert status(root, "disk_encryption") == "fail"

    def test_devices_that_stand_on_each_other_end_somewhere(self, root: Path) -> None:
        put(root, "sys/block/dm-0/dm/uuid", "LVM-x\n")
        put(root, "sys/block/dm-0/slaves/dm-0/dev", "254:0\n")

        assert status(root, "disk_encryption") == "fail"


class TestPatchAge:
    def test_fresh_lists_mend_nothing(self, root: Path) -> None:
        put(root, "var/lib/dpkg/status", days_old=200)

        assert seen(root)["os_patch_age"] | {"observed_at": ""} == {
            "id": "os_patch_age",
            "status": "fail",
            "value": 200,
            "observed_at": "",
        }

    def test_nothing_left_to_upgrade_is_as_fresh_as_the_lists(self, root: Path) -> None:
        put(root, "var/lib/dpkg/status", days_old=200)
        says(root, PLAN, "Reading package lists...\n0 upgraded, 0 newly installed\n")

        assert seen(root)["os_patch_age"]["value"] == 0

    def test_something_left_is_as_old_as_the_last_change(self, root: Path) -> None:
        put(root, "var/lib/dpkg/status", days_old=40)
        says(root, PLAN, "Inst openssl [3.0.14] (3.0.15 Debian-Security:12/stable [amd64])\n")

        assert seen(root)["os_patch_age"]["value"] == 40

    def test_a_stamp_from_the_future_says_nothing(self, root: Path) -> None:
        put(root, "var/lib/dpkg/status", days_old=-30)
        put(root, "var/lib/apt/periodic/update-success-stamp", days_old=-30)

        assert status(root, "os_patch_age") == "missing"

    @pytest.mark.parametrize(
        "store",
        ["var/lib/dnf/history.sqlite", "var/lib/pacman/local", "lib/apk/db/installed"],
        ids=["fedora", "arch", "alpine"],
    )
    def test_other_package_managers(self, tmp_path: Path, store: str) -> None:
        put(tmp_path, store, days_old=12.5)

        assert seen(tmp_path)["os_patch_age"]["value"] == 12


class TestFirewall:
    def test_switched_off_fails(self, root: Path) -> None:
        put(root, "etc/ufw/ufw.conf", "ENABLED=no\n#ENABLED=yes\n")

        assert status(root, "firewall") == "fail"

    def test_one_that_is_configured_but_does_not_run_fails(self, root: Path) -> None:
        says(root, "systemctl show --property=ActiveState ufw.service", "ActiveState=failed\n")

        assert status(root, "firewall") == "fail"

    def test_none_that_can_be_read_is_missing(self, root: Path) -> None:
        (root / "etc/ufw/ufw.conf").unlink()

        assert status(root, "firewall") == "missing"

    @pytest.mark.parametrize(
        ("state", "expected"), [("active", "pass"), ("inactive", "fail")], ids=str
    )
    def test_firewalld(self, root: Path, state: str, expected: str) -> None:
        (root / "etc/ufw/ufw.conf").unlink()
        put(root, "etc/firewalld/firewalld.conf")
        says(
            root, "systemctl show --property=ActiveState firewalld.service", f"ActiveState={state}"
        )

        assert status(root, "firewall") == expected

    @pytest.mark.parametrize(
        ("rules", "expected"),
        [
            (
                "table inet f { chain i { type filter hook input priority 0; policy drop; } }",
                "pass",
            ),
            ("table inet f { chain i { type filter hook input priority 0; } } # drop", "fail"),
        ],
        ids=["drops", "lets all in"],
    )
    def test_nftables(self, root: Path, rules: str, expected: str) -> None:
        (root / "etc/ufw/ufw.conf").unlink()
        put(root, "etc/nftables.conf", rules)
        says(root, "systemctl show --property=ActiveState nftables.service", "ActiveState=active")

        assert status(root, "firewall") == expected

    def test_rules_that_nobody_loads_are_missing(self, root: Path) -> None:
        (root / "etc/ufw/ufw.conf").unlink()
        put(root, "etc/nftables.conf", "hook input policy drop")

        assert status(root, "firewall") == "missing"


class TestScreenLock:
    def test_a_screen_that_never_blanks_never_locks(self, root: Path) -> None:
        says(root, "gsettings get org.gnome.desktop.session idle-delay", "uint32 0\n")

        assert status(root, "screen_lock") == "fail"

    def test_without_a_desktop_it_is_missing(self, root: Path) -> None:
        """gsettings answers its defaults even where no GNOME runs."""
        says(root, "env", "HOME=/home/eve\n")

        assert status(root, "screen_lock") == "missing"

    def test_settings_that_do_not_answer_are_missing(self, root: Path) -> None:
        (root / "commands/gsettings get org.gnome.desktop.screensaver lock-enabled").unlink()

        assert status(root, "screen_lock") == "missing"

    @pytest.mark.parametrize(
        ("written", "expected"),
        [
            (None, "pass"),
            ("[Daemon]\nAutolock=false\n", "fail"),
            ("[Daemon]\nTimeout=0\n", "fail"),
            ("[Daemon\nnonsense", "missing"),
        ],
        ids=["defaults", "off", "never", "broken"],
    )
    def test_kde(self, root: Path, written: str | None, expected: str) -> None:
        says(root, "env", "HOME=/home/eve\nXDG_CURRENT_DESKTOP=KDE\n")
        if written is not None:
            put(root, "home/eve/.config/kscreenlockerrc", written)

        assert status(root, "screen_lock") == expected


class TestTheRest:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [(b"\x06\0\0\0\0", "fail"), (b"\x06\0\0\0", "missing"), (b"", "missing")],
        ids=["off", "cut short", "empty"],
    )
    def test_secure_boot(self, root: Path, value: bytes, expected: str) -> None:
        put(root, SECURE_BOOT, value)

        assert status(root, "secure_boot") == expected

    def test_a_machine_that_started_by_bios_has_no_secure_boot(self, tmp_path: Path) -> None:
        put(tmp_path, "sys/firmware/acpi/tables/DSDT")

        assert status(tmp_path, "secure_boot") == "fail"

    def test_without_protection_it_fails(self, root: Path) -> None:
        put(root, "proc/812/comm", "bash\n")

        assert status(root, "endpoint_protection") == "fail"

    def test_hidden_processes_are_missing(self, root: Path) -> None:
        (root / "proc/1/comm").unlink()

        assert status(root, "endpoint_protection") == "missing"

    def test_a_management_agent_counts_as_managed(self, root: Path) -> None:
        put(root, "proc/900/comm", "orbit\n")

        assert status(root, "managed") == "pass"

    def test_a_library_in_every_program_counts_as_rooted(self, root: Path) -> None:
        put(root, "etc/ld.so.preload", "/usr/lib/libprocesshider.so\n")

        assert status(root, "rooted") == "fail"
