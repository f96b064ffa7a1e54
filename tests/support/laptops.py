"""File systems of laptops, as the posture agent sees them below its `--root`."""

import os
from datetime import timedelta
from pathlib import Path

from core import clock

SECURE_BOOT = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
ENCRYPTED = "CRYPT-LUKS2-6fd0a1c5b1c84f0f9a3c1b0b3c6d2e77-cryptroot"
PLAIN = "LVM-Xk3nVh2tQ9s0a1b2c3d4e5f6g7h8i9j0Xk3nVh2tQ9s0a1b2c3d4e5f6g7h8"


def put(root: Path, path: str, content: str | bytes = "", *, days_old: float = 0) -> None:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content.encode() if isinstance(content, str) else content)
    at = (clock.now() - timedelta(days=days_old, minutes=1)).timestamp()
    os.utime(target, (at, at))


def says(root: Path, command: str, output: str) -> None:
    """Record what a command prints there."""
    put(root, "commands/" + command.replace("/", "_"), output)


def debian_laptop(root: Path, *, is_encrypted: bool = True) -> Path:
    """A healthy GNOME laptop: LUKS below LVM, patched two days ago, firewall on, screen locks."""
    put(root, "etc/os-release", 'NAME="Debian GNU/Linux"\nVERSION_ID="12"\n')
    put(root, "proc/sys/kernel/osrelease", "6.1.0-28-amd64\n")
    put(
        root,
        "proc/mounts",
        "sysfs /sys sysfs rw 0 0\n"
        "/dev/mapper/vg-root / ext4 rw,relatime 0 0\n"
        "/dev/nvme0n1p1 /boot/efi vfat rw 0 0\n"
        "/dev/mapper/vg-home /home ext4 rw,relatime 0 0\n",
    )
    for number, name in ((1, "vg-root"), (2, "vg-home")):
        put(root, f"sys/block/dm-{number}/dm/name", f"{name}\n")
        put(root, f"sys/block/dm-{number}/dm/uuid", f"{PLAIN}\n")
        put(root, f"sys/block/dm-{number}/slaves/dm-0/dev", "254:0\n")
    put(root, "sys/block/dm-0/dm/name", "cryptroot\n")
    put(root, "sys/block/nvme0n1/nvme0n1p3/partition", "3\n")
    encrypt(root, is_encrypted=is_encrypted)
    put(root, "var/lib/dpkg/status", days_old=2.5)
    put(root, "var/lib/apt/periodic/update-success-stamp", days_old=0.2)
    put(root, "etc/ufw/ufw.conf", "# on at boot?\nENABLED=yes\nLOGLEVEL=low\n")
    put(root, SECURE_BOOT, b"\x06\x00\x00\x00\x01")
    says(root, "env", "HOME=/home/eve\nXDG_CURRENT_DESKTOP=ubuntu:GNOME\n")
    says(root, "gsettings get org.gnome.desktop.screensaver lock-enabled", "true\n")
    says(root, "gsettings get org.gnome.desktop.session idle-delay", "uint32 300\n")
    put(root, "proc/1/comm", "systemd\n")
    put(root, "proc/812/comm", "clamd\n")
    return root


def encrypt(root: Path, *, is_encrypted: bool) -> None:
    """Whether the volume that all others stand on is one of dm-crypt."""
    put(root, "sys/block/dm-0/dm/uuid", f"{ENCRYPTED if is_encrypted else PLAIN}\n")
