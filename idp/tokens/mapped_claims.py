"""Claims that an administrator has mapped for one client (`idp.registration.claim_mappings`).

What they say is collected when the token is made, one statement more for groups and one for the
profile, and only where a mapping wants them. What policy would have to say and does not is left
out: a token without a claim gives less, never more.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from core.prepared import Row
from idp.clients.authentication import MachineClient
from idp.storage import database
from idp.storage.tokens import FIND_GROUPS, FIND_PROFILE
from idp.tokens import permitted_resources, standard_claims
from idp.tokens.subject import subject_of

ACCESS, IDENTITY = "access_token", "id_token"
_NOTHING: Mapping[str, Any] = {}


class Mapped(NamedTuple):
    """rests_on_roles: something here says what roles allow, so no token outlives those."""

    access: Mapping[str, Any] = _NOTHING
    identity: Mapping[str, Any] = _NOTHING
    rests_on_roles: bool = False


NOTHING = Mapped()


def of_person(client: MachineClient, row: Row, roles: Sequence[str]) -> Mapped:
    """For a person. row: of AUTHORIZED; roles: what policy leaves of theirs."""
    mappings = client.metadata.claim_mappings
    if not mappings:
        return NOTHING
    kinds = {mapping.get("from") for mapping in mappings.values()}
    groups: Sequence[str] = ()
    if "groups" in kinds:
        found = database.one(FIND_GROUPS, {"user": row["user_id"]})
        groups = found["groups"] if found else ()
    if kinds & {"profile", "policy"} and "profile" not in row:
        row = {**row, **(database.one(FIND_PROFILE, {"user": row["user_id"]}) or {})}
    told: dict[str, Any] = {}
    for name, mapping in mappings.items():
        value: Any = None
        match mapping.get("from"):
            case None:
                value = mapping["value"]
            case "roles":
                value = renamed(mapping, roles)
            case "groups":
                value = renamed(mapping, groups)
            case "profile":
                claim = mapping["claim"]
                value = standard_claims.of_row(row, [claim], roles=()).get(claim)
            case "policy":
                value = permitted_resources.find(
                    client, row, mapping, sub=subject_of(client, row["user_id"])
                )
        if value is not None:
            told[name] = value
    return Mapped(
        access={name: told[name] for name in told if _is_in(mappings[name], ACCESS)},
        identity={name: told[name] for name in told if _is_in(mappings[name], IDENTITY)},
        rests_on_roles=bool(kinds & {"roles", "policy"}),
    )


def of_workload(client: MachineClient, roles: Sequence[str]) -> Mapped:
    """For a client that acts for itself: what is fixed, and what its own roles say."""
    mappings = client.metadata.claim_mappings or {}
    told = {
        name: renamed(mapping, roles) if mapping.get("from") == "roles" else mapping.get("value")
        for name, mapping in mappings.items()
        if _is_in(mapping, ACCESS) and mapping.get("from") in {None, "roles"}
    }
    rests = any(mappings[name].get("from") == "roles" for name in told)
    return Mapped(access=told, rests_on_roles=rests)


def told_now(
    token_claims: Mapping[str, Any], mappings: Mapping[str, Any] | None, roles: Sequence[str]
) -> dict[str, Any]:
    """The claims as introspection may tell them.

    What roles say is said anew; what policy said once is left out, since nobody has asked it now.
    """
    told = dict(token_claims)
    for name, mapping in (mappings or {}).items():
        if name in told and mapping.get("from") == "roles":
            told[name] = renamed(mapping, roles)
        elif mapping.get("from") == "policy":
            told.pop(name, None)
    return told


def renamed(mapping: Mapping[str, Any], held: Sequence[str]) -> list[str]:
    """What of them is told, by the names that the application knows."""
    wanted = mapping.get("names")
    if wanted is None:
        return sorted(held)
    return sorted({wanted[name] for name in held if name in wanted})


def _is_in(mapping: Mapping[str, Any], token: str) -> bool:
    return token in mapping.get("in", (ACCESS, IDENTITY))
