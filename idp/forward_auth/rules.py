"""What paths of a proxied application demand, and which rules a path falls under.

A rule has a `prefix` and any of: `roles` (one of them is enough), `permission` ("type:action", by
a role), `resource` ("type:id", what lies there: roles that are limited to it count as well), `acr`,
`max_age` (whole seconds), `tier` (of the device). All rules that match have to be met, so nothing
that lies deeper ever opens what lies above.

Servers read paths differently: some fold case, some decode twice, some drop what follows a
semicolon. A path is compared in the widest of these readings, and where it could be read as two
places it is refused, if there is any rule that such a reading could step around.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

import orjson
from django.conf import settings

from accounts.flows.resources import check_named
from core.assurance import ACR_VALUES, Level
from core.errors import Refusal
from core.ids import digest

MAX_RULES, MAX_PREFIX_LENGTH, MAX_ROLES = 100, 300, 20
MAX_TIER, MAX_AGE_SECONDS = 4, 86_400
MEMBERS = {"prefix", "roles", "permission", "resource", "acr", "max_age", "tier"}
ORIGIN = re.compile(r"(https?)://([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)(?::([1-9][0-9]{0,4}))?")
PREFIX = re.compile(r"/[A-Za-z0-9._~!$&'()*+,=:@/-]*")
PERMISSION = re.compile(r"([\x21-\x39\x3b-\x7e]{1,128}):([\x21-\x7e]{1,128})")
LOOPBACK = re.compile(r"localhost|127\.0\.0\.1|[a-z0-9-]+\.localhost")
DEFAULT_PORTS = {"http": "80", "https": "443"}
# Decoded, these part or end a path; some servers decode them, others do not.
AMBIGUOUS_CODES = re.compile(r"%(?:2f|5c|25|00)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Demands:
    """What all the rules of a path ask for together.

    max_age: since somebody proved to be there. rules: as policy is told of them.
    """

    level: Level = Level.NONE
    max_age: timedelta | None = None
    tier: int = 0
    rules: tuple[Mapping[str, Any], ...] = ()


def check_origin(origin: str) -> tuple[str, str]:
    """The origin as it is kept, and its host name; refuses INVALID_REQUEST."""
    found = ORIGIN.fullmatch(origin)
    if found is None or ".." in found[2]:
        raise Refusal.invalid_request(
            f"{origin[:300]}: give scheme, host and port only: https://app.example.com"
        )
    scheme, hostname, port = found[1], found[2], found[4]
    if scheme == "http" and (settings.IS_PRODUCTION or not LOOPBACK.fullmatch(hostname)):
        raise Refusal.invalid_request(f"{origin}: must be https.")
    ours = {urlsplit(base).hostname for base in (settings.ISSUER, settings.MTLS_BASE_URL) if base}
    if hostname in ours:
        raise Refusal.invalid_request(f"{origin}: this host is ours, cookies and all.")
    suffix = "" if port in {None, DEFAULT_PORTS[scheme]} else f":{port}"
    return f"{scheme}://{hostname}{suffix}", hostname


def check_rules(rules: Any) -> list[dict[str, Any]]:
    """The rules as they are kept; refuses INVALID_REQUEST with a sentence for people."""
    if not isinstance(rules, list) or len(rules) > MAX_RULES:
        raise Refusal.invalid_request(f"Rules are a list of at most {MAX_RULES} objects.")
    return [_check_rule(rule) for rule in rules]


def version_of(rules: Sequence[Mapping[str, Any]]) -> str:
    """A name of exactly these rules, 16 characters: others have another one."""
    return digest(orjson.dumps(list(rules), option=orjson.OPT_SORT_KEYS).decode()).hex()[:16]


def resource_types(rules: Sequence[Mapping[str, Any]]) -> list[str]:
    """The types that the rules' permissions name."""
    named = (rule["permission"].partition(":")[0] for rule in rules if rule.get("permission"))
    return sorted(set(named))


def _check_rule(rule: Any) -> dict[str, Any]:
    if not isinstance(rule, dict) or not rule.keys() <= MEMBERS:
        raise Refusal.invalid_request(f"A rule has {', '.join(sorted(MEMBERS))}, and no more.")
    prefix = rule.get("prefix")
    if (
        not isinstance(prefix, str)
        or len(prefix) > MAX_PREFIX_LENGTH
        or not PREFIX.fullmatch(prefix)
        or _segments(prefix) is None
    ):
        raise Refusal.invalid_request("A rule has a prefix: a plain path, not encoded: /admin")
    kept: dict[str, Any] = {"prefix": prefix}
    roles = rule.get("roles", [])
    if not isinstance(roles, list) or len(roles) > MAX_ROLES or not all(map(_is_name, roles)):
        raise Refusal.invalid_request(f"{prefix}: roles is a list of at most {MAX_ROLES} names.")
    permission = rule.get("permission", "")
    if permission and not (isinstance(permission, str) and PERMISSION.fullmatch(permission)):
        raise Refusal.invalid_request(f'{prefix}: a permission is "type:action".')
    resource = rule.get("resource", "")
    if resource:
        _check_resource(prefix, resource, permission, roles)
    acr = rule.get("acr", "")
    if acr not in ACR_VALUES:
        raise Refusal.invalid_request(f"{prefix}: acr is aal1, aal2, phr or phrh.")
    for name, most in (("max_age", MAX_AGE_SECONDS), ("tier", MAX_TIER)):
        value = rule.get(name, 0)
        if type(value) is not int or not 0 <= value <= most:
            raise Refusal.invalid_request(f"{prefix}: {name} is a number from 0 to {most}.")
    wanted = {
        "roles": list(dict.fromkeys(roles)),
        "permission": permission,
        "resource": resource,
        "acr": acr,
        "max_age": rule.get("max_age", 0),
        "tier": rule.get("tier", 0),
    }
    return kept | {name: value for name, value in wanted.items() if value}


def _check_resource(prefix: str, resource: Any, permission: str, roles: Sequence[str]) -> None:
    type_, colon, id_ = resource.partition(":") if isinstance(resource, str) else ("", "", "")
    if not colon:
        raise Refusal.invalid_request(f'{prefix}: a resource is "type:id".')
    try:
        check_named(type=type_, name=id_)
    except Refusal as refusal:
        raise Refusal.invalid_request(
            f'{prefix}: a resource is "type:id". {refusal.detail}'
        ) from refusal
    if not roles and not permission:
        raise Refusal.invalid_request(
            f"{prefix}: a resource alone demands nothing: say which roles, or which permission."
        )
    if permission and permission.partition(":")[0] != type_:
        raise Refusal.invalid_request(f"{prefix}: the permission is of another type of resource.")


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_PREFIX_LENGTH


def demands_of(rules: Sequence[Mapping[str, Any]], path: str) -> Demands:
    """What the rules ask of a path, as it was asked for with its query.

    Refuses `ambiguous_path` where the path could be read as two places and rules tell places apart.
    """
    if not rules:
        return Demands()
    if all(rule["prefix"] == "/" for rule in rules):
        return _sum(rules)
    asked = _segments(path.partition("?")[0])
    if asked is None:
        raise Refusal("ambiguous_path", "The path can be read in more than one way.", 403)
    return _sum([rule for rule in rules if _is_under(asked, _segments(rule["prefix"]) or [])])


def _is_under(asked: list[str], prefix: list[str]) -> bool:
    return asked[: len(prefix)] == prefix


def _sum(rules: Sequence[Mapping[str, Any]]) -> Demands:
    ages = [rule["max_age"] for rule in rules if rule.get("max_age")]
    return Demands(
        level=max((Level.from_acr(rule.get("acr", "")) for rule in rules), default=Level.NONE),
        max_age=timedelta(seconds=min(ages)) if ages else None,
        tier=max((rule.get("tier", 0) for rule in rules), default=0),
        rules=tuple(_told(rule) for rule in rules if rule.get("roles") or rule.get("permission")),
    )


def _told(rule: Mapping[str, Any]) -> dict[str, Any]:
    type_, _, action = rule.get("permission", "").partition(":")
    return {
        "prefix": rule["prefix"],
        "roles": rule.get("roles", []),
        "permission": {"type": type_, "action": action} if type_ else {},
        "resource": _named(rule.get("resource", "")),
    }


def _named(resource: str) -> dict[str, str]:
    type_, _, id_ = resource.partition(":")
    return {"type": type_, "id": id_} if type_ else {}


def _segments(path: str) -> list[str] | None:
    """The path's parts as the most careless server would read them; None where servers differ."""
    if not path.startswith("/") or AMBIGUOUS_CODES.search(path):
        return None
    try:
        plain = unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        return None
    if "\\" in plain or not plain.isprintable():
        return None
    # What follows a semicolon, and dots and spaces at the end, some servers drop.
    parts = [part.partition(";")[0].rstrip(". ").casefold() for part in plain[1:].split("/")]
    if parts[-1] == "" and plain.endswith("/"):
        parts.pop()
    return None if "" in parts else parts
