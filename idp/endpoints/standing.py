"""What an access token stands on: its rows, by one statement, and whether they are still good."""

from typing import Any

from core import clock
from core.prepared import Row
from idp import storage
from idp.client_auth import MachineClient
from idp.models.client import TOKEN_EXCHANGE
from idp.tokens import claims
from policy.facts import Trigger
from sessions import evaluation
from sessions.evaluation import Resource


def row_behind(token_claims: dict[str, Any], caller: MachineClient | None = None) -> Row | None:
    """The rows that an access token stands on, by one statement."""
    stem = claims.stem_of(str(token_claims.get("jti", "")))
    if stem is None:
        return None
    params = {
        "family": stem,
        "client": stem,
        "jti": token_claims["jti"],
        "caller": caller.id if caller else None,
        "clock_offset": clock.offset(),
    }
    query = storage.FIND_TOKEN if "sid" in token_claims else storage.FIND_MACHINE_TOKEN
    return storage.one(query, params)


def is_good(token_claims: dict[str, Any], row: Row, trigger: Trigger) -> bool:
    if row["is_revoked"]:
        return False
    if row["client_name"] != token_claims["client_id"] and not _was_exchanged(token_claims, row):
        return False
    if "sid" not in token_claims:
        return bool(row["client_is_active"])
    if row["revoked_at"] is not None or row["family_expires_at"] <= row["now"]:
        return False
    resource = Resource(
        client_is_active=row["client_is_active"], required_level=claims.level_of(row)
    )
    return evaluation.judge(row, trigger=trigger, resource=resource).is_allowed


def _was_exchanged(token_claims: dict[str, Any], row: Row) -> bool:
    """Whether the token is of a client that exchanged another's (RFC 8693), and still may."""
    client = storage.one(storage.FIND_CLIENT, {"client_id": token_claims["client_id"]})
    return (
        client is not None
        and client["is_active"]
        and client["organisation_id"] == row["organisation_id"]
        and TOKEN_EXCHANGE in client["grant_types"]
    )
