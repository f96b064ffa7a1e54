"""What macOS and Windows print, as recorded, and what the posture agent makes of it."""

import plistlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from examples.posture_agent.collect import collect, macos, windows
from examples.posture_agent.machine import this_machine
from tests.support.laptops import put, says


def at(*when: int) -> datetime:
    """Property lists hold UTC, and do not say so."""
    return datetime(*when)  # noqa: DTZ001


NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
BDE = """BitLocker Drive Encryption: Configuration Tool version 10.0.22621
Copyright (C) 2013 Microsoft Corporation. All rights reserved.

Volume C: [OS]
[OS Volume]

    Size:                 475.78 GB
    BitLocker Version:    2.0
    Conversion Status:    {conversion}
    Percentage Encrypted: {percentage}
    Encryption Method:    XTS-AES 128
    Protection Status:    {protection}
    Lock Status:          Unlocked
    Identification Field: Unknown
    Key Protectors:
        TPM
        Numerical Password
"""
NETSH = """
Domain Profile Settings:
----------------------------------------------------------------------
State                                 {0}

Private Profile Settings:
----------------------------------------------------------------------
State                                 {1}

Public Profile Settings:
----------------------------------------------------------------------
State                                 {2}
Ok.

"""
DEFENDER = """{{
    "AMServiceEnabled":  true,
    "AntivirusEnabled":  true,
    "RealTimeProtectionEnabled":  {watching},
    "AntivirusSignatureAge":  {age}
}}
"""


class TestMacos:
    @pytest.mark.parametrize(
        ("printed", "expected"),
        [
            ("FileVault is On.\n", True),
            ("FileVault is Off.\n", False),
            ("FileVault is On.\nEncryption in progress: Percent completed = 41.2\n", False),
            ("FileVault is Off.\nDecryption in progress: Percent completed = 3.0\n", False),
            ("Error: Unable to determine.\n", None),
            (None, None),
        ],
        ids=["on", "off", "encrypting", "decrypting", "error", "no answer"],
    )
    def test_file_vault(self, printed, expected) -> None:
        assert macos.file_vault(printed) is expected

    @pytest.mark.parametrize(
        ("printed", "expected"),
        [
            ("Firewall is enabled. (State = 1)\n", True),
            ("Firewall is blocking all non-essential incoming connections. (State = 2)\n", True),
            ("Firewall is disabled. (State = 0)\n", False),
            ("", None),
        ],
        ids=["on", "blocks all", "off", "silent"],
    )
    def test_firewall(self, printed, expected) -> None:
        assert macos.firewall(printed) is expected

    @pytest.mark.parametrize(
        ("printed", "expected"),
        [
            ("screenLock delay is immediate\n", True),
            ("2026-11-29 sysadminctl[411:9] screenLock delay is 300 seconds\n", True),
            ("screenLock is off\n", False),
            ("Operation is not permitted\n", None),
        ],
        ids=["at once", "after a while", "off", "not allowed"],
    )
    def test_screen_lock(self, printed, expected) -> None:
        assert macos.screen_lock(printed) is expected

    @pytest.mark.parametrize(
        ("read", "good", "bad"),
        [
            (macos.gatekeeper, "assessments enabled\n", "assessments disabled\n"),
            (
                macos.integrity,
                "System Integrity Protection status: enabled.\n",
                "System Integrity Protection status: disabled.\n",
            ),
            (
                macos.managed,
                "Enrolled via DEP: Yes\nMDM enrollment: Yes (User Approved)\n",
                "Enrolled via DEP: No\nMDM enrollment: No\n",
            ),
            (
                macos.secure_boot,
                "Controller:\n\n  Model Name: Apple T2 Security Chip\n  Secure Boot: Full Security\n",
                "  Secure Boot: No Security\n",
            ),
        ],
        ids=["gatekeeper", "integrity", "managed", "secure boot"],
    )
    def test_the_rest_says_yes_no_or_nothing(self, read, good, bad) -> None:
        assert (read(good), read(bad), read("something else"), read(None)) == (
            True,
            False,
            None,
            None,
        )

    def test_an_integrity_protection_that_is_half_on_is_unknown(self) -> None:
        printed = "System Integrity Protection status: unknown (Custom Configuration).\n"

        assert macos.integrity(printed) is None

    def test_a_whole_mac(self, tmp_path: Path) -> None:
        put(tmp_path, "system", "macos")
        says(
            tmp_path,
            "sw_vers",
            "ProductName:\tmacOS\nProductVersion:\t15.1\nBuildVersion:\t24B83\n",
        )
        says(tmp_path, "fdesetup status", "FileVault is On.\n")
        says(
            tmp_path,
            "/usr/libexec/ApplicationFirewall/socketfilterfw --getglobalstate",
            "Firewall is disabled. (State = 0)\n",
        )
        settings = {"LastUpdatesAvailable": 0, "LastSuccessfulDate": at(2026, 11, 26, 9)}
        put(
            tmp_path, "Library/Preferences/com.apple.SoftwareUpdate.plist", plistlib.dumps(settings)
        )

        report = collect(this_machine(tmp_path), key_storage="software", now=NOW)

        assert report["os"] == {"name": "macOS", "version": "15.1", "build": "24B83"}
        statuses = {check["id"]: check["status"] for check in report["checks"]}
        assert statuses["disk_encryption"] == "pass"
        assert statuses["firewall"] == "fail"
        assert statuses["os_patch_age"] == "pass"
        assert statuses["screen_lock"] == statuses["rooted"] == "missing"

    def test_updates_that_wait_are_as_old_as_the_last_one_installed(self, tmp_path: Path) -> None:
        put(tmp_path, "system", "macos")
        settings = {"LastUpdatesAvailable": 2, "LastSuccessfulDate": at(2026, 11, 29)}
        put(
            tmp_path, "Library/Preferences/com.apple.SoftwareUpdate.plist", plistlib.dumps(settings)
        )
        history = [
            {"processName": "softwareupdated", "date": at(2026, 10, 20)},
            {"processName": "installer", "date": at(2026, 11, 28)},
        ]
        put(tmp_path, "Library/Receipts/InstallHistory.plist", plistlib.dumps(history))

        assert macos.patch_age(this_machine(tmp_path), now=NOW).value == 40

    def test_a_broken_list_is_missing(self, tmp_path: Path) -> None:
        put(tmp_path, "system", "macos")
        put(tmp_path, "Library/Receipts/InstallHistory.plist", b"bplist00\xff\xff")

        assert macos.patch_age(this_machine(tmp_path), now=NOW).status == "missing"


class TestWindows:
    @pytest.mark.parametrize(
        ("conversion", "percentage", "protection", "expected"),
        [
            ("Used Space Only Encrypted", "100.0%", "Protection On", True),
            ("Fully Decrypted", "0.0%", "Protection Off", False),
            ("Encryption in Progress", "63.4%", "Protection Off", False),
            ("Fully Encrypted", "100,0 %", "Protection Off", False),
        ],
        ids=["on", "off", "encrypting", "suspended"],
    )
    def test_manage_bde(self, conversion, percentage, protection, expected) -> None:
        printed = BDE.format(conversion=conversion, percentage=percentage, protection=protection)

        assert windows.manage_bde(printed) is expected

    def test_what_needs_an_administrator_is_asked_of_the_shell(self, tmp_path: Path) -> None:
        put(tmp_path, "system", "windows")
        command = f"powershell -NoProfile -NonInteractive -Command {windows.VOLUME}"
        says(
            tmp_path,
            "manage-bde -status C:",
            "ERROR: An attempt to access a required resource was denied.\n",
        )
        machine = this_machine(tmp_path)
        assert windows.disk_encryption(machine) is None

        says(tmp_path, command, "1\r\n")
        assert windows.disk_encryption(machine) is True
        says(tmp_path, command, "5\r\n")
        assert windows.disk_encryption(machine) is False
        says(tmp_path, command, "0\r\n")
        assert windows.disk_encryption(machine) is None

    @pytest.mark.parametrize(
        ("states", "expected"),
        [
            (("ON", "ON", "ON"), True),
            (("ON", "ON", "OFF"), False),
            (("EIN", "EIN", "EIN"), None),
        ],
        ids=["on", "off in public", "another language"],
    )
    def test_firewall(self, states, expected) -> None:
        assert windows.firewall(NETSH.format(*states)) is expected

    @pytest.mark.parametrize(
        ("watching", "age", "expected"),
        [("true", 0, True), ("false", 0, False), ("true", 30, False), ("null", 0, None)],
        ids=["on", "not watching", "old signatures", "unknown"],
    )
    def test_defender(self, watching, age, expected) -> None:
        assert windows.defender(DEFENDER.format(watching=watching, age=age)) is expected

    @pytest.mark.parametrize(
        "printed", ["", "[]", "null", '{"AntivirusEnabled": true}', "Invalid class"], ids=repr
    )
    def test_a_defender_that_does_not_answer_is_missing(self, printed) -> None:
        assert windows.defender(printed) is None

    def test_a_whole_laptop(self, tmp_path: Path) -> None:
        put(tmp_path, "system", "windows")
        shell = "powershell -NoProfile -NonInteractive -Command "
        says(tmp_path, "cmd /c ver", "\nMicrosoft Windows [Version 10.0.22631.4460]\n")
        says(tmp_path, shell + windows.NEWEST_PATCH, "2026-11-13\r\n")
        says(tmp_path, shell + "Confirm-SecureBootUEFI", "True\r\n")
        says(
            tmp_path,
            r"reg query HKCU\Control Panel\Desktop /v ScreenSaverIsSecure",
            "\r\nHKEY_CURRENT_USER\\Control Panel\\Desktop\r\n    ScreenSaverIsSecure    REG_SZ    1\r\n",
        )
        says(
            tmp_path,
            r"reg query HKCU\Control Panel\Desktop /v ScreenSaveActive",
            "\r\n    ScreenSaveActive    REG_SZ    0\r\n",
        )
        says(
            tmp_path, "dsregcmd /status", "  AzureAdJoined : YES\n  MdmUrl : https://mdm.example/\n"
        )

        report = collect(this_machine(tmp_path), key_storage="software", now=NOW)

        assert report["os"] == {"name": "Windows", "version": "10.0.22631.4460"}
        checks = {check["id"]: check for check in report["checks"]}
        assert checks["os_patch_age"]["value"] == (NOW - datetime(2026, 11, 13, tzinfo=UTC)).days
        assert checks["secure_boot"]["status"] == checks["managed"]["status"] == "pass"
        assert checks["screen_lock"]["status"] == "fail"
        assert checks["firewall"]["status"] == checks["rooted"]["status"] == "missing"

    def test_a_limit_of_idleness_locks_without_a_screen_saver(self, tmp_path: Path) -> None:
        put(tmp_path, "system", "windows")
        command = f"reg query {windows.POLICY} /v InactivityTimeoutSecs"
        says(tmp_path, command, "    InactivityTimeoutSecs    REG_DWORD    0x384\r\n")
        assert windows.screen_lock(this_machine(tmp_path)) is True

        says(tmp_path, command, "    InactivityTimeoutSecs    REG_DWORD    0x0\r\n")
        assert windows.screen_lock(this_machine(tmp_path)) is None


IOREG = """+-o J314sAP  <class IOPlatformExpertDevice>
    {
      "IOPlatformUUID" = "4740D59F-699E-5B29-960B-979AAF9BBEEB"
      "IOPlatformSerialNumber" = "C02XK1JJJG5J"
    }
"""
PRODUCT = """{
    "IdentifyingNumber":  "5CD1234",
    "UUID":  "4C4C4544-0042-3510-8056-B4C04F4D5A32"
}
"""


def test_the_makers_number_of_a_mac(tmp_path: Path) -> None:
    put(tmp_path, "system", "macos")
    assert macos.hardware(this_machine(tmp_path)) == {}

    says(tmp_path, "ioreg -rd1 -c IOPlatformExpertDevice", IOREG)

    assert macos.hardware(this_machine(tmp_path)) == {
        "serial": "C02XK1JJJG5J",
        "uuid": "4740D59F-699E-5B29-960B-979AAF9BBEEB",
    }


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        (PRODUCT, {"serial": "5CD1234", "uuid": "4C4C4544-0042-3510-8056-B4C04F4D5A32"}),
        ('{"IdentifyingNumber": "", "UUID": null}', {}),
        ("[]", {}),
        ("Access denied", {}),
    ],
    ids=["told", "empty", "list", "denied"],
)
def test_the_makers_number_of_windows(tmp_path: Path, printed: str, expected: dict) -> None:
    put(tmp_path, "system", "windows")
    says(tmp_path, f"powershell -NoProfile -NonInteractive -Command {windows.PRODUCT}", printed)

    assert windows.hardware(this_machine(tmp_path)) == expected


def test_a_day_ahead_is_forgiven_but_no_more() -> None:
    ahead = macos.patched(NOW + timedelta(hours=20), now=NOW)

    assert (ahead.status, ahead.value) == ("pass", 0)
    assert macos.patched(NOW + timedelta(days=2), now=NOW).status == "missing"
