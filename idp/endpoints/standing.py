"""What an access token stands on: its rows, by one statement, and whether they are still good."""

from typing import Any
from uuid import UUID

from core import clock
from core.prepared import Row
from idp.clients.authentication import MachineClient
from idp.clients.elevated import held_of
from idp.models.client import TOKEN_EXCHANGE
from idp.storage import database
from idp.storage.clients import FIND_CLIENT
from idp.storage.tokens import FIND_MACHINE_TOKEN, FIND_TOKEN
from idp.tokens import claims
from policy.decision import Decision, Outcome
from policy.facts import Trigger
from sessions import evaluation
from sessions.rights import rights_of


def row_behind(
    token_claims: dict[str, Any],
    caller: MachineClient | None = None,
    *,
    statement: str = FIND_TOKEN,
) -> Row | None:
    """The rows that an access token stands on, by one statement: this one, for a person's token."""
    stem = claims.stem_of(str(token_claims.get("jti", "")))
    if stem is None:
        return None
    params = {
        "family": stem,
        "client": stem,
        "jti": token_claims["jti"],
        "caller": caller.id if caller else None,
        "grants": sorted(claims.grants_of(token_claims)),
        **evaluation.fact_params(),
    }
    query = statement if "sid" in token_claims else FIND_MACHINE_TOKEN
    return database.one(query, params)


# A client's own token carries nothing of a person that could be withheld.
_MACHINE = Decision(Outcome.ALLOW, (), "none", UUID(int=0))


def judge(token_claims: dict[str, Any], row: Row, trigger: Trigger) -> Decision:
    """Whether the token is still good, and what of it is withheld by now.

    That is also what its client may no longer ask for.
    """
    if row["is_revoked"]:
        return _bad("token_revoked")
    may_ask = row["client_scopes"]
    if row["client_name"] != token_claims["client_id"]:
        exchanger = _exchanger(token_claims, row)
        if exchanger is None:
            return _bad("token_of_another_client")
        may_ask = exchanger["scopes"]
    if "sid" not in token_claims:
        decision = _judge_workload(token_claims, row)
    else:
        decision = _judge_person(token_claims, row, trigger)
    gone = {*token_claims.get("scope", "").split()}.difference(may_ask)
    if not gone:
        return decision
    return decision._replace(withheld_scopes=decision.withheld_scopes | gone)


def _judge_person(token_claims: dict[str, Any], row: Row, trigger: Trigger) -> Decision:
    if row["revoked_at"] is not None or row["family_expires_at"] <= row["now"]:
        return _bad("family_over")
    if not claims.grants_of(token_claims) <= set(rights_of(row).grants.values()):
        return _bad("grant_over")
    return evaluation.judge(row, trigger=trigger, resource=claims.resource_of(row))


def _judge_workload(token_claims: dict[str, Any], row: Row) -> Decision:
    if not row["client_is_active"]:
        return _bad("client_inactive")
    if not claims.grants_of(token_claims) <= held_of(row, address=None).live_grants:
        return _bad("grant_over")
    return _MACHINE


def _bad(reason: str) -> Decision:
    return Decision.denied(reason, "none")


def _exchanger(token_claims: dict[str, Any], row: Row) -> Row | None:
    """The client that exchanged another's token for this one (RFC 8693), if it still may."""
    params = {"client_id": token_claims["client_id"], "clock_offset": clock.offset()}
    client = database.one(FIND_CLIENT, params)
    if (
        client is None
        or not client["is_active"]
        or client["organisation_id"] != row["organisation_id"]
        or TOKEN_EXCHANGE not in client["grant_types"]
    ):
        return None
    return client
