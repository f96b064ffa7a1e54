"""Fleet and osquery, by webhook: what its calls say of our checks.

Three of Fleet's calls are understood (https://fleetdm.com/docs/using-fleet/automations):

- results of reports (`[{timestamp, details}]`, each `details` an osquery result): a query that
  returns rows has passed, one that returns none has failed, as Fleet's policies have it. A column
  `days` is the value of `os_patch_age`. The host is named by `host_uuid` and `hardware_serial` in
  the decorations, or by `hostIdentifier`. Plain osquery results are taken as well.
- failing policies (`{timestamp, policy, hosts}`): these hosts have failed the policy's check. Fleet
  names them by its own number only, and never calls when a policy passes again.
- vulnerabilities (`{timestamp, vulnerability}`): a CVE that is known to be exploited.

Which query or policy stands for which check, the connector's map says. Everything else is taken in
and ignored, so that Fleet need not be set up call by call.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from core.errors import Refusal
from devices.connectors import identifiers
from devices.connectors.findings import MAX_PATCH_DAYS, Delivery, Finding, read_instant
from devices.connectors.identifiers import Identifier, Kind
from devices.score import OS_PATCH_AGE, Status

EXPLOITED = "no_known_exploited_vulnerability"
MANAGED = "managed"
MAX_HOSTS = 1000
MAX_ROWS = 1000
LAST_SECOND = 253_402_300_799


def read(payload: Any, *, checks: Mapping[str, str]) -> Delivery:
    """What a call says; refuses invalid_request for what no Fleet sends.

    checks: names of policies and queries → ids of checks.
    """
    delivery = Delivery()
    if isinstance(payload, list):
        _results(payload, checks, delivery)
    elif not isinstance(payload, dict):
        raise Refusal.invalid_request("The body is a JSON object or a list of results.")
    elif "policy" in payload:
        _policy(payload, checks, delivery)
    elif "vulnerability" in payload:
        _vulnerability(payload, delivery)
    elif "hostIdentifier" in payload:
        _results([payload], checks, delivery)
    else:
        delivery.ignore("another kind of call")
    return delivery


def _policy(payload: dict[str, Any], checks: Mapping[str, str], delivery: Delivery) -> None:
    policy, at = payload["policy"], _timestamp(payload.get("timestamp"))
    hosts = _hosts(payload.get("hosts"))
    if not isinstance(policy, dict) or not isinstance(policy.get("name"), str):
        raise Refusal.invalid_request("policy has a name.")
    check_id = checks.get(policy["name"])
    if check_id is None:
        delivery.ignore(f"no check for the policy {policy['name'][:100]}", len(hosts))
        return
    for host in hosts:
        delivery.findings.append(Finding((host,), check_id, Status.FAIL, at))
        delivery.findings.append(Finding((host,), MANAGED, Status.PASS, at))


def _vulnerability(payload: dict[str, Any], delivery: Delivery) -> None:
    """Only what is known to be exploited counts, which Fleet tells in its Premium edition."""
    vulnerability, at = payload["vulnerability"], _timestamp(payload.get("timestamp"))
    if not isinstance(vulnerability, dict):
        raise Refusal.invalid_request("vulnerability is an object.")
    hosts = _hosts(vulnerability.get("hosts_affected"))
    if vulnerability.get("cisa_known_exploit") is not True:
        delivery.ignore("a vulnerability that is not known to be exploited", len(hosts))
        return
    for host in hosts:
        delivery.findings.append(Finding((host,), EXPLOITED, Status.FAIL, at))


def _hosts(value: Any) -> list[Identifier]:
    if not isinstance(value, list) or len(value) > MAX_HOSTS:
        raise Refusal.invalid_request(f"The hosts are a list of at most {MAX_HOSTS}.")
    found = [
        identifiers.read(Kind.FLEET_HOST, host.get("id")) if isinstance(host, dict) else None
        for host in value
    ]
    if None in found:
        raise Refusal.invalid_request("Every host has an id, which is a number.")
    return [host for host in found if host is not None]


def _results(rows: list[Any], checks: Mapping[str, str], delivery: Delivery) -> None:
    if len(rows) > MAX_ROWS:
        raise Refusal.invalid_request(f"There are at most {MAX_ROWS} results in one call.")
    for row in rows:
        details = row.get("details", row) if isinstance(row, dict) else None
        if not isinstance(details, dict) or not isinstance(details.get("name"), str):
            delivery.ignore("not a result of a query")
            continue
        check_id = _check_of(details["name"], checks)
        if check_id is None:
            delivery.ignore(f"no check for the query {details['name'][:100]}")
            continue
        _result(details, check_id, delivery)


def _check_of(name: str, checks: Mapping[str, str]) -> str | None:
    """Fleet sends `pack/Global/<query>` or `pack/team-<id>/<query>`; the map may say either."""
    return checks.get(name) or checks.get(
        name.split("/", 2)[-1] if name.startswith("pack/") else name
    )


def _result(details: dict[str, Any], check_id: str, delivery: Delivery) -> None:
    names, at = tuple(_names(details)), _unix_time(details.get("unixTime"))
    if not names or at is None:
        delivery.ignore("a result that names no host, or no time")
        return
    status, columns = _outcome(details)
    if status is None:
        delivery.ignore("a result that says neither yes nor no")
        return
    value = None
    if check_id == OS_PATCH_AGE and status is Status.PASS:
        value = _days(columns.get("days"))
        if value is None:
            delivery.ignore("patches without a column days")
            return
    delivery.findings.append(Finding(names, check_id, status, at, value))
    if check_id != MANAGED:
        delivery.findings.append(Finding(names, MANAGED, Status.PASS, at))


def _outcome(details: dict[str, Any]) -> tuple[Status | None, Mapping[str, Any]]:
    """A snapshot has all rows; a difference has one row, which came or went."""
    rows, columns = details.get("snapshot"), details.get("columns")
    if isinstance(rows, list):
        first = rows[0] if rows and isinstance(rows[0], dict) else {}
        return (Status.PASS if rows else Status.FAIL), first
    if isinstance(columns, dict):
        outcome = {"added": Status.PASS, "removed": Status.FAIL}.get(str(details.get("action")))
        return outcome, columns
    return None, {}


def _names(details: dict[str, Any]) -> Iterator[Identifier]:
    decorations = details.get("decorations")
    said = decorations if isinstance(decorations, dict) else {}
    for kind, text in (
        (Kind.UUID, said.get("host_uuid")),
        (Kind.SERIAL, said.get("hardware_serial")),
        (Kind.UUID, details.get("hostIdentifier")),
    ):
        found = identifiers.read(kind, text)
        if found:
            yield found


def _days(text: Any) -> int | None:
    """As osquery writes numbers: as text."""
    value = str(text) if isinstance(text, int | str) and not isinstance(text, bool) else ""
    if not (value.isascii() and value.isdigit()) or len(value) > len(str(MAX_PATCH_DAYS)):
        return None
    return int(value) if int(value) <= MAX_PATCH_DAYS else None


def _unix_time(value: Any) -> datetime | None:
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not (text.isascii() and text.isdigit()) or int(text[:13]) > LAST_SECOND:
        return None
    return datetime.fromtimestamp(int(text[:13]), UTC)


def _timestamp(value: Any) -> datetime:
    at = read_instant(value)
    if at is None:
        raise Refusal.invalid_request("timestamp is an instant as RFC 3339 writes it.")
    return at
