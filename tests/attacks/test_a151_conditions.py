"""A151: what a grant gives is in nothing that we say from when a condition of it holds no more.

Nothing is written down here of what happens: conditions are judged at every use, by what is so
then. Whoever asks is no better off for a policy that breaks, or for beginning at that instant.
"""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.db.models.signals import post_save
from django.test import Client as Browser

from access import flows, receivers
from accounts import flows as accounts
from accounts.models import GroupMember, RoleAssignment
from audit.models import AuditEvent
from core import clock
from core.errors import Refusal
from tests.support import access, authzen, forwarded, oauth
from tests.support.authzen import Asker
from tests.support.racing import race

pytestmark = pytest.mark.django_db
CONDITION = '"oncall" in input.requester.groups\ninput.session.authentication_age < 600'
SCOPE = "openid roles offline_access"


@pytest.fixture(autouse=True)
def _nobody_hears() -> Iterator[None]:
    post_save.disconnect(receivers.follow_audit, sender=AuditEvent)
    yield
    post_save.connect(receivers.follow_audit, sender=AuditEvent)


@pytest.fixture
def oncall(acme, employee):
    group = accounts.create_group(organisation=acme, name="oncall", now=clock.now())
    accounts.add_group_member(group=group, user=employee.user, now=clock.now())
    return group


@pytest.fixture
def scheduled(acme, employee, approver, session, oncall):
    offered = access.entitlement(acme, by=[approver], eligible=[employee], condition=CONDITION)
    accounts.give_permission(
        role=access.role(acme, "db-admin"), resource_type="db", action="*", now=clock.now()
    )
    return access.approve(access.ask(offered, employee, session), approver)


@pytest.fixture
def browser() -> Browser:
    return Browser()


@pytest.fixture
def session(browser, employee):
    made = access.session_of(employee, browser=browser)
    browser.login_session = made
    return made


@pytest.fixture
def counts(acme, acme_web, employee, session, scheduled, settings, browser):
    """Where the role counts: in tokens of a code and of a refresh, in an older one, in decisions."""
    settings.FORWARD_AUTH_PROXIES = forwarded.NETWORKS
    gateway = Asker(authzen.gateway(acme))
    forwarded.wiki(acme)
    access.activate(scheduled, employee, session)
    older = oauth.redeem(acme_web, oauth.issue_code(acme_web, session, scope=SCOPE)).json
    cookie = forwarded.sign_in(browser)
    kept = {"refresh_token": older["refresh_token"]}

    def asked() -> set[str]:
        code = oauth.issue_code(acme_web, session, scope=SCOPE)
        by_code = oauth.redeem(acme_web, code).json
        refreshed = oauth.refresh(acme_web, kept["refresh_token"]).json
        kept["refresh_token"] = refreshed["refresh_token"]
        told = oauth.send(
            "POST", "/oauth/introspect", form={"token": older["access_token"]},
            authorization=oauth.basic("acme-web"),
        ).json  # fmt: skip
        person = oauth.send(
            "GET", "/oauth/userinfo", authorization=f"Bearer {by_code['access_token']}"
        ).json
        found = {
            "code": oauth.claims_of(by_code["access_token"])["roles"],
            "refresh": oauth.claims_of(refreshed["access_token"])["roles"],
            "introspection": told.get("roles", []),
            "userinfo": person["roles"],
            "forward-auth": forwarded.ask(cookie=cookie).get("Remote-Roles"),
            "authzen": gateway.may(employee.email, "drop", "db main", sid=str(session.pk)),
            "session": access.roles_in(session),
        }
        return {name for name, said in found.items() if said}

    return asked


EVERYWHERE = {
    "code", "refresh", "introspection", "userinfo", "authzen", "session", "forward-auth",
}  # fmt: skip


def test_what_it_rests_on_of_the_person(counts, oncall):
    assert counts() == EVERYWHERE

    GroupMember.unscoped.filter(group=oncall).delete()
    assert counts() == set()


def test_what_it_rests_on_of_the_sign_in(counts, later):
    later(minutes=9)
    assert "refresh" in counts()
    later(minutes=1)
    assert counts() == set()


def test_the_condition_again_it_counts_again(counts, oncall, employee):
    GroupMember.unscoped.filter(group=oncall).delete()
    assert counts() == set()
    accounts.add_group_member(group=oncall, user=employee.user, now=clock.now())
    assert {"code", "refresh", "session"} <= counts()


@pytest.mark.parametrize(
    "body", ["input.nothing == 1", "count(input.session.level) > 0", "this is no rule"]
)
def test_a_condition_that_breaks(counts, scheduled, body):
    rows = RoleAssignment.unscoped.filter(grant_id=scheduled.pk)
    (rules,) = rows.values_list("rules", flat=True)
    rows.update(rules=rules | {"conditions": [body]})

    assert counts() == set()


def test_an_edit_never_widens_what_is_live(counts, scheduled, acme, approver, oncall):
    flows.update_entitlement(
        entitlement=scheduled.entitlement,
        offer=access.offer(acme, by=[approver], condition=""), now=clock.now(),
    )  # fmt: skip
    GroupMember.unscoped.filter(group=oncall).delete()

    assert counts() == set()


def test_an_edit_narrows_what_is_live(counts, scheduled, acme, approver):
    flows.update_entitlement(
        entitlement=scheduled.entitlement,
        offer=access.offer(acme, by=[approver], condition="input.session.tier >= 4"),
        now=clock.now(),
    )  # fmt: skip

    assert counts() == set()


@pytest.mark.django_db(transaction=True)
def test_begun_at_the_instant_at_which_it_breaks(scheduled, employee, session, oncall):
    def act(number: int) -> Any:
        if number % 2:
            return GroupMember.unscoped.filter(group=oncall).delete()
        return access.activate(scheduled, employee, session)

    race(act, runners=6, tolerate=Refusal)

    assert access.roles_in(session) == []


def waits_for_a_lock() -> bool:
    """Whether anybody does now, for a transaction to end."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted AND transactionid IS NOT NULL)"
        )
        return bool(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
def test_begun_at_the_instant_of_an_edit(scheduled, acme, approver, employee, session):
    def edit() -> None:
        offer = access.offer(acme, by=[approver], condition="input.session.tier >= 4")
        flows.update_entitlement(entitlement=scheduled.entitlement, offer=offer, now=clock.now())
        connections.close_all()

    other = threading.Thread(target=edit)
    with transaction.atomic():
        access.activate(scheduled, employee, session)
        other.start()
        while other.is_alive() and not waits_for_a_lock():
            other.join(0.01)
    other.join()

    assert access.roles_in(session) == []
    assert access.fresh(scheduled).suspended_because == "condition"


class TestApplications:
    BODY = '"oncall" in input.requester.groups\ninput.session.address != ""'

    @pytest.fixture
    def machine(self, acme):
        return access.machine(acme)

    @pytest.fixture
    def grant(self, acme, machine, employee, oncall):
        offered = access.entitlement(acme, condition=self.BODY, **access.FOR_WORKLOADS)
        accounts.give_permission(
            role=access.role(acme, "db-admin"), resource_type="db", action="*", now=clock.now()
        )
        workload = access.workload(machine, employee, offered)
        return access.begin_by_itself(access.ask_by_itself(offered, workload), workload)

    def take(self, machine, address: str = "192.0.2.7") -> str:
        reply = oauth.token(
            machine, {"grant_type": "client_credentials", "scope": "roles"}, REMOTE_ADDR=address
        )
        assert reply.status == 200, reply.body
        return reply.json["access_token"]

    def told(self, token: str) -> dict[str, Any]:
        return oauth.send(
            "POST", "/oauth/introspect", form={"token": token},
            authorization=oauth.basic("acme-web"),
        ).json  # fmt: skip

    def test_in_its_tokens_while_it_holds(self, acme_web, machine, grant):
        token = self.take(machine)

        claims = oauth.claims_of(token)
        assert (claims["roles"], claims["grant_id"]) == (["db-admin"], str(grant.pk))
        assert claims["exp"] <= claims["grant_exp"] == int(grant.ends_at.timestamp())
        assert self.told(token)["roles"] == ["db-admin"]

    def test_and_in_none_from_then_on(self, acme_web, machine, grant, oncall):
        token = self.take(machine)
        GroupMember.unscoped.filter(group=oncall).delete()

        assert oauth.claims_of(self.take(machine))["roles"] == []
        assert self.told(token) == {"active": False}

    def test_in_decisions_what_asks_from_where_it_acts_counts_not_unless_it_is_said(
        self, acme, machine, grant
    ):
        asker = Asker(authzen.gateway(acme))
        assert not asker.may("client nightly", "write", "db main")

    def test_in_decisions_what_asks_for_whom_counts_while_it_holds(
        self, acme, machine, employee, oncall
    ):
        offered = access.entitlement(
            acme, condition='"oncall" in input.requester.groups', **access.FOR_WORKLOADS
        )
        accounts.give_permission(
            role=access.role(acme, "db-admin"), resource_type="db", action="*", now=clock.now()
        )
        workload = access.workload(machine, employee, offered)
        access.begin_by_itself(access.ask_by_itself(offered, workload), workload)
        asker = Asker(authzen.gateway(acme))
        assert asker.may("client nightly", "write", "db main")

        GroupMember.unscoped.filter(group=oncall).delete()
        assert not asker.may("client nightly", "write", "db main")
