"""A table of devices out of whatever manages them: CSV or JSON, one device a line.

CSV: a heading, then lines. Columns: `serial`, `uuid`, `fleet_host` (at least one has to be filled),
`observed_at` (RFC 3339 with its offset), and any of our checks by their ids, but `hardware_key`. A
check says pass, fail or missing, an empty field says nothing, `os_patch_age` says whole days.

JSON: `{"schema": 1, "devices": [{"serial": …, "observed_at": …, "checks": {"firewall": "pass"}}]}`.

Pure: it reads the text, and tells of every line what is wrong with it. Either all of it is good or
nothing is written.
"""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core import strict_json
from devices.connectors import identifiers
from devices.connectors.findings import (
    MAX_CLOCK_LEAD,
    MAX_PATCH_DAYS,
    REPORTABLE,
    Finding,
    read_instant,
)
from devices.connectors.identifiers import Identifier, Kind
from devices.score import OS_PATCH_AGE, Status

MAX_BYTES = 8 << 20
MAX_LINES = 5_000  # all in one transaction, some 10 ms each
MAX_FAULTS = 100
SCHEMA = 1
_KINDS = frozenset(kind.value for kind in Kind)
_PLAIN = frozenset({*_KINDS, "observed_at"})


@dataclass(frozen=True)
class Row:
    """One device. line: where it stands in the file, for people."""

    line: int
    identifiers: tuple[Identifier, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Fault:
    line: int
    what: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.what}"


class _Bad(ValueError):  # noqa: N818 - a state of a line
    """What is wrong with one line."""


def read(content: bytes, *, now: datetime) -> tuple[list[Row], list[Fault]]:
    """The rows of a file, and what is wrong with it. Rows count only where there is no fault."""
    if len(content) > MAX_BYTES:
        return [], [Fault(1, f"a file has at most {MAX_BYTES} bytes")]
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return [], [Fault(1, "the file is not UTF-8")]
    rows: list[Row] = []
    faults: list[Fault] = []
    taken: dict[Identifier, int] = {}
    try:
        for line, said in _lines(text):
            if line > MAX_LINES:
                raise _Bad(f"a file has at most {MAX_LINES} lines")
            try:
                row = _row(line, said, now)
                for identifier in row.identifiers:
                    first = taken.setdefault(identifier, line)
                    if first != line:
                        raise _Bad(f"{identifier} stands in line {first} already")
                rows.append(row)
            except _Bad as bad:
                faults.append(Fault(line, str(bad)))
            if len(faults) >= MAX_FAULTS:
                break
    except _Bad as bad:
        faults.append(Fault(1, str(bad)))
    if not rows and not faults:
        faults.append(Fault(1, "there are no devices in it"))
    return rows, faults


def _lines(text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    return _json_lines(text) if text.lstrip().startswith(("{", "[")) else _csv_lines(text)


def _csv_lines(text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        heading = [name.strip() for name in next(reader, [])]
        unknown = sorted(set(heading) - _PLAIN - REPORTABLE)
        if unknown:
            raise _Bad(f"unknown columns: {', '.join(name[:40] for name in unknown[:5])}")
        if len(set(heading)) != len(heading):
            raise _Bad("a column stands there twice")
        if "observed_at" not in heading or not _KINDS & set(heading):
            raise _Bad("the heading names observed_at, and serial, uuid or fleet_host")
        for fields in reader:
            if not fields:
                continue
            said = dict(zip(heading, (field.strip() for field in fields), strict=False))
            if len(fields) != len(heading):
                said["?"] = f"{len(fields)} fields where the heading has {len(heading)}"
            yield reader.line_num, said
    except csv.Error as error:
        raise _Bad(f"line {reader.line_num} is not CSV: {error}") from error


def _json_lines(text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Lines are counted as devices are, from one."""
    try:
        document = strict_json.parse_object(text.encode())
    except ValueError as error:
        raise _Bad("the file is not a JSON object") from error
    if document.keys() != {"schema", "devices"} or document["schema"] != SCHEMA:
        raise _Bad(f'the file is {{"schema": {SCHEMA}, "devices": […]}}')
    if not isinstance(document["devices"], list):
        raise _Bad("devices is a list")
    for line, device in enumerate(document["devices"], start=1):
        yield line, _flat(device)


def _flat(device: Any) -> Mapping[str, Any]:
    if not isinstance(device, dict) or not isinstance(device.get("checks", {}), dict):
        return {"?": "a device is an object, and so are its checks"}
    checks: dict[str, Any] = device.get("checks", {})
    unknown = sorted({*(device.keys() - _PLAIN - {"checks"}), *(checks.keys() - REPORTABLE)})
    if unknown:
        return {"?": f"unknown members: {', '.join(name[:40] for name in unknown[:5])}"}
    plain: dict[str, Any] = {name: device[name] for name in device if name != "checks"}
    return plain | checks


def _row(line: int, said: Mapping[str, Any], now: datetime) -> Row:
    if "?" in said:
        raise _Bad(str(said["?"]))
    names = tuple(_identifiers(said))
    if not names:
        raise _Bad("it has no serial, uuid or fleet_host")
    at = _observed_at(said.get("observed_at"), now)
    findings = tuple(
        Finding(names, check_id, *_status(check_id, said[check_id], at))
        for check_id in sorted(REPORTABLE & said.keys())
        if said[check_id] not in ("", None)
    )
    if not findings:
        raise _Bad("it says nothing of any check")
    return Row(line, names, findings)


def _identifiers(said: Mapping[str, Any]) -> Iterator[Identifier]:
    for kind in Kind:
        text = said.get(kind)
        if text in ("", None):
            continue
        found = identifiers.read(kind, text)
        if found is None:
            raise _Bad(f"{kind} {str(text)[:40]!r} names no device")
        yield found


def _observed_at(text: Any, now: datetime) -> datetime:
    at = read_instant(text)
    if at is None:
        raise _Bad("observed_at is like 2026-11-30T09:00:00Z, with its offset")
    if at > now + MAX_CLOCK_LEAD:
        raise _Bad("observed_at lies in the future")
    return min(at, now)


def _status(check_id: str, value: Any, at: datetime) -> tuple[Status, datetime, int | None]:
    if check_id == OS_PATCH_AGE and value != Status.MISSING:
        text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
        is_days = text.isascii() and text.isdigit() and len(text) <= len(str(MAX_PATCH_DAYS))
        if not is_days or int(text) > MAX_PATCH_DAYS:
            raise _Bad(f"{check_id} is whole days, or missing")
        return Status.PASS, at, int(text)
    try:
        return Status(value), at, None
    except ValueError as error:
        raise _Bad(f"{check_id} is pass, fail or missing") from error
