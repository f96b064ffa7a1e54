"""A153: using access that was had for a time to get more of it, to keep it, or to hand it on.

Whatever a grant gives counts for what applications do with roles. It approves nothing, reviews
nothing, and sets no rules.
"""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.conf import settings

from access import flows
from access.flows.publications import USUAL
from access.models import Approval, Entitlement
from access.offers import ApproverLine, StageLine
from accounts import flows as accounts
from accounts.models import RoleAssignment
from core import clock
from core.errors import Refusal
from policy import engine
from policy.flows import roll_back, write_version
from tests import cast
from tests.support import access
from tests.support.publishing import administering, ask, promote, publish, session_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def session(employee):
    return access.session_of(employee)


@pytest.fixture
def guarded(acme):
    """Something that holders of the role approve."""
    role = access.role(acme, "approver")
    return access.entitlement(
        acme, name="guarded", roles=[access.role(acme, "root")],
        stages=[StageLine([ApproverLine(role=role)])],
        break_glass_duration=timedelta(minutes=5),
    )  # fmt: skip


@pytest.fixture
def won(acme, employee, session):
    """The employee holds that very role, for a time."""
    offered = access.entitlement(
        acme, name="approving", roles=[access.role(acme, "approver")], eligible=[employee]
    )
    access.activate(access.ask(offered, employee, session), employee, session)
    assert access.roles_in(session) == ["approver"]


@pytest.fixture
def request_(guarded, newcomer):
    flows.add_eligibility(entitlement=guarded, user=newcomer.user, now=clock.now())
    return access.ask(guarded, newcomer, access.session_of(newcomer))


def test_it_approves_nothing(won, request_, employee, session):
    for act in (access.approve, access.deny):
        with pytest.raises(Refusal) as error:
            act(request_, employee, session)
        assert error.value.code == "not_allowed"
    assert not Approval.unscoped.exists()


def test_it_takes_nothing_away_and_reviews_nothing(won, guarded, newcomer, employee):
    flows.add_eligibility(entitlement=guarded, user=newcomer.user, now=clock.now())
    grant = flows.break_glass(
        entitlement=guarded, requester=newcomer.user,
        session_id=access.session_of(newcomer).pk, reason="fire", now=clock.now(),
    )  # fmt: skip

    with pytest.raises(Refusal):
        flows.revoke_grant(grant=grant, actor=employee.user, reason="x", now=clock.now())
    with pytest.raises(Refusal):
        flows.review_break_glass(
            grant=grant, reviewer=employee.user, is_justified=True, now=clock.now()
        )


def test_an_approval_by_it_does_not_begin(acme, guarded, employee, session, newcomer):
    """Given while the role was held by standing, which it is no longer."""
    role = access.role(acme, "approver")
    held = accounts.assign_role(user=employee.user, role=role, now=clock.now())
    flows.add_eligibility(entitlement=guarded, user=newcomer.user, now=clock.now())
    theirs = access.session_of(newcomer)
    request = access.approve(access.ask(guarded, newcomer, theirs), employee, session)
    accounts.end_role_assignment(assignment=held, now=clock.now())
    accounts.elevate(
        grant_id=guarded.pk, user=employee.user, roles=[role],
        ends_at=clock.now() + timedelta(hours=1), bounds=accounts.Bounds(), conditions=[],
        now=clock.now(),
    )  # fmt: skip

    with pytest.raises(Refusal):
        access.activate(request, newcomer, theirs)
    assert access.roles_in(theirs) == []


def test_it_sets_no_rules(acme, won, guarded, employee):
    before = Entitlement.unscoped.count()
    for act in (
        lambda: flows.create_entitlement(
            organisation=acme, name="mine", offer=access.offer(acme), actor=employee.user,
            now=clock.now(),
        ),
        lambda: flows.update_entitlement(
            entitlement=guarded, offer=access.offer(acme), actor=employee.user, now=clock.now()
        ),
        lambda: flows.add_eligibility(
            entitlement=guarded, user=employee.user, actor=employee.user, now=clock.now()
        ),
    ):  # fmt: skip
        with pytest.raises(Refusal):
            act()
    assert Entitlement.unscoped.count() == before


def test_it_agrees_to_no_policy(acme, won, employee, session):
    """Not where the role is named, and not even by somebody who else administers everything."""
    ada = administering("ada@acme.example", acme)
    role = access.role(acme, "approver")
    flows.create_entitlement(
        organisation=acme, name="rules", now=clock.now(),
        offer=replace(USUAL, stages=[StageLine([ApproverLine(role=role)])]),
    )  # fmt: skip
    modules = {
        path.name: path.read_text()
        for path in settings.POLICY_DIR.glob("*.rego")
        if "_test" not in path.name
    }
    modules["session.rego"] += "# open\n"
    version = write_version(author=ada.user, modules=modules, note="Open", now=clock.now())
    asked = ask(version, ada, session_of(ada.user))

    with pytest.raises(Refusal):
        access.approve(asked, employee, session)
    promote(employee)
    with pytest.raises(Refusal):
        access.approve(asked, employee, session)
    assert not Approval.unscoped.filter(grant=asked).exists()


def test_being_named_as_well_it_agrees_to_no_policy(acme, won, employee, session):
    ada = administering("ada@acme.example", acme)
    flows.create_entitlement(
        organisation=acme, name="rules", now=clock.now(),
        offer=replace(USUAL, stages=[StageLine([ApproverLine(user=employee.user)])]),
    )  # fmt: skip
    modules = {path.name: path.read_text() for path in settings.POLICY_DIR.glob("*.rego")}
    modules["session.rego"] += "# open\n"
    version = write_version(author=ada.user, modules=modules, note="Open", now=clock.now())
    asked = ask(version, ada, session_of(ada.user))

    with pytest.raises(Refusal):
        access.approve(asked, employee, session)
    assert not Approval.unscoped.filter(grant=asked).exists()


def test_it_neither_writes_nor_asks_for_policy_nor_goes_back(client, acme, won, employee):
    """The role is called as an administrator's may be; what an account is decides."""
    ada, zoe = (administering(f"{name}@acme.example", acme) for name in ("ada", "zoe"))
    modules = {path.name: path.read_text() for path in settings.POLICY_DIR.glob("*.rego")}
    modules["session.rego"] += "# open\n"
    version = write_version(author=ada.user, modules=modules, note="Open", now=clock.now())
    publish(version=version, publisher=zoe.user)
    mine = session_of(employee.user)

    with pytest.raises(Refusal):
        ask(version, employee, mine)
    with pytest.raises(Refusal):
        roll_back(publisher=employee.user, reason="Open up", now=clock.now())
    cast.sign_in(client, employee)
    for path in ("add/", f"{version.pk}/ask/", f"{version.pk}/publish/", "rollback/"):
        answer = client.post(f"/admin/policy/policyversion/{path}", {"reason": "x", "step": "ask"})
        assert answer.status_code in {302, 403, 404}
    assert engine.revision() == version.revision


def test_it_is_not_given_to_anybody_for_good(acme, won, employee):
    role = access.role(acme, "approver")
    friend = cast.person("friend@acme.example", acme)

    for who in (friend, employee):
        with pytest.raises(Refusal):
            accounts.assign_role(user=who.user, role=role, actor=employee.user, now=clock.now())
    assert not RoleAssignment.unscoped.filter(role=role, grant_id=None).exists()


def test_it_does_not_extend_itself(acme, employee, session, approver):
    """Whoever approves the extension is asked as for the first."""
    offered = access.entitlement(acme, by=[approver], eligible=[employee])
    grant = access.approve(access.ask(offered, employee, session), approver)
    active = access.activate(grant, employee, session)
    longer = flows.extend_grant(
        grant=active, requester=employee.user, session_id=session.pk, now=clock.now()
    )

    with pytest.raises(Refusal):
        access.approve(longer, employee, session)
