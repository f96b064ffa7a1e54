"""What a person can do about a check that is not passed, by platform. Plain words, no jargon."""

from collections.abc import Mapping

from devices.score import HARDWARE_KEY, OS_PATCH_AGE, ROOTED

TITLES: Mapping[str, str] = {
    HARDWARE_KEY: "Key kept in hardware",
    OS_PATCH_AGE: "System up to date",
    "disk_encryption": "Disk encrypted",
    "screen_lock": "Screen locks by itself",
    "endpoint_protection": "Protection against malware",
    "firewall": "Firewall on",
    "secure_boot": "Secure boot on",
    "managed": "Managed by your organisation",
    "no_known_exploited_vulnerability": "Free of holes that are being used",
    ROOTED: "Not rooted or jailbroken",
}
_ANY = ""
_REMEDIES: Mapping[str, Mapping[str, str]] = {
    HARDWARE_KEY: {
        "linux": "Enrol again with the agent's key in the TPM. A key in a file can be copied.",
        "macos": "Enrol again with the agent's key in the Secure Enclave.",
        "windows": "Enrol again with the agent's key in the TPM. A key in a file can be copied.",
        _ANY: "Enrol again with a key that cannot leave the machine's security chip.",
    },
    OS_PATCH_AGE: {
        "linux": "Install the updates of your distribution, then restart.",
        "macos": "Open System Settings, General, Software Update, and install what is offered.",
        "windows": "Open Settings, Windows Update, and install what is offered.",
        "chromeos": "Open Settings, About ChromeOS, Check for updates, then restart.",
        "android": "Open Settings, System, Software update.",
        "ios": "Open Settings, General, Software Update.",
        _ANY: "Install the updates that your system offers.",
    },
    "disk_encryption": {
        "linux": "Encrypt the disk with LUKS. Most distributions offer it when they are installed.",
        "macos": "Open System Settings, Privacy & Security, and turn FileVault on.",
        "windows": "Open Settings, Privacy & security, Device encryption, or turn BitLocker on.",
        "android": "Set a screen lock: Android encrypts the phone with it.",
        "ios": "Set a passcode: the phone is encrypted with it.",
        _ANY: "Turn on the encryption of the disk.",
    },
    "screen_lock": {
        "linux": "Open Settings, Privacy, Screen Lock, and lock after 15 minutes or less.",
        "macos": "Open System Settings, Lock Screen, and require the password at once.",
        "windows": "Open Settings, Accounts, Sign-in options, and require sign-in on wake-up.",
        "android": "Open Settings, Security, Screen lock, and choose a PIN or a fingerprint.",
        "ios": "Open Settings, Face ID & Passcode, and set a passcode.",
        _ANY: "Let the screen lock itself after a few minutes, with a password.",
    },
    "endpoint_protection": {
        "windows": "Open Windows Security, and turn real-time protection on.",
        _ANY: "Install the protection that your organisation provides, and keep it running.",
    },
    "firewall": {
        "linux": "Turn the firewall on, for example by: sudo ufw enable",
        "macos": "Open System Settings, Network, Firewall, and turn it on.",
        "windows": "Open Windows Security, Firewall & network protection, and turn it on.",
        _ANY: "Turn the firewall on.",
    },
    "secure_boot": {
        "linux": "Turn Secure Boot on in the firmware (UEFI) settings.",
        "macos": "Start in Recovery, open Startup Security Utility, and choose Full Security.",
        "windows": "Turn Secure Boot on in the firmware (UEFI) settings.",
        _ANY: "Turn secure or verified boot on.",
    },
    "managed": {_ANY: "Ask your administrator to take this machine into management."},
    "no_known_exploited_vulnerability": {
        _ANY: "Update your system and its programs. Your administrator knows which one it is.",
    },
    ROOTED: {
        _ANY: "Bring the system back to its maker's state. Until then it is hardly trusted at all."
    },
}


def remedy(check_id: str, platform: str) -> str:
    """One or two sentences, or ""."""
    known = _REMEDIES.get(check_id, {})
    return known.get(platform, known.get(_ANY, ""))
