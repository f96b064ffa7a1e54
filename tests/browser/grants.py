"""Access for browser tests, made inside the instance's own database."""

import json
from datetime import timedelta
from typing import Any

from tests.support.instance import Instance


def run(instance: Instance, call: str) -> Any:
    """What a function of this module answers when the instance runs it."""
    said = instance.inside(
        f"import json; from tests.browser import grants; print(json.dumps(grants.{call}))",
    )  # fmt: skip
    return json.loads(said.splitlines()[-1])


def offered(email: str, boss: str, *, name: str = "", **terms: Any) -> str:
    """The name of an entitlement that one person may ask for and another may give."""
    from access import flows
    from access.offers import ApproverLine, Offer, StageLine
    from accounts import flows as accounts
    from accounts.models import Role, User
    from core import clock
    from core.ids import new_id

    now, people = clock.now(), User.unscoped
    user, approver = people.get(email=email), people.get(email=boss)
    acme = user.organisation
    name = name or f"keeper-{new_id().hex[-12:]}"
    role = Role.objects.within(acme).filter(name=name).first() or accounts.create_role(
        organisation=acme, name=name, description="Looks after the crew's database", now=now
    )
    values: dict[str, Any] = {
        "roles": [role], "description": "Look after the crew's database of all harbours",
        "stages": [StageLine([ApproverLine(user=approver)])], "max_duration": timedelta(hours=2),
        "ticket_pattern": "OPS-[0-9]+", "break_glass_duration": timedelta(minutes=30),
        "break_glass_roles": [role],
    }  # fmt: skip
    entitlement = flows.create_entitlement(
        organisation=acme, name=name, offer=Offer(**(values | terms)), now=now
    )
    flows.add_eligibility(entitlement=entitlement, user=user, now=now)
    return name


def made(email: str, boss: str, state: str = "waiting", **terms: Any) -> str:
    """The id of a request, brought by these two into a state: waiting, scheduled, active, …"""
    from access import flows
    from access.models import Entitlement
    from accounts.models import User
    from core import clock
    from sessions.models import LoginSession

    name, now, people = offered(email, boss, **terms), clock.now(), User.unscoped
    user, approver = people.get(email=email), people.get(email=boss)
    entitlement = Entitlement.objects.within(user.organisation).get(name=name)
    sessions = LoginSession.unscoped.live(now)
    mine, theirs = (sessions.filter(user=who).first().pk for who in (user, approver))
    if state == "emergency":
        taken = flows.break_glass(
            entitlement=entitlement, requester=user, session_id=mine, now=now,
            reason="Nobody answers, and the harbour is closed",
        )  # fmt: skip
        return str(taken.pk)
    grant = flows.request_grant(
        entitlement=entitlement, requester=user, session_id=mine, now=now, ticket="OPS-1402",
        duration=timedelta(minutes=30),
        reason="The index of the berths table has to be built anew before tonight",
    )  # fmt: skip
    said = {"grant": grant, "approver": approver, "session_id": theirs, "now": now}
    if state == "denied":
        flows.deny_grant(**said, reason="Please wait until the ships have left")
    if state in {"scheduled", "active", "suspended", "over"}:
        flows.approve_grant(**said, reason="As we said on the phone")
    if state in {"active", "suspended", "over"}:
        grant = flows.activate_grant(grant=grant, requester=user, session_id=mine, now=now)
    if state == "over":
        flows.drop_grant(grant=grant, requester=user, now=now)
    if state == "suspended":
        people.filter(pk=approver.pk).update(is_staff=True)
        flows.suspend_grant(grant=grant, actor=people.get(pk=approver.pk), now=now)
        people.filter(pk=approver.pk).update(is_staff=False)
    return str(grant.pk)


def crew(email: str, boss: str) -> None:
    """Let one person ask for the demo's db-admin, and another answer."""
    from accounts import flows
    from accounts.models import Group, Role, User
    from core import clock

    now, people = clock.now(), User.unscoped
    user, approver = people.get(email=email), people.get(email=boss)
    acme = user.organisation
    flows.add_group_member(group=Group.objects.within(acme).get(name="crew"), user=user, now=now)
    flows.assign_role(user=approver, role=Role.objects.within(acme).get(name="admin"), now=now)


def workload(email: str, boss: str) -> list[str]:
    """Of an application that one person answers for: its client_id, and three grants.

    One waits that it asked for by itself, one is active, and one waits that the person asked for.
    """
    from access import flows
    from access.models import Entitlement
    from access.workloads import OnBehalf
    from accounts.models import User
    from core import clock
    from core.ids import new_id
    from idp.clients.workloads import make_workload
    from idp.flows import register_client
    from sessions.models import LoginSession

    now, people = clock.now(), User.unscoped
    user, approver = people.get(email=email), people.get(email=boss)
    client = register_client(
        organisation=user.organisation, name=f"Nightly berth plan {new_id().hex[-6:]}",
        kind="confidential", grant_types=["client_credentials"],
        scopes=["roles", "access:request"], now=now,
    ).client  # fmt: skip
    made = make_workload(client=client, responsible=user, now=now)
    terms: dict[str, Any] = {
        "binds_session": False, "binds_device": False, "ticket_pattern": "",
        "break_glass_duration": None, "break_glass_roles": [],
    }  # fmt: skip
    sessions = LoginSession.unscoped.live(now)
    mine, theirs = (sessions.filter(user=who).first().pk for who in (user, approver))
    found = [client.client_id]
    for kind in ("waits", "active", "asked", "offered"):
        entitlement = Entitlement.objects.within(user.organisation).get(
            name=offered(email, boss, **terms)
        )
        flows.add_eligibility(entitlement=entitlement, workload=made, now=now)
        if kind == "offered":
            return [*found, entitlement.name]
        itself = OnBehalf(made, by_itself=True, address="192.0.2.7")
        asks: dict[str, Any] = {"session_id": None, "behalf": itself}
        if kind == "asked":
            asks = {"session_id": mine, "behalf": OnBehalf(made)}
        grant = flows.request_grant(
            entitlement=entitlement, requester=user, now=now, duration=timedelta(minutes=30),
            reason="The plan of all berths has to be written anew before the tide", **asks,
        )  # fmt: skip
        if kind == "active":
            flows.approve_grant(grant=grant, approver=approver, session_id=theirs, now=now)
            flows.activate_grant(grant=grant, requester=user, now=now, **asks)
        found.append(str(grant.pk))
    raise AssertionError("unreachable")
