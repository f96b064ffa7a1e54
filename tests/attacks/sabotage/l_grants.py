"""Grants at use, and their end (A151, A152)."""

from collections.abc import (
    Callable,
)
from importlib import (
    import_module,
)
from typing import (
    Any,
)

from tests.attacks.sabotage.defence import (
    Defence,
    Patch,
    edit,
    replace,
    wrap,
)


def counted_without(condition: str, new: str = "") -> Callable[[Patch], None]:
    """Leaves a part of `accounts.rights.counts` out where it is asked for."""
    return lambda patch: edit(patch, "FIND_DATED", condition, "sessions.rights", new=new)


def what_the_token_says(original: Any, client: Any, text: str) -> Any:
    from idp.tokens import verify

    told = dict(original(client, text))
    if told["active"]:
        told |= {k: v for k, v in verify.access_token(text).items() if k in {"roles", "scope"}}
    return told


TAKEN_BACK = "attacks/test_a152_grant_taken_back.py"
OF_WORKLOADS = "attacks/test_a151_workload_grant.py"
OF_CONDITIONS = "attacks/test_a151_conditions.py"


def or_else_yes(original: Any, body: str, document: Any) -> bool:
    """Takes what cannot be judged for something that holds."""
    try:
        told: bool = original(body, document)
    except RuntimeError:
        return True
    return told


def under_no_condition(original: Any, conditional: Any, address: Any) -> Any:
    free = {"conditions": [], "request": {}, "workload": "", "address": ""}
    return original([{**each, "rules": free} for each in conditional], address)


def from_wherever(_: Any, roles: Any, conditional: Any, *, address: str) -> list[str]:
    """Counts what is bound to an address at each."""
    return sorted({*roles, *(each["role"] for each in conditional or ())})


def as_the_entitlement_is_today(_: Any, grant: Any) -> None:
    """Keeps of the conditions of live access those alone that are asked for now."""
    from access.conditions import rules_of
    from accounts.models import RoleAssignment

    rules = rules_of(grant, [grant.entitlement.condition])
    RoleAssignment.unscoped.filter(grant_id=grant.pk).update(rules=rules)


def of_workloads_without(old: str, new: str = "") -> Callable[[Patch], None]:
    """The statements that tell what grants give to applications, with a part left out."""
    places = {
        "ISSUE_TO_CLIENT": "idp.grants.client_credentials",
        "FIND_MACHINE_TOKEN": "idp.endpoints.standing",
        "FACTS": "idp.storage.authzen",
    }

    def remove(patch: Patch) -> None:
        for name, place in places.items():
            if old in getattr(import_module(place), name):
                edit(patch, name, old, place, new=new)

    return remove


DEFENCES = {
    "A151-claims": Defence(
        "no token lives longer than the roles that it carries",
        replace("sessions.rights:Rights.ends_at", property(lambda _: None)),
    ),
    "A151-token": Defence(
        "a token that carries a grant is dead once the grant is",
        replace("idp.tokens.claims:grants_of", lambda _: set()),
    ),
    "A151-conditions": Defence(
        "a grant counts only while its approvers may approve",
        counted_without("ac.assignment_id = ra.id", new="false"),
    ),
    "A151-suspended": Defence(
        "a suspended grant does not count", counted_without("AND ra.suspended_at IS NULL")
    ),
    "A151-lock": Defence(
        "a locked grant does not count",
        counted_without("l.target_type = 'grant'", new="false"),
    ),
    "A151-device": Defence(
        "a grant of one machine does not count on another",
        counted_without("ra.device_id = b.device_id", new="true"),
    ),
    "A151-rules": Defence(
        "what a grant gives counts only where its conditions hold",
        replace("sessions.conditions:hold", lambda *_: True),
        OF_CONDITIONS,
    ),
    "A151-rules-broken": Defence(
        "a condition that breaks does not hold",
        wrap("policy.bodies:_evaluate", or_else_yes),
        OF_CONDITIONS,
    ),
    "A151-rules-kept": Defence(
        "a condition of live access is never taken away",
        wrap("access.conditions:keep_up", as_the_entitlement_is_today),
        OF_CONDITIONS,
    ),
    "A151-rules-added": Defence(
        "a condition that is added counts for live access",
        replace("access.conditions:keep_up", lambda _: None),
        OF_CONDITIONS,
    ),
    "A151-rules-instant": Defence(
        "an edit waits for what begins at that instant",
        replace("access.flows.entitlements:_wait_for_beginnings", lambda *_: None),
        OF_CONDITIONS,
    ),
    "A151-stated": Defence(
        "what counts from one address counts from that one, as whoever asks has seen it",
        wrap("idp.clients.elevated:names_held", from_wherever),
        "attacks/test_a151_stated_address.py",
    ),
    "A151-workload-rules": Defence(
        "what a grant gives to an application counts only while its conditions hold",
        wrap("idp.clients.elevated:_holding", under_no_condition),
        OF_CONDITIONS,
    ),
    "A151-workload-token": Defence(
        "no token of an application lives longer than its grant",
        of_workloads_without("held.ends_at AS roles_end_at", new="NULL AS roles_end_at"),
        OF_WORKLOADS,
    ),
    "A151-workload-conditions": Defence(
        "an application's grant counts only while those whom it rests on stand",
        of_workloads_without("ac.workload_role_id = wr.id", new="false"),
        OF_WORKLOADS,
    ),
    "A151-workload-suspended": Defence(
        "an application's grant that is suspended does not count",
        of_workloads_without("AND wr.suspended_at IS NULL"),
        OF_WORKLOADS,
    ),
    "A151-workload-lock": Defence(
        "an application's grant that is locked does not count",
        of_workloads_without("l.target_type = 'grant'", new="false"),
        OF_WORKLOADS,
    ),
    "A152": Defence(
        "introspection tells which roles are live, not which the token names",
        wrap("idp.endpoints.introspection:_of_access_token", what_the_token_says),
    ),
    "A152-grant": Defence(
        "what is taken back ends in that transaction",
        replace("access.flows.timeline:end_elevation", lambda **_: 0),
        TAKEN_BACK,
    ),
}
