"""Linux, without root: /proc, /sys, the package manager's state, and the desktop's settings."""

import os
import re
from configparser import ConfigParser
from configparser import Error as ConfigError
from datetime import datetime

from examples.posture_agent.collect.check import UNSEEN, Seen, all_of, judged, patched
from examples.posture_agent.machine import MAX_LINKS, Machine

SECURE_BOOT = "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
SECURE_BOOT_BYTES = 5  # four of attributes, one of value (UEFI, as efivarfs shows it)
NOT_ENCRYPTION = ("CRYPT-VERITY-", "CRYPT-INTEGRITY-", "CRYPT-SUBDEV-")
MEMORY_FILESYSTEMS = {"tmpfs", "ramfs", "overlay", "squashfs", "rootfs"}
# Names as /proc/<pid>/comm cuts them, at 15 characters.
PROTECTION = {
    "clamd", "falcon-sensor", "wdavdaemon", "elastic-endpoin", "s1-agent", "cbagentd", "ds_agent",
    "xagt", "cylancesvc", "savscand", "sophos_endpoint", "wazuh-syscheckd", "wazuh-agentd",
    "cortex", "pmd", "esets_daemon", "oaeventd", "bdagentd",
}  # fmt: skip
MANAGEMENT = {"orbit", "landscape-clien", "himmelblaud", "intune-daemon", "puppet", "salt-minion"}
GNOME_LIKE = {"gnome", "unity", "ubuntu", "budgie", "pop"}


def look(machine: Machine, *, now: datetime) -> dict[str, Seen]:
    return {
        "os_patch_age": patch_age(machine, now=now),
        "disk_encryption": disk_encryption(machine),
        "screen_lock": screen_lock(machine),
        "endpoint_protection": running(machine, PROTECTION),
        "firewall": firewall(machine),
        "secure_boot": secure_boot(machine),
        "managed": running(machine, MANAGEMENT),
        "rooted": rooted(machine),
    }


def describe(machine: Machine) -> dict[str, str]:
    lines = (machine.text("/etc/os-release") or "").splitlines()
    said = dict(line.split("=", 1) for line in lines if "=" in line)
    os_ = {
        "name": said.get("NAME", "Linux").strip("\"'"),
        "version": said.get("VERSION_ID", "").strip("\"'"),
    }
    kernel = (machine.text("/proc/sys/kernel/osrelease") or "").strip()
    return os_ | ({"build": kernel} if kernel else {})


def hardware(machine: Machine) -> dict[str, str]:
    """Serial number and UUID, which most systems show to root alone."""
    names = {"serial": "product_serial", "uuid": "product_uuid"}
    read = {kind: machine.text(f"/sys/class/dmi/id/{name}") for kind, name in names.items()}
    return {kind: text.strip() for kind, text in read.items() if text and text.strip()}


# -- Disk encryption: every device under / and the home folder has to be one by dm-crypt. --


def disk_encryption(machine: Machine) -> Seen:
    mounts = _mounts(machine)
    home = machine.home()
    wanted = {_mount_of("/", mounts), _mount_of(home, mounts)}
    return judged(all_of(_is_mount_encrypted(machine, mount) for mount in wanted))


def _mounts(machine: Machine) -> dict[str, tuple[str, str]]:
    """Mount point → device and type; of several on one point the last is what one sees."""
    mounts = {}
    for line in (machine.text("/proc/mounts") or "").splitlines():
        fields = line.split()
        if len(fields) >= 3:  # noqa: PLR2004 - device, mount point, type
            mounts[_plain(fields[1])] = (_plain(fields[0]), fields[2])
    return mounts


def _plain(field: str) -> str:
    r"""A field of /proc/mounts, where blanks and the like are written in octal (\040)."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)


def _mount_of(path: str, mounts: dict[str, tuple[str, str]]) -> tuple[str, str] | None:
    while True:
        if path in mounts:
            return mounts[path]
        if path in {"/", ""}:
            return None
        path = path.rpartition("/")[0] or "/"


def _is_mount_encrypted(machine: Machine, mount: tuple[str, str] | None) -> bool | None:
    if mount is None:
        return None
    device, filesystem = mount
    if filesystem == "ecryptfs":
        return True
    if filesystem == "zfs":
        says = machine.run("zfs", "get", "-H", "-o", "value", "encryption", device)
        return None if says is None else says.strip() not in {"off", "-", ""}
    if filesystem in MEMORY_FILESYSTEMS or not device.startswith("/dev/"):
        return None  # a container, a live system or a share: nothing of the disk is seen here
    name = _block_name(machine, device)
    return None if name is None else _is_block_encrypted(machine, name, MAX_LINKS)


def _block_name(machine: Machine, device: str) -> str | None:
    """The kernel's name of a device file: `dm-0`, `nvme0n1p2`."""
    name = device.removeprefix("/dev/")
    if name.startswith("mapper/"):
        label = name.removeprefix("mapper/")
        for each in machine.names("/sys/block"):
            if (machine.text(f"/sys/block/{each}/dm/name") or "").strip() == label:
                return each
        return None
    if "/" in name or name == "root":  # /dev/vg/volume, /dev/disk/by-uuid/…, /dev/root
        target = machine.path(device)
        return os.path.basename(os.path.realpath(target)) if target.is_symlink() else None  # noqa: PTH119
    return name


def _is_block_encrypted(machine: Machine, name: str, depth: int) -> bool | None:
    """Whether a device, or everything that it stands on, is encrypted."""
    uuid = machine.text(f"/sys/block/{name}/dm/uuid")
    if uuid and uuid.startswith("CRYPT-") and not uuid.startswith(NOT_ENCRYPTION):
        return True
    below = machine.names(f"/sys/block/{name}/slaves")
    if below and depth:
        return all_of(_is_block_encrypted(machine, each, depth - 1) for each in below)
    if not machine.names("/sys/block"):
        return None
    return False


# -- Patches: when the installed packages were last known to be all there is. --


def patch_age(machine: Machine, *, now: datetime) -> Seen:
    for found in (_debian, _red_hat, _arch, _alpine):
        at = found(machine)
        if at is not None:
            return patched(at, now=now)
    return UNSEEN


def _debian(machine: Machine) -> datetime | None:
    """The lists' age if nothing is left to upgrade; else the last change of a package.

    Where apt does not answer, the older of both: fresh lists alone have mended nothing.
    """
    changed = machine.changed_at("/var/lib/dpkg/status")
    if changed is None:
        return None
    stamps = ("/var/lib/apt/periodic/update-success-stamp", "/var/cache/apt/pkgcache.bin")
    lists = next((at for at in map(machine.changed_at, stamps) if at), None)
    if lists is None:
        return changed
    plan = machine.run("apt-get", "--simulate", "--option", "Debug::NoLocking=true", "upgrade")
    if plan is not None and not re.search(r"^Inst ", plan, re.MULTILINE):
        return lists
    return min(changed, lists)


def _red_hat(machine: Machine) -> datetime | None:
    """The last change of a package."""
    stores = (
        "/var/lib/dnf/history.sqlite",
        "/usr/lib/sysimage/rpm/rpmdb.sqlite",
        "/var/lib/rpm/rpmdb.sqlite",
        "/var/lib/rpm/Packages",
    )
    return next((at for at in map(machine.changed_at, stores) if at), None)


def _arch(machine: Machine) -> datetime | None:
    changed = machine.changed_at("/var/lib/pacman/local")
    lists = machine.changed_at("/var/lib/pacman/sync/core.db")
    return min(changed, lists) if changed and lists else changed


def _alpine(machine: Machine) -> datetime | None:
    return machine.changed_at("/lib/apk/db/installed")


# -- Firewall: rules are root's to read, so the front ends' own state counts. --


def firewall(machine: Machine) -> Seen:
    says = [_ufw(machine), _firewalld(machine), _nftables(machine)]
    if True in says:
        return judged(True)
    return judged(False if False in says else None)


def _ufw(machine: Machine) -> bool | None:
    config = machine.text("/etc/ufw/ufw.conf")
    if config is None:
        return None
    enabled = re.search(r"^\s*ENABLED\s*=\s*[\"']?yes", config, re.IGNORECASE | re.MULTILINE)
    return bool(enabled) and _is_active(machine, "ufw.service") is not False


def _firewalld(machine: Machine) -> bool | None:
    if not machine.exists("/etc/firewalld"):
        return None
    active = _is_active(machine, "firewalld.service")
    if active is None:  # without systemctl: a running unit has a control group
        return machine.exists("/sys/fs/cgroup/system.slice/firewalld.service") or None
    return active


def _nftables(machine: Machine) -> bool | None:
    """Loaded at start, from a file whose input chain turns something away."""
    rules = machine.text("/etc/nftables.conf")
    if rules is None:
        return None
    rules = re.sub(r"#.*", "", rules)
    guards = "hook input" in rules and re.search(r"\b(policy\s+drop|drop|reject)\b", rules)
    active = _is_active(machine, "nftables.service")
    return bool(guards) if active else active


def _is_active(machine: Machine, unit: str) -> bool | None:
    shown = machine.run("systemctl", "show", "--property=ActiveState", unit)
    state = re.search(r"^ActiveState=(\w+)", shown or "", re.MULTILINE)
    return None if state is None else state[1] == "active"


# -- Screen lock: of the desktop that is in use; another's defaults say nothing. --


def screen_lock(machine: Machine) -> Seen:
    desktops = {
        part.casefold()
        for part in machine.environment().get("XDG_CURRENT_DESKTOP", "").split(":")
        if part
    }
    if desktops & GNOME_LIKE:
        return judged(_gnome_locks(machine))
    if "kde" in desktops:
        return judged(_kde_locks(machine))
    if "x-cinnamon" in desktops:
        return judged(_setting(machine, "org.cinnamon.desktop.screensaver", "lock-enabled"))
    if "mate" in desktops:
        return judged(_setting(machine, "org.mate.screensaver", "lock-enabled"))
    return UNSEEN


def _gnome_locks(machine: Machine) -> bool | None:
    """Locks by itself: locking is on, and the screen goes blank after some time."""
    idle = machine.run("gsettings", "get", "org.gnome.desktop.session", "idle-delay")
    delay = re.search(r"(\d+)\s*$", idle or "")
    blanks = None if delay is None else int(delay[1]) > 0
    return all_of([blanks, _setting(machine, "org.gnome.desktop.screensaver", "lock-enabled")])


def _setting(machine: Machine, schema: str, key: str) -> bool | None:
    says = (machine.run("gsettings", "get", schema, key) or "").strip()
    return {"true": True, "false": False}.get(says)


def _kde_locks(machine: Machine) -> bool | None:
    """KDE writes down only what differs from its default, which is to lock after five minutes."""
    written = machine.text(f"{machine.home()}/.config/kscreenlockerrc")
    parser = ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(written or "")
        return parser.getboolean("Daemon", "Autolock", fallback=True) and (
            parser.getint("Daemon", "Timeout", fallback=5) > 0
        )
    except (ConfigError, ValueError):
        return None


# -- The rest. --


def secure_boot(machine: Machine) -> Seen:
    value = machine.content(f"/sys/firmware/efi/efivars/{SECURE_BOOT}")
    if value is not None and len(value) == SECURE_BOOT_BYTES:
        return judged(value[-1] == 1)
    if machine.exists("/sys/firmware/acpi") and not machine.exists("/sys/firmware/efi"):
        return judged(False)  # started by a BIOS, which has no such thing
    return UNSEEN


def running(machine: Machine, names: set[str]) -> Seen:
    """Whether one of these programs runs, as somebody else than who is asking.

    Missing where the system hides other people's processes. A process of one's own is not believed:
    anybody can name one.
    """
    if machine.text("/proc/1/comm") is None:
        return UNSEEN
    for pid in machine.names("/proc"):
        if pid.isdigit() and (machine.text(f"/proc/{pid}/comm") or "").strip() in names:
            mine = (
                machine.is_real
                and os.getuid() != 0
                and machine.owner(f"/proc/{pid}") == os.getuid()
            )
            if not mine:
                return judged(True)
    return judged(False)


def rooted(machine: Machine) -> Seen:
    """Passes unless a library is loaded into every program, as user-space rootkits do."""
    if not machine.exists("/etc"):
        return UNSEEN
    if not machine.exists("/etc/ld.so.preload"):
        return judged(True)
    preloaded = machine.text("/etc/ld.so.preload")
    return judged(None if preloaded is None else not preloaded.strip())
