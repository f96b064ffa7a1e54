"""What an administrator may register about further claims of a client's tokens: pure rules.

`claim_mappings` of a client's metadata is an object, by the names of the claims:

    {"tier": {"value": "gold"},
     "groups": {"from": "groups"},
     "app_roles": {"from": "roles", "names": {"db-admin": "ADMIN"}},
     "given": {"from": "profile", "claim": "given_name"},
     "record": {"from": "policy", "action": "delete", "resource_type": "record"}}

`names` renames what is listed and leaves out the rest. Each may say `in`, a list of `access_token`
and `id_token`, for one of them only.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from core.errors import Refusal
from idp.authzen import names
from idp.tokens import standard_claims

CLAIM = re.compile(r"[A-Za-z][A-Za-z0-9_:/.\-]{0,127}")
TOKENS = ("access_token", "id_token")
MAX_MAPPINGS, MAX_VALUE_BYTES, MAX_TEXT_LENGTH = 20, 1024, 128
# Claims that are said by the protocol and by nobody else.
RESERVED = frozenset({
    "iss", "sub", "aud", "exp", "nbf", "iat", "jti", "azp", "client_id", "scope", "sid", "acr",
    "amr", "auth_time", "nonce", "at_hash", "c_hash", "s_hash", "cnf", "act", "may_act", "events",
    "authorization_details", "status", "roles", "grant_id", "grant_exp", "active", "token_type",
    "username",
})  # fmt: skip
MEMBERS = {
    "roles": ({"from"}, {"names"}),
    "groups": ({"from"}, {"names"}),
    "profile": ({"from", "claim"}, set()),
    "policy": ({"from", "action", "resource_type"}, {"subject"}),
}


def check(mappings: Mapping[str, Any] | None) -> None:
    """Refuses INVALID_CLIENT_METADATA for what could not be told, or would say what is not ours."""
    for name, mapping in (mappings or {}).items():
        fault = _fault_of(name, mapping)
        if fault:
            raise Refusal("invalid_client_metadata", f"claim_mappings: {name[:64]} {fault}.")
    if len(mappings or {}) > MAX_MAPPINGS:
        raise Refusal("invalid_client_metadata", f"claim_mappings has more than {MAX_MAPPINGS}.")


def _fault_of(name: str, mapping: Any) -> str:
    if not CLAIM.fullmatch(name) or name in RESERVED:
        return "is not a name for a claim of your own"
    if not isinstance(mapping, dict):
        return "is not an object"
    said = mapping.keys() - {"in"}
    wanted = mapping.get("in", list(TOKENS))
    if not isinstance(wanted, list) or not wanted or any(each not in TOKENS for each in wanted):
        return f"has an `in` that is not a list of {' and '.join(TOKENS)}"
    if said == {"value"}:
        return "" if len(json.dumps(mapping["value"])) <= MAX_VALUE_BYTES else "is too large"
    kind = mapping.get("from")
    if not isinstance(kind, str) or kind not in MEMBERS:
        return f"has neither a value nor a `from` that is one of {', '.join(MEMBERS)}"
    needed, optional = MEMBERS[kind]
    if not needed <= said or not said <= needed | optional:
        return f"has other members than {', '.join(sorted(needed | optional))}"
    if kind == "profile" and mapping["claim"] not in standard_claims.READABLE:
        return "is from no claim that we know"
    renamed = mapping.get("names", {})
    if not isinstance(renamed, dict) or not all(map(_is_text, [*renamed, *renamed.values()])):
        return "has `names` that are no texts"
    if kind == "policy" and not (
        _is_text(mapping["action"])
        and _is_text(mapping["resource_type"])
        and mapping.get("subject", names.SUB) in names.FORMS
    ):
        return "asks policy about what is no action, type or subject"
    return ""


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_TEXT_LENGTH and value.isprintable()
