"""From an invitation to an application that demands two steps, with the role that came along."""

import re

from accounts import flows
from accounts.models import Organisation, User
from core import clock
from tests import cast
from tests.accounts import mailbox
from tests.cast import Person
from tests.journeys.story import app_code, audited, come_back, go_to
from tests.journeys.visitor import Visitor
from tests.support import oauth

GUEST = "gina@acme.example"
PASSWORD = "marmalade thistle orbit 77"


def test_a_guest_with_a_role_that_demands_two_steps(
    visitor: Visitor, acme: Organisation, approver: Person, later
) -> None:
    now = clock.now()
    role = flows.create_role(
        organisation=acme, name="vault", description="", required_acr="aal2", now=now
    )
    vault = cast.client("acme-vault", acme, scopes=["openid", "roles"])
    flows.invite(organisation=acme, email=GUEST, role=role, invited_by=approver.user, now=now)

    visitor.open(mailbox.link(GUEST))
    assert "Bob Baker has invited you" in visitor.text
    visitor.submit("invitation-form", name="Gina Gale", password1=PASSWORD, password2=PASSWORD)
    user = User.unscoped.get(email=GUEST)

    go_to(visitor, vault, scope="openid roles")
    assert "Add a second step first" in visitor.text
    visitor.open(_link(visitor.text, "enrol-totp"))
    key = re.search(r'id="totp-key">([^<]+)<', visitor.text)
    assert key is not None
    visitor.submit("totp-form", code=app_code(key[1], clock.now()))
    assert visitor.path == "/oauth/consent", visitor.text[:2000]
    visitor.submit("consent-form", decision="allow")
    tokens = come_back(visitor, vault)

    assert oauth.claims_of(tokens["id_token"])["acr"] == "aal2"
    assert oauth.claims_of(tokens["access_token"])["roles"] == ["vault"]
    assert audited() == [
        "accounts.role.created",
        "accounts.invitation.created",
        "accounts.user.registered",
        "accounts.role.assigned",
        "accounts.invitation.accepted",
        "devices.browser.first_seen",
        "sessions.session.started",
        "risk.login.assessed",
        "sessions.assurance.raised",
        "mfa.factor.added",
        "idp.consent.granted",
        "idp.code.issued",
        "idp.code.redeemed",
    ]

    assignment = user.role_assignments.get()
    flows.end_role_assignment(assignment=assignment, now=clock.now())
    renewed = oauth.refresh(vault, tokens["refresh_token"]).json
    assert oauth.claims_of(renewed["access_token"])["roles"] == []


def _link(text: str, link_id: str) -> str:
    import html

    found = re.search(rf'id="{link_id}" href="([^"]+)"', text)
    assert found is not None
    return html.unescape(found[1])
