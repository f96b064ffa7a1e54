"""Two organisations on one installation, each with its people, applications and administrators.

Carol of globex, her administrator and her applications try everything that they may do at home on
what is acme's, by its true ids. Nothing answers, nothing changes.
"""

import pytest
from django.conf import settings
from django.test import Client as Browser

from accounts import flows
from accounts.models import Role, RoleAssignment, User
from audit.models import AuditEvent
from core import clock
from idp.models import AuthorizationCode, Client, Consent, RefreshFamily
from mfa.models import TotpFactor
from sessions.models import LoginSession
from tests import cast
from tests.support import authorize, oauth

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _real_commits() -> None:
    """Not here: nothing happens on commit, and emptying all tables takes longer than the tests."""


@pytest.fixture
def alice(employee, acme_web) -> dict:
    """Alice of acme at work: signed in, with tokens of acme's application."""
    browser = Browser()
    session = cast.sign_in(browser, employee)
    tokens = oauth.redeem(acme_web, oauth.issue_code(acme_web, session, scope="openid roles")).json
    return {
        "browser": browser,
        "session": session,
        "tokens": tokens,
        "code": oauth.issue_code(acme_web, session),
    }


@pytest.fixture
def carol(outsider) -> Browser:
    browser = Browser()
    cast.sign_in(browser, outsider)
    return browser


def ask(client: Client, path: str, token: str) -> oauth.Reply:
    return oauth.send(
        "POST", path, form={"token": token}, authorization=oauth.basic(client.client_id)
    )


def untouched(alice: dict) -> None:
    alice["session"].refresh_from_db()
    assert alice["session"].ended_at is None
    assert alice["browser"].get("/sessions/").status_code == 200
    assert RefreshFamily.unscoped.get().revoked_at is None


class TestAnApplicationOfAnother:
    @pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
    def test_learns_nothing_of_a_token(self, alice, globex_web, kind):
        assert ask(globex_web, "/oauth/introspect", alice["tokens"][kind]).json == {"active": False}

    @pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
    def test_revokes_nothing(self, alice, globex_web, kind):
        assert ask(globex_web, "/oauth/revoke", alice["tokens"][kind]).status == 200
        untouched(alice)

    def test_redeems_no_code(self, alice, globex_web):
        assert oauth.redeem(globex_web, alice["code"]).error == "invalid_grant"
        assert AuthorizationCode.unscoped.filter(used_at=None).count() == 1
        untouched(alice)

    def test_refreshes_nothing(self, alice, globex_web):
        """It holds a stolen token: that ends the family, and gives it nothing."""
        reply = oauth.refresh(globex_web, alice["tokens"]["refresh_token"])

        assert reply.error == "invalid_grant"
        assert RefreshFamily.unscoped.get().generation == 0


class TestAPersonOfAnother:
    def test_is_not_let_into_an_application(self, carol, acme_web, outsider):
        answer = authorize.authorize(carol, acme_web)

        assert "code=" not in answer.headers.get("Location", "") + answer.headers.get("Refresh", "")
        assert not AuthorizationCode.unscoped.filter(user=outsider.user).exists()
        assert not Consent.unscoped.filter(user=outsider.user).exists()

    def test_sees_and_ends_nobodys_session(self, carol, alice):
        session = alice["session"]

        assert str(session.id) not in carol.get("/sessions/").content.decode()
        assert carol.post(f"/sessions/{session.id}/end/").status_code == 404
        carol.post("/sessions/end-others/")

        untouched(alice)

    def test_withdraws_no_consent(self, carol, alice, acme_web):
        assert carol.post(f"/applications/{acme_web.id}/withdraw/").status_code == 404

        untouched(alice)

    def test_reads_no_activity(self, carol, alice, employee):
        page = carol.get("/security/activity/").content.decode()

        assert employee.email not in page
        assert str(employee.user.pk) not in page

    def test_cannot_be_given_a_role_or_a_group(self, acme, outsider, now):
        from core.errors import Refusal

        role = flows.create_role(organisation=acme, name="vault", now=now)
        group = flows.create_group(organisation=acme, name="keepers", now=now)
        with pytest.raises(Refusal):
            flows.assign_role(user=outsider.user, role=role, now=now)
        with pytest.raises(Refusal):
            flows.add_group_member(group=group, user=outsider.user, now=now)

        assert not RoleAssignment.unscoped.filter(user=outsider.user).exists()


class TestAnAdministratorOfAnother:
    @pytest.fixture
    def admin(self, globex) -> Browser:
        boss = cast.person("boss@globex.example", globex, totp=True, is_staff=True)
        browser = Browser()
        cast.sign_in(browser, boss)
        return browser

    @pytest.fixture
    def rows(self, acme, employee, alice, acme_web, now) -> dict:
        return {
            "accounts/user": employee.user.pk,
            "accounts/role": flows.create_role(organisation=acme, name="vault", now=now).pk,
            "accounts/group": flows.create_group(organisation=acme, name="keepers", now=now).pk,
            "accounts/organisation": acme.pk,
            "idp/client": acme_web.pk,
            "audit/auditevent": AuditEvent.objects.filter(organisation_id=acme.id).first().pk,
        }

    def test_finds_no_row_by_its_id(self, admin, rows):
        for path, pk in rows.items():
            for page in ("change", "delete", "history"):
                answer = admin.get(f"/admin/{path}/{pk}/{page}/")
                assert answer.status_code in {302, 403, 404}, (path, page)
                assert answer.status_code != 302 or answer["Location"].startswith("/admin/")

    def test_finds_none_in_a_list(self, admin, rows, employee):
        for path, pk in rows.items():
            answer = admin.get(f"/admin/{path}/")
            assert answer.status_code == 200, path
            assert str(pk) not in answer.content.decode()
            assert employee.email not in answer.content.decode()

    @pytest.mark.parametrize(
        ("path", "action"), [("accounts/user", "deactivate"), ("idp/client", "deactivate")]
    )
    def test_acts_on_none(self, admin, rows, alice, path, action):
        admin.post(f"/admin/{path}/", {"action": action, "_selected_action": [str(rows[path])]})

        assert not User.unscoped.filter(is_active=False).exists()
        assert not Client.unscoped.filter(is_active=False).exists()
        untouched(alice)

    def test_invites_nobody_into_a_role_of_another(self, admin, rows):
        answer = admin.post(
            "/admin/accounts/invitation/add/",
            {"email": "mole@globex.example", "role": str(rows["accounts/role"])},
        )

        assert answer.status_code == 200
        assert "Select a valid choice" in answer.content.decode()


def test_one_organisation_closes_and_the_other_goes_on(
    acme, alice, acme_web, globex_web, carol, now
):
    flows.deactivate_organisation(organisation=acme, now=now)

    reply = oauth.refresh(acme_web, alice["tokens"]["refresh_token"])
    assert reply.error in {"invalid_grant", "invalid_client"}
    clock.shift(settings.SESSION_REEVALUATION_INTERVAL)
    assert alice["browser"].get("/sessions/").status_code == 302
    assert carol.get("/sessions/").status_code == 200
    session = LoginSession.unscoped.get(ended_at=None)
    assert oauth.redeem(globex_web, oauth.issue_code(globex_web, session)).status == 200


def test_keys_of_one_open_nothing_of_the_other(employee, outsider):
    from protection import envelope

    mine, theirs = (TotpFactor.objects.get(user=who.user) for who in (employee, outsider))
    raw = dict(TotpFactor.objects.values_list("pk", "seed"))

    assert envelope.key_id_of(bytes(raw[mine.pk])) != envelope.key_id_of(bytes(raw[theirs.pk]))


def test_names_may_be_the_same_in_both(acme, globex, now):
    for organisation in (acme, globex):
        flows.create_role(organisation=organisation, name="clerk", now=now)

    assert Role.unscoped.filter(name="clerk").count() == 2
