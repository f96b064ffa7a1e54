"""What Fleet and osquery send, and what of it concerns our checks."""

from datetime import UTC, datetime
from typing import Any

import pytest

from core.errors import Refusal
from devices.connectors.fleet import read
from devices.connectors.identifiers import Identifier, Kind

AT = "2026-11-29T09:00:00Z"
WHEN = datetime(2026, 11, 29, 9, tzinfo=UTC)
UUID = "4740d59f-699e-5b29-960b-979aaf9bbeeb"
CHECKS = {
    "Full disk encryption enabled (Linux)": "disk_encryption",
    "sallyport_patches": "os_patch_age",
    "pack/team-4/sallyport_firewall": "firewall",
}


def policy(name: str = "Full disk encryption enabled (Linux)", **changes: Any) -> dict[str, Any]:
    """As Fleet's documentation has it."""
    return {
        "timestamp": AT,
        "policy": {
            "id": 1,
            "name": name,
            "query": "SELECT 1 FROM disk_encryption WHERE encrypted = 1;",
            "description": "",
            "author_id": 1,
            "author_name": "John",
            "author_email": "john@example.com",
            "resolution": "Reinstall with encryption.",
            "passing_host_count": 2000,
            "failing_host_count": 2,
            "critical": False,
        },
        "hosts": [
            {
                "id": 17,
                "hostname": "laptop-1",
                "display_name": "Eve's laptop",
                "url": "https://fleet.example.com/hosts/17",
            },
            {"id": 18, "hostname": "laptop-2", "url": "https://fleet.example.com/hosts/18"},
        ],
    } | changes


def result(name: str, /, **changes: Any) -> dict[str, Any]:
    """A snapshot of osquery, as Fleet's log destination passes it on."""
    details = {
        "name": name,
        "hostIdentifier": UUID,
        "calendarTime": "Sun Nov 29 09:00:00 2026 UTC",
        "unixTime": int(WHEN.timestamp()),
        "epoch": 0,
        "counter": 0,
        "numerics": False,
        "action": "snapshot",
        "snapshot": [{"days": "3"}],
        "decorations": {"host_uuid": UUID.upper(), "hostname": "laptop-1"},
    } | changes
    return {"timestamp": "2026-11-29T09:00:02.123456Z", "details": details}


def found(payload: Any) -> list[tuple[str, str, str, int | None]]:
    return [
        (str(one.identifiers[0]), one.check_id, one.status.value, one.value)
        for one in read(payload, checks=CHECKS).findings
    ]


class TestPolicies:
    def test_hosts_that_fail_fail_the_check(self) -> None:
        assert found(policy()) == [
            ("fleet_host 17", "disk_encryption", "fail", None),
            ("fleet_host 17", "managed", "pass", None),
            ("fleet_host 18", "disk_encryption", "fail", None),
            ("fleet_host 18", "managed", "pass", None),
        ]
        assert read(policy(), checks=CHECKS).findings[0].observed_at == WHEN

    def test_a_policy_that_stands_for_nothing_is_ignored(self) -> None:
        said = read(policy("Is osquery running?"), checks=CHECKS)

        assert said.findings == []
        assert said.ignored == {"no check for the policy Is osquery running?": 2}

    @pytest.mark.parametrize(
        "changes",
        [
            {"hosts": None},
            {"hosts": [{"hostname": "laptop-1"}]},
            {"hosts": [{"id": -1}]},
            {"hosts": [{"id": True}]},
            {"hosts": ["17"]},
            {"hosts": [{"id": 1}] * 1001},
            {"policy": {"id": 1}},
            {"policy": "disk"},
            {"timestamp": "yesterday"},
            {"timestamp": "2026-11-29T09:00:00"},
            {"timestamp": None},
            {"timestamp": "0001-01-01T00:00:00+23:59"},
        ],
        ids=[
            "no hosts", "no id", "negative", "truth", "text", "too many", "no name", "no policy",
            "no instant", "no offset", "no timestamp", "before all years",
        ],
    )  # fmt: skip
    def test_what_fleet_does_not_send_is_refused(self, changes: dict[str, Any]) -> None:
        with pytest.raises(Refusal) as refused:
            read(policy(**changes), checks=CHECKS)

        assert refused.value.code == "invalid_request"


class TestResults:
    def test_rows_pass_and_none_fail(self) -> None:
        firewall = "pack/team-4/sallyport_firewall"

        assert found([result(firewall), result(firewall, snapshot=[])]) == [
            (f"uuid {UUID}", "firewall", "pass", None),
            (f"uuid {UUID}", "managed", "pass", None),
            (f"uuid {UUID}", "firewall", "fail", None),
            (f"uuid {UUID}", "managed", "pass", None),
        ]

    def test_the_pack_need_not_be_named(self) -> None:
        assert found([result("pack/Global/sallyport_patches")])[0] == (
            f"uuid {UUID}",
            "os_patch_age",
            "pass",
            3,
        )

    def test_another_teams_pack_is_another_query(self) -> None:
        assert found([result("pack/team-5/sallyport_firewall")]) == []

    @pytest.mark.parametrize(
        ("action", "expected"), [("added", "pass"), ("removed", "fail")], ids=str
    )
    def test_differences(self, action: str, expected: str) -> None:
        row = result("sallyport_patches", action=action, columns={"days": "3"})
        del row["details"]["snapshot"]

        assert found([row])[0][2] == expected

    def test_plain_osquery_is_understood_too(self) -> None:
        assert found(result("sallyport_patches")["details"])[0][1:] == ("os_patch_age", "pass", 3)

    def test_every_name_of_a_host_is_kept(self) -> None:
        decorations = {"hardware_serial": " 5cd 1234 ", "host_uuid": "not set"}
        [first, _] = read(
            [result("sallyport_patches", decorations=decorations)], checks=CHECKS
        ).findings

        assert first.identifiers == (
            Identifier(Kind.SERIAL, "5CD 1234"),
            Identifier(Kind.UUID, UUID),
        )

    @pytest.mark.parametrize(
        "changes",
        [
            {"hostIdentifier": "laptop-1", "decorations": {}},
            {"unixTime": "soon"},
            {"unixTime": 10**13},
            {"unixTime": None},
            {"snapshot": None},
            {"snapshot": [{"days": "-1"}]},
            {"snapshot": [{"days": "many"}]},
            {"snapshot": [{}]},
            {"snapshot": ["x"]},
            {"name": 5},
        ],
        ids=[
            "a name", "no time", "no year", "none", "no rows", "negative", "no number", "no days",
            "no row", "no query",
        ],
    )  # fmt: skip
    def test_a_result_that_says_too_little_is_passed_over(self, changes: dict[str, Any]) -> None:
        said = read([result("sallyport_patches", **changes)], checks=CHECKS)

        assert said.findings == []
        assert sum(said.ignored.values()) == 1

    def test_too_many_at_once_are_refused(self) -> None:
        with pytest.raises(Refusal):
            read([result("x")] * 1001, checks=CHECKS)


class TestVulnerabilities:
    def call(self, **changes: Any) -> dict[str, Any]:
        vulnerability = {
            "cve": "CVE-2014-9471",
            "details_link": "https://nvd.nist.gov/vuln/detail/CVE-2014-9471",
            "epss_probability": 0.7,
            "cvss_score": 5.7,
            "cisa_known_exploit": True,
            "hosts_affected": [
                {"id": 17, "hostname": "laptop-1", "url": "https://fleet.example.com/hosts/17"}
            ],
        }
        return {"timestamp": AT, "vulnerability": vulnerability | changes}

    def test_one_that_is_exploited_fails(self) -> None:
        assert found(self.call()) == [
            ("fleet_host 17", "no_known_exploited_vulnerability", "fail", None)
        ]

    @pytest.mark.parametrize("known", [False, None, "true"], ids=str)
    def test_any_other_does_not(self, known: object) -> None:
        assert found(self.call(cisa_known_exploit=known)) == []


@pytest.mark.parametrize(
    "payload",
    [
        {"text": "More than 5% of your hosts…", "data": {"unseen_hosts": 1, "host_ids": [1]}},
        {"timestamp": AT, "type": "user_logged_in", "details": {}},
        {},
        [],
        [None, 5, {"details": []}],
    ],
    ids=["silent hosts", "activity", "nothing", "no results", "rubbish"],
)
def test_other_calls_are_taken_and_say_nothing(payload: Any) -> None:
    assert found(payload) == []


@pytest.mark.parametrize("payload", [None, "x", 5, True], ids=repr)
def test_what_is_no_call_is_refused(payload: Any) -> None:
    with pytest.raises(Refusal):
        read(payload, checks=CHECKS)
