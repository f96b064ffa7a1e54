"""Entitlements, people who answer, and the way from a request to something active."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.test import Client as Browser

from access import flows
from access.holdings import Holding, Key, Then, holdings_after
from access.models import Entitlement, Grant, Workload
from access.offers import ApproverLine, Offer, StageLine
from access.workloads import OnBehalf
from accounts import flows as accounts
from accounts.models import Organisation, Role
from core import clock
from idp.clients.workloads import make_workload
from idp.models import Client
from policy.facts import Trigger
from sessions import evaluation
from sessions.models import LoginSession
from sessions.rights import rights_of
from tests import cast
from tests.cast import Person

HOUR = timedelta(hours=1)


def role(of: Organisation, name: str, **fields: Any) -> Role:
    found = Role.objects.within(of).filter(name=name).first()
    return found or accounts.create_role(organisation=of, name=name, now=clock.now(), **fields)


def named(*people: Person, **line: Any) -> list[ApproverLine]:
    return [ApproverLine(user=person.user, **line) for person in people]


def offer(of: Organisation, *, by: Sequence[Person] = (), **terms: Any) -> Offer:
    """The role db-admin for an hour, for the asking, by the leave of any of these."""
    values: dict[str, Any] = {"max_duration": HOUR, "reason_required": False}
    values |= {"roles": [role(of, "db-admin")]} | terms
    if by:
        values.setdefault("stages", [StageLine(named(*by))])
    return Offer(**values)


def entitlement(
    of: Organisation, *, by: Sequence[Person] = (), eligible: Sequence[Person] = (),
    name: str = "db-admin", **terms: Any,
) -> Entitlement:  # fmt: skip
    made = flows.create_entitlement(
        organisation=of, name=name, offer=offer(of, by=by, **terms), now=clock.now()
    )
    for person in eligible:
        flows.add_eligibility(entitlement=made, user=person.user, now=clock.now())
    return made


def session_of(
    person: Person, *, acr: str = "aal2", browser: Browser | None = None
) -> LoginSession:
    return cast.sign_in(browser or Browser(), person, acr=acr)


def ask(entitlement: Entitlement, person: Person, session: LoginSession, **wish: Any) -> Grant:
    return flows.request_grant(
        entitlement=entitlement, requester=person.user, session_id=session.pk, now=clock.now(),
        **wish,
    )  # fmt: skip


def approve(
    grant: Grant, person: Person, session: LoginSession | None = None, **said: Any
) -> Grant:
    session = session or session_of(person)
    return flows.approve_grant(
        grant=grant, approver=person.user, session_id=session.pk, now=clock.now(), **said
    )


def deny(grant: Grant, person: Person, session: LoginSession | None = None, **said: Any) -> Grant:
    session = session or session_of(person)
    return flows.deny_grant(
        grant=grant, approver=person.user, session_id=session.pk, now=clock.now(), **said
    )


def activate(grant: Grant, person: Person, session: LoginSession) -> Grant:
    return flows.activate_grant(
        grant=grant, requester=person.user, session_id=session.pk, now=clock.now()
    )


def roles_in(session: LoginSession) -> list[str]:
    """What the session counts now, as every use of it is told."""
    row = evaluation._collect(session.pk, evaluation.ANYTHING)
    assert row is not None
    decision = evaluation.judge(row, trigger=Trigger.REQUEST)
    return list(rights_of(row).without(decision.withheld_roles).roles)


def kinds(grant: Grant) -> list[str]:
    return list(grant.events.order_by("id").values_list("kind", flat=True))


def fresh(grant: Grant) -> Grant:
    return Grant.unscoped.get(pk=grant.pk)


def holdings(of: Organisation, at: datetime, *, most: int = 100, **asked: Any) -> list[Holding]:
    """All that was held then, over as many pages as it takes."""
    then, found = Then(of.pk, at, **asked), []
    page = holdings_after(then, after=Key(), most=most)
    while page:
        assert len(page) <= most
        found += page
        page = holdings_after(then, after=page[-1].key, most=most)
    return found


# --- workloads ------------------------------------------------------------------------------------

FOR_WORKLOADS: dict[str, Any] = {"binds_session": False, "binds_device": False}


def machine(of: Organisation, name: str = "nightly", **fields: Any) -> Client:
    """An application that acts for itself, and may ask for access."""
    return cast.client(
        name, of, grant_types=["client_credentials"], redirect_uris=[],
        scopes=["roles", "access:request"], audience=f"{settings.ISSUER}/api/v1", **fields,
    )  # fmt: skip


def workload(client: Client, responsible: Person, *entitlements: Entitlement) -> Workload:
    """The client as access knows it, eligible for these."""
    made = make_workload(client=client, responsible=responsible.user, now=clock.now())
    for each in entitlements:
        flows.add_eligibility(entitlement=each, workload=made, now=clock.now())
    return made


def by_itself(workload: Workload, address: str | None = "192.0.2.7") -> OnBehalf:
    return OnBehalf(workload, by_itself=True, address=address)


def ask_by_itself(
    entitlement: Entitlement, workload: Workload, address: str | None = "192.0.2.7", **wish: Any
) -> Grant:
    return flows.request_grant(
        entitlement=entitlement, requester=workload.responsible, session_id=None,
        behalf=by_itself(workload, address), now=clock.now(), **wish,
    )  # fmt: skip


def begin_by_itself(grant: Grant, workload: Workload, address: str | None = "192.0.2.7") -> Grant:
    return flows.activate_grant(
        grant=grant, requester=workload.responsible, session_id=None,
        behalf=by_itself(workload, address), now=clock.now(),
    )  # fmt: skip
