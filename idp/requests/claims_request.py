"""The `claims` parameter (OpenID Connect Core 1.0 §5.5).

It is read once, when a request is checked. What is kept of it, and granted, is only what we know
and what the scopes that the client has registered would give it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from core import strict_json
from core.errors import Refusal
from idp.tokens import standard_claims

MEMBERS = ("id_token", "userinfo")
MAX_CLAIMS = 50
MAX_VALUES = 20
OF_SIGN_IN = ("acr", "auth_time", "sub")

Asked = Mapping[str, Mapping[str, Any]]


def parse(text: str, *, scopes: Iterable[str]) -> dict[str, dict[str, Any]]:
    """What is asked for, without what is unknown or out of reach (§5.5: that is no error).

    scopes: those that the client has registered. Refuses INVALID_REQUEST for any other shape than
    an object of objects, and for more than 50 claims.
    """
    try:
        sent = strict_json.parse_object(text.encode())
    except ValueError:
        raise Refusal.invalid_request("claims is not a plain JSON object.") from None
    known = {*standard_claims.names_of(scopes), *OF_SIGN_IN}
    kept = {name: _read(sent[name], known) for name in MEMBERS if sent.get(name) is not None}
    return {name: member for name, member in kept.items() if member}


def subject_of(asked: Asked) -> str | None:
    """Whom the client expects (§5.5.1): a `sub` with a value, in either member.

    Two different ones are nobody's: "".
    """
    wanted = {
        value
        for member in MEMBERS
        for value in [(asked.get(member, {}).get("sub") or {}).get("value")]
        if value is not None
    }
    if not wanted:
        return None
    return str(wanted.pop()) if len(wanted) == 1 else ""


def acr_values(asked: Asked, *, essential: bool) -> tuple[str, ...]:
    """The values of `acr` for the ID token: demanded, or only wished for (§5.5.1.1)."""
    acr = asked.get("id_token", {}).get("acr") or {}
    if bool(acr.get("essential")) is not essential:
        return ()
    return tuple(acr.get("values", ())) or ((acr["value"],) if "value" in acr else ())


def scopes_of(asked: Asked) -> set[str]:
    """The scopes that would give what is asked for: what the user allows."""
    wanted = {name for member in asked.values() for name in member}
    return {
        scope
        for scope, names in standard_claims.NAMES_OF_SCOPE.items()
        if not wanted.isdisjoint(names)
    }


def _read(member: Any, known: set[str]) -> dict[str, Any]:
    if not isinstance(member, dict) or len(member) > MAX_CLAIMS:
        raise Refusal.invalid_request(f"claims must name at most {MAX_CLAIMS} claims each.")
    return {name: _request(how) for name, how in member.items() if name in known}


def _request(how: Any) -> dict[str, Any] | None:
    """How one claim is asked for (§5.5.1), without members that we do not know."""
    if how is None:
        return None
    if not isinstance(how, dict):
        raise Refusal.invalid_request("Each claim is null or an object.")
    values = how.get("values", [])
    if not isinstance(values, list) or len(values) > MAX_VALUES:
        raise Refusal.invalid_request(f"values must be a list of at most {MAX_VALUES}.")
    kept: dict[str, Any] = {}
    if how.get("essential") is True:
        kept["essential"] = True
    texts = [value for value in values if isinstance(value, str)]
    if texts:
        kept["values"] = texts
    if isinstance(how.get("value"), str):
        kept["value"] = how["value"]
    return kept or None
