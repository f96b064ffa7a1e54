"""Phases 4 and 6 for grant types that act for a user: judge what was proven, and write it down."""

from datetime import datetime
from typing import Any

from audit import recorder
from audit.events import Event
from core import clock
from core.assurance import Level
from core.errors import Refusal
from core.prepared import Cursor, Row
from idp.clients.authentication import MachineClient, same_client
from idp.grants.wanted import Wanted
from idp.machine.server import Refused, TokenRequest
from idp.models.token import RevokeReason
from idp.storage import database
from idp.storage.families import REVOKE_FAMILY
from idp.storage.tokens import FIND_PROFILE
from idp.tokens import mapped_claims, standard_claims
from idp.tokens.claims import Authorization, acr_of, session_end
from idp.tokens.encryption import id_token_recipient
from idp.tokens.subject import subject_of
from policy.decision import Decision, Outcome
from policy.facts import Trigger
from sessions import evaluation
from sessions.evaluation import Resource
from sessions.response import Subject, respond
from sessions.rights import Rights, rights_of


def judge(request: TokenRequest, client: MachineClient, row: Row, trigger: Trigger) -> Decision:
    """Ask the one gate; refuses invalid_grant, its reasons to audit only (RFC 6749 §5.2).

    On revoke, the family goes as well. What is withheld is written down in the transaction of the
    request. Raises StaleClient.
    """
    same_client(client, row["client_changed_at"])
    decision = look(client, row, trigger)
    if decision.is_allowed:
        if decision.outcome is Outcome.RESTRICT:
            note_restriction(request.unit.cursor, client, row, trigger, decision)
        return decision
    request.traces.append(lambda cursor: _trace_refusal(cursor, client, row, trigger, decision))
    raise Refused(Refusal.invalid_grant("The session behind this grant is no longer good enough."))


def look(client: MachineClient, row: Row, trigger: Trigger) -> Decision:
    """What the gate says of these facts; nothing follows from it."""
    return evaluation.judge(row, trigger=trigger, resource=_demands_of(client))


def _demands_of(client: MachineClient) -> Resource:
    """What the client asks of the session behind its tokens."""
    return Resource(
        client_is_active=client.is_active,
        required_level=Level.from_acr(client.required_acr),
        client_name=client.client_id,
        required_tier=client.required_tier,
        scope_tiers=client.scope_tiers,
    )


def authorize(
    client: MachineClient,
    row: Row,
    *,
    decision: Decision,
    scope: str,
    wanted: Wanted,
    cnf: dict[str, str] | None,
    nonce: str = "",
) -> Authorization:
    """decision: of the gate, which may withhold. cnf: `TokenRequest.cnf`, what tokens are bound to.

    What the client may no longer ask for is left out. Its key is asked for only where there is an
    ID token to encrypt to it. Refuses invalid_scope when nothing is left of the scope.
    """
    granted, scope = scope, " ".join(word for word in scope.split() if word in client.scopes)
    if granted and not scope:
        raise Refused(Refusal.invalid_scope("This client may no longer ask for the scope."))
    asked, scope = scope, decision.scope_of(scope)
    if asked and not scope:
        raise Refused(Refusal.invalid_scope("This device is trusted too little for the scope."))
    scopes, held = scope.split(), rights_of(row).without(decision.withheld_roles)
    carried = held if "roles" in scopes else Rights()
    person = _person(row, held.roles)
    mapped = mapped_claims.of_person(client, row, held.roles)
    if "roles" in (person or ()) or mapped.rests_on_roles:
        carried = held
    end = session_end(row)
    return Authorization(
        client_id=client.client_id,
        audience=client.audience,
        alg=client.signing_alg,
        scope=scope,
        now=row["now"],
        ends_at=min(end, carried.ends_at or end),
        stem=row["family_id"],
        subject=subject_of(client, row["user_id"]),
        recipient=id_token_recipient(client) if "openid" in scopes else None,
        session_id=row["session_id"],
        acr=acr_of(row),
        amr=tuple(row["amr"]),
        auth_time=row["auth_time"],
        nonce=nonce,
        roles=carried.roles if "roles" in scopes else None,
        grants=carried.grant_ids,
        grants_end_at=carried.grants_end_at,
        resource=wanted.resource,
        authorization_details=wanted.authorization_details,
        cnf=cnf,
        person={**mapped.identity, **(person or {})} if mapped.identity else person,
        mapped=mapped.access,
        is_listed=client.metadata.access_token_status_list,
    )


def _person(row: Row, roles: tuple[str, ...]) -> dict[str, Any] | None:
    """What the `claims` parameter wants in the ID token; one more statement only where it does."""
    asked = row["terms"].get("claims", {}).get("id_token")
    if not asked:
        return None
    if "profile" not in row:
        row = {**row, **(database.one(FIND_PROFILE, {"user": row["user_id"]}) or {})}
    return standard_claims.of_row(row, asked, roles=roles)


def record(
    cursor: Cursor, event: Event, client: MachineClient, row: Row, address: str, **facts: Any
) -> None:
    recorder.insert(
        cursor,
        event,
        organisation_id=row["organisation_id"],
        actor=f"accounts.User:{row['user_id']}",
        subject=f"idp.Client:{client.id}",
        session_id=row["session_id"],
        address=address,
        now=row["now"],
        facts={"family": row["family_id"], **facts},
    )


def revoke_family(
    cursor: Cursor, family_id: Any, reason: RevokeReason, *, actor: str, **facts: Any
) -> bool:
    """Revoke a family once and write it down; False if it was over already.

    actor: whose doing it is, as audit keeps it: the client that asked or showed what was spent, ""
    where policy said so.
    """
    row = cursor.one(
        REVOKE_FAMILY,
        {"family": family_id, "reason": reason.value, "clock_offset": clock.offset()},
    )
    if row is None:
        return False
    recorder.insert(
        cursor,
        Event.REFRESH_FAMILY_REVOKED,
        organisation_id=row["organisation_id"],
        actor=actor,
        subject=f"accounts.User:{row['user_id']}",
        session_id=row["session_id"],
        now=clock.now(),
        facts={
            "reason": reason.value,
            "family": family_id,
            "client": row["client_id"],
            **facts,
        },
    )
    return True


def note_restriction(
    cursor: Cursor, client: MachineClient, row: Row, trigger: Trigger, decision: Decision
) -> None:
    """Write down what the tokens of this request leave out."""
    withheld = {
        "withheld_scopes": sorted(decision.withheld_scopes),
        "withheld_roles": sorted(decision.withheld_roles),
    }
    _trace(cursor, Event.TOKEN_RESTRICTED, client, row, trigger, decision, **withheld)


def respond_to_replay(row: Row, *, now: datetime) -> None:
    """Let the rules say what follows from a token that was copied (`policies/response.rego`).

    For the transaction that revokes what it was of.
    """
    about = Subject(
        organisation_id=row["organisation_id"],
        user_id=row["user_id"],
        session_id=row["session_id"],
    )
    respond("token_replay", about=about, now=now)


def _trace_refusal(
    cursor: Cursor, client: MachineClient, row: Row, trigger: Trigger, decision: Decision
) -> None:
    outcome = decision.outcome.value
    _trace(cursor, Event.TOKEN_REFUSED, client, row, trigger, decision, outcome=outcome)
    if decision.outcome is Outcome.REVOKE and trigger is Trigger.REFRESH:
        revoke_family(
            cursor,
            row["family_id"],
            RevokeReason.POLICY,
            actor="",
            reasons=decision.reasons,
        )


def _trace(
    cursor: Cursor,
    event: Event,
    client: MachineClient,
    row: Row,
    trigger: Trigger,
    decision: Decision,
    **facts: Any,
) -> None:
    """Write down a decision that was no plain yes."""
    recorder.insert(
        cursor,
        event,
        organisation_id=row["organisation_id"],
        actor=f"accounts.User:{row['user_id']}",
        subject=f"idp.Client:{client.id}",
        session_id=row["session_id"],
        now=row["now"],
        facts={
            "trigger": trigger.value,
            "reasons": decision.reasons,
            "decision_id": decision.decision_id,
            "policy_revision": decision.revision,
            **facts,
        },
    )
