"""A151: a grant that is over, or counts elsewhere, is in nothing that we say, from its end on.

No worker runs here, and nothing has been told: the end is a comparison. Tokens end with it.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from accounts import flows as accounts
from accounts.flows import Bounds, Condition
from accounts.models import Group, GroupMember, LockTarget, Role, RoleAssignment
from core import clock
from core.ids import new_id
from devices.models import Browser as SeenBrowser
from devices.models import Device, State
from idp import flows
from sessions.models import LoginSession
from tests import cast
from tests.support import oauth

pytestmark = pytest.mark.django_db
SCOPE = "openid roles"
LASTS = timedelta(minutes=10)


@pytest.fixture
def app(acme_web):
    return flows.update_client(
        client=acme_web, now=clock.now(), scopes=[*SCOPE.split(), "offline_access"]
    )


@pytest.fixture
def session(client, employee) -> LoginSession:
    return cast.sign_in(client, employee)


@pytest.fixture
def vault(acme) -> Role:
    return accounts.create_role(organisation=acme, name="vault", now=clock.now())


@pytest.fixture
def admins(acme, approver) -> Group:
    """Whoever approves is in here."""
    group = accounts.create_group(organisation=acme, name="approvers", now=clock.now())
    accounts.add_group_member(group=group, user=approver.user, now=clock.now())
    return group


@pytest.fixture
def grant(employee, approver, vault, session, admins):
    """Alice has the role for ten minutes, in this session, as long as its approver may approve."""
    grant_id, now = new_id(), clock.now()
    accounts.elevate(
        grant_id=grant_id, user=employee.user, roles=[vault], ends_at=now + LASTS,
        bounds=Bounds(session_id=session.id),
        conditions=[Condition(employee.user.pk), Condition(approver.user.pk, admins.pk)], now=now,
    )  # fmt: skip
    return grant_id


@pytest.fixture
def tokens(app, session, grant) -> dict[str, Any]:
    return oauth.redeem(app, oauth.issue_code(app, session, scope=SCOPE)).json


def introspected(tokens: dict[str, Any]) -> dict[str, Any]:
    form = {"token": tokens["access_token"]}
    authorization = oauth.basic("acme-web")
    return oauth.send("POST", "/oauth/introspect", form=form, authorization=authorization).json


def userinfo(tokens: dict[str, Any]) -> oauth.Reply:
    return oauth.send("GET", "/oauth/userinfo", authorization=f"Bearer {tokens['access_token']}")


def refreshed(app: Any, tokens: dict[str, Any]) -> dict[str, Any]:
    return oauth.claims_of(oauth.refresh(app, tokens["refresh_token"]).json["access_token"])


class TestWhileItLasts:
    def test_every_token_names_it_and_ends_with_it(self, tokens, grant):
        end = int(RoleAssignment.unscoped.get(grant_id=grant).ends_at.timestamp())
        for name in ("access_token", "id_token"):
            claims = oauth.claims_of(tokens[name])
            assert claims["roles"] == ["vault"]
            assert (claims["grant_id"], claims["grant_exp"]) == (str(grant), end)
            assert claims["exp"] <= end
        assert tokens["expires_in"] <= LASTS.total_seconds()

    def test_introspection_and_userinfo_tell_of_it(self, tokens, grant):
        told = introspected(tokens)

        assert (told["roles"], told["grant_id"]) == (["vault"], str(grant))
        assert userinfo(tokens).json["roles"] == ["vault"]

    def test_a_token_that_carries_no_roles_lives_as_long_as_ever(self, app, session, grant):
        tokens = oauth.redeem(app, oauth.issue_code(app, session, scope="openid")).json

        claims = oauth.claims_of(tokens["access_token"])
        assert "grant_id" not in claims
        assert claims["exp"] - claims["iat"] == 900

    def test_another_session_of_the_same_person_has_nothing_of_it(self, app, grant, employee):
        from django.test import Client as Browser

        elsewhere = cast.sign_in(Browser(), employee)
        tokens = oauth.redeem(app, oauth.issue_code(app, elsewhere, scope=SCOPE)).json

        claims = oauth.claims_of(tokens["access_token"])
        assert claims["roles"] == []
        assert "grant_id" not in claims
        assert userinfo(tokens).json["roles"] == []


def test_to_the_second_of_its_end_and_not_one_longer(app, tokens, later):
    later(minutes=9, seconds=59)
    assert refreshed(app, tokens)["roles"] == ["vault"]


def test_at_its_end_it_is_gone_everywhere(app, tokens, later):
    later(minutes=10)

    assert introspected(tokens) == {"active": False}
    assert userinfo(tokens).status == 401
    claims = refreshed(app, tokens)
    assert claims["roles"] == []
    assert "grant_id" not in claims


def end(grant: Any, **_: Any) -> None:
    accounts.end_elevation(grant_id=grant, now=clock.now())


def suspend(grant: Any, **_: Any) -> None:
    accounts.suspend_elevation(grant_id=grant, now=clock.now())


def _lock(organisation: Any, target_type: LockTarget, target: Any) -> None:
    accounts.place_lock(
        organisation_id=organisation.pk, target_type=target_type, target=str(target),
        reason="A151", now=clock.now(),
    )  # fmt: skip


def lock_the_grant(grant: Any, acme: Any, **_: Any) -> None:
    _lock(acme, LockTarget.GRANT, grant)


def lock_the_approver(approver: Any, acme: Any, **_: Any) -> None:
    _lock(acme, LockTarget.USER, approver.user.pk)


def lock_the_role(vault: Role, acme: Any, **_: Any) -> None:
    _lock(acme, LockTarget.ROLE, vault.pk)


def close_the_account_of_the_approver(approver: Any, **_: Any) -> None:
    accounts.deactivate_user(user=approver.user, now=clock.now())


def take_the_approver_out_of_the_group(admins: Group, approver: Any, **_: Any) -> None:
    accounts.remove_group_member(group=admins, user=approver.user, now=clock.now())


def delete_the_group(admins: Group, **_: Any) -> None:
    GroupMember.unscoped.filter(group=admins).delete()
    admins.delete()


BEFORE_ITS_TIME: list[Callable[..., None]] = [
    end, suspend, lock_the_grant, lock_the_role, lock_the_approver,
    close_the_account_of_the_approver, take_the_approver_out_of_the_group, delete_the_group,
]  # fmt: skip


@pytest.mark.parametrize("stop", BEFORE_ITS_TIME, ids=lambda stop: stop.__name__)
def test_stopped_before_its_time_it_is_gone_at_the_next_use(
    stop, app, tokens, grant, acme, vault, admins, approver
):
    stop(grant=grant, acme=acme, vault=vault, admins=admins, approver=approver)

    assert introspected(tokens) == {"active": False}
    assert userinfo(tokens).status == 401
    assert refreshed(app, tokens)["roles"] == []


def test_resumed_it_is_back_in_the_next_token(app, tokens, grant):
    suspend(grant)
    accounts.resume_elevation(grant_id=grant)

    assert refreshed(app, tokens)["roles"] == ["vault"]


class TestAnApproverByRole:
    """Who may approve because of a role, has to hold it still, and not by a grant."""

    @pytest.fixture
    def approving(self, acme, approver) -> Role:
        role = accounts.create_role(organisation=acme, name="approver", now=clock.now())
        accounts.assign_role(user=approver.user, role=role, now=clock.now())
        return role

    @pytest.fixture
    def grant(self, employee, approver, vault, approving):
        grant_id, now = new_id(), clock.now()
        accounts.elevate(
            grant_id=grant_id, user=employee.user, roles=[vault], ends_at=now + LASTS,
            bounds=Bounds(), conditions=[Condition(approver.user.pk, role_id=approving.pk)],
            now=now,
        )  # fmt: skip
        return grant_id

    def test_it_counts_while_the_role_is_held(self, tokens):
        assert introspected(tokens)["roles"] == ["vault"]

    def test_it_counts_when_the_role_is_a_groups(self, tokens, approving, approver, admins):
        accounts.give_group_role(group=admins, role=approving, now=clock.now())
        self._take_back(approver)

        assert introspected(tokens)["roles"] == ["vault"]

    def test_it_does_not_when_it_was_taken_back(self, tokens, approver):
        self._take_back(approver)

        assert introspected(tokens) == {"active": False}

    def test_a_role_won_by_a_grant_does_not_count(self, tokens, approver, approving):
        self._take_back(approver)
        now = clock.now()
        accounts.elevate(
            grant_id=new_id(), user=approver.user, roles=[approving], ends_at=now + LASTS,
            bounds=Bounds(), conditions=[], now=now,
        )  # fmt: skip

        assert introspected(tokens) == {"active": False}

    @staticmethod
    def _take_back(approver: Any) -> None:
        standing = RoleAssignment.unscoped.get(user=approver.user, role__name="approver")
        accounts.end_role_assignment(assignment=standing, now=clock.now())


class TestOnADevice:
    """A grant of one machine is worth nothing on another, nor when the machine is trusted less."""

    @pytest.fixture
    def laptop(self, acme, session) -> Device:
        now = clock.now()
        laptop = Device.objects.create(
            organisation=acme, name="Laptop", state=State.ENROLLED, created_at=now,
            tier_ends_at=[now + timedelta(hours=4), now + timedelta(hours=2)],
        )  # fmt: skip
        SeenBrowser.unscoped.filter(id=session.browser_id).update(device=laptop)
        return laptop

    @pytest.fixture
    def grant(self, employee, vault, laptop):
        grant_id, now = new_id(), clock.now()
        accounts.elevate(
            grant_id=grant_id, user=employee.user, roles=[vault], ends_at=now + LASTS,
            bounds=Bounds(device_id=laptop.pk, required_tier=2), conditions=[], now=now,
        )  # fmt: skip
        return grant_id

    def test_it_counts_on_its_own(self, tokens):
        assert introspected(tokens)["roles"] == ["vault"]

    def test_it_does_not_on_none(self, app, tokens, session):
        SeenBrowser.unscoped.filter(id=session.browser_id).update(device=None)

        assert introspected(tokens) == {"active": False}
        assert refreshed(app, tokens)["roles"] == []

    def test_it_is_withheld_when_the_machine_is_trusted_less(self, app, tokens, laptop):
        Device.unscoped.filter(pk=laptop.pk).update(tier_ends_at=[clock.now() + LASTS])

        assert introspected(tokens)["roles"] == []
        assert userinfo(tokens).json["roles"] == []
        assert refreshed(app, tokens)["roles"] == []
