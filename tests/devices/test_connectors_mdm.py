"""The table that an administrator brings: what it may look like, and what is told of each line."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from devices.connectors import mdm

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
HEADING = "serial,uuid,observed_at,disk_encryption,os_patch_age"


def csv(*lines: str, heading: str = HEADING) -> bytes:
    return "\n".join([heading, *lines]).encode()


def faults(content: bytes) -> list[str]:
    _, wrong = mdm.read(content, now=NOW)
    return [str(one) for one in wrong]


def device(**changes: Any) -> dict[str, Any]:
    plain = {"serial": "5CD1234", "observed_at": "2026-11-30T09:00:00Z"}
    return plain | {"checks": {"disk_encryption": "pass", "os_patch_age": 4}} | changes


def document(*devices: Any, **changes: Any) -> bytes:
    return json.dumps({"schema": 1, "devices": list(devices)} | changes).encode()


def test_a_table_and_a_document_say_the_same() -> None:
    table, _ = mdm.read(csv("5cd1234,,2026-11-30T09:00:00Z,pass,4"), now=NOW)
    written, _ = mdm.read(document(device()), now=NOW)

    assert [row.findings for row in table] == [row.findings for row in written]
    [row] = table
    assert [(one.check_id, one.status.value, one.value) for one in row.findings] == [
        ("disk_encryption", "pass", None),
        ("os_patch_age", "pass", 4),
    ]
    assert row.findings[0].observed_at == datetime(2026, 11, 30, 9, tzinfo=UTC)


def test_a_spreadsheets_mark_and_line_ends_are_no_fault() -> None:
    content = b"\xef\xbb\xbf" + csv("5CD1234,,2026-11-30T09:00:00+01:00,fail,").replace(
        b"\n", b"\r\n"
    )

    rows, wrong = mdm.read(content, now=NOW)

    assert wrong == []
    assert rows[0].findings[0].observed_at == datetime(2026, 11, 30, 8, tzinfo=UTC)


def test_an_empty_field_says_nothing_and_missing_says_missing() -> None:
    rows, _ = mdm.read(csv("5CD1234,,2026-11-30T09:00:00Z,,missing"), now=NOW)

    assert [(one.check_id, one.status.value) for one in rows[0].findings] == [
        ("os_patch_age", "missing")
    ]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (",,2026-11-30T09:00:00Z,pass,4", "it has no serial, uuid or fleet_host"),
        ("None,,2026-11-30T09:00:00Z,pass,4", "serial 'None' names no device"),
        ("5CD1234,x,2026-11-30T09:00:00Z,pass,4", "uuid 'x' names no device"),
        ("5CD1234,,yesterday,pass,4", "observed_at is like 2026-11-30T09:00:00Z, with its offset"),
        ("5CD1234,,2026-11-30T09:00:00,pass,4", "observed_at is like 2026-11-30T09:00:00Z, with its offset"),
        ("5CD1234,,0001-01-01T00:00:00+23:59,pass,4", "observed_at is like 2026-11-30T09:00:00Z, with its offset"),
        ("5CD1234,,2026-11-30T12:06:00Z,pass,4", "observed_at lies in the future"),
        ("5CD1234,,2026-11-30T09:00:00Z,yes,4", "disk_encryption is pass, fail or missing"),
        ("5CD1234,,2026-11-30T09:00:00Z,pass,-4", "os_patch_age is whole days, or missing"),
        ("5CD1234,,2026-11-30T09:00:00Z,pass,pass", "os_patch_age is whole days, or missing"),
        ("5CD1234,,2026-11-30T09:00:00Z,pass,99999", "os_patch_age is whole days, or missing"),
        ("5CD1234,,2026-11-30T09:00:00Z,,", "it says nothing of any check"),
        ("5CD1234,,2026-11-30T09:00:00Z,pass", "4 fields where the heading has 5"),
        ("5CD1234,,2026-11-30T09:00:00Z,pass,4,5", "6 fields where the heading has 5"),
    ],
    ids=[
        "nameless", "unfilled", "no uuid", "no instant", "no offset",
        "before all years", "future", "no status",
        "negative", "no days", "too old", "silent", "short", "long",
    ],
)  # fmt: skip
def test_each_line_is_told_what_is_wrong_with_it(line: str, what: str) -> None:
    good = "5CD9999,,2026-11-30T09:00:00Z,pass,4"

    assert faults(csv(good, line)) == [f"line 3: {what}"]


@pytest.mark.parametrize("odd", [[], {}, ["pass"], True, 1.5])
@pytest.mark.parametrize(
    "place", ["serial", "uuid", "observed_at", "disk_encryption", "os_patch_age"]
)
def test_a_member_that_is_no_text_is_a_fault_of_its_line(place: str, odd: Any) -> None:
    plain = device(checks={"disk_encryption": "pass"})
    if place in {"disk_encryption", "os_patch_age"}:
        plain["checks"][place] = odd
    else:
        plain[place] = odd

    assert len(faults(document(plain))) == 1


def test_all_faults_are_told_at_once() -> None:
    bad = "5CD{},,2026-11-30T09:00:00Z,yes,4"

    assert [each.split(":")[0] for each in faults(csv(*(bad.format(n) for n in range(3))))] == [
        "line 2",
        "line 3",
        "line 4",
    ]


def test_a_device_stands_there_once() -> None:
    line = "5CD1234,,2026-11-30T09:00:00Z,pass,4"

    assert faults(csv(line, line.lower().replace("t09", "T09").replace("z", "Z"))) == [
        "line 3: serial 5CD1234 stands in line 2 already"
    ]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (csv("x", heading="serial,observed_at,shoe_size"), "unknown columns: shoe_size"),
        (csv("x", heading="serial,observed_at,hardware_key"), "unknown columns: hardware_key"),
        (csv("x", heading="serial,serial,observed_at"), "a column stands there twice"),
        (csv("x", heading="serial,firewall"), "the heading names observed_at, and serial, uuid or fleet_host"),
        (csv("x", heading="observed_at,firewall"), "the heading names observed_at, and serial, uuid or fleet_host"),
        (csv(), "there are no devices in it"),
        (csv('"5CD'), "line 2 is not CSV: unexpected end of data"),
        (b"\xff\xfe", "the file is not UTF-8"),
        (b"{", "the file is not a JSON object"),
        (b"[]", "the file is not a JSON object"),
        (document(schema=2), 'the file is {"schema": 1, "devices": […]}'),
        (document(devices={}), "devices is a list"),
        (document("x"), "a device is an object, and so are its checks"),
        (document(device(shoe_size=44)), "unknown members: shoe_size"),
        (document(device(checks={"hardware_key": "pass"})), "unknown members: hardware_key"),
        (document(device(checks={"os_patch_age": True})), "os_patch_age is whole days, or missing"),
        (document(device(observed_at=1700000000)), "observed_at is like 2026-11-30T09:00:00Z, with its offset"),
    ],
    ids=[
        "column", "our key", "twice", "no time", "no name", "empty", "no csv", "no text", "no json",
        "a list", "schema", "no list", "no device", "member", "our key in json", "truth", "number",
    ],
)  # fmt: skip
def test_a_file_that_is_none_is_told(content: bytes, what: str) -> None:
    assert [each.split(": ", 1)[1] for each in faults(content)] == [what]


def test_a_clock_a_little_ahead_is_now() -> None:
    rows, _ = mdm.read(csv("5CD1234,,2026-11-30T12:04:00Z,pass,"), now=NOW)

    assert rows[0].findings[0].observed_at == NOW


def test_a_file_too_large_is_not_read() -> None:
    assert "at most" in faults(b"x" * (mdm.MAX_BYTES + 1))[0]


def test_lines_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mdm, "MAX_LINES", 3)
    at = (NOW - timedelta(hours=1)).isoformat()

    assert "at most 3 lines" in faults(csv(*(f"5CD{n},,{at},pass," for n in range(5))))[0]
