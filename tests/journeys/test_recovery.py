"""Password forgotten and phone lost: back in by mail and a recovery code, and all else is over."""

import re

from core import clock
from idp.models import Client
from mfa import flows as factors
from mfa.models import TotpFactor
from sessions.models import LoginSession
from tests import cast
from tests.accounts import mailbox
from tests.cast import Person
from tests.journeys.story import app_code, audited, sign_in
from tests.journeys.visitor import Visitor
from tests.support import oauth

BETTER = "marmalade thistle orbit 77"


def test_back_in_without_password_and_phone(
    visitor: Visitor, acme_web: Client, employee: Person, later
) -> None:
    codes = factors.make_recovery_codes(user=employee.user, now=clock.now())
    elsewhere = Visitor()
    session = cast.sign_in(elsewhere.browser, employee)
    tokens = oauth.redeem(acme_web, oauth.issue_code(acme_web, session)).json

    visitor.open("/accounts/password/reset/")
    visitor.submit("password-reset-form", email=employee.email)
    visitor.open(mailbox.link(employee.email))
    visitor.submit("password-reset-key-form", password1=BETTER, password2=BETTER)
    assert "Your password is changed" in visitor.text
    elsewhere.open("/security/")
    assert elsewhere.path == "/accounts/login/"
    assert oauth.refresh(acme_web, tokens["refresh_token"]).error == "invalid_grant"

    sign_in(visitor, employee.email, BETTER)
    assert visitor.path == "/mfa/challenge/"
    assert not LoginSession.unscoped.filter(ended_at=None).exists()
    visitor.open("/mfa/challenge/?method=recovery")
    visitor.submit("challenge-form", code=codes[0])
    assert visitor.path == "/security/"
    assert "9 are left" in visitor.text

    visitor.open("/mfa/totp/remove/")
    visitor.submit("totp-remove-form")
    assert not TotpFactor.objects.filter(user=employee.user).exists()
    visitor.open("/mfa/totp/")
    key = re.search(r'id="totp-key">([^<]+)<', visitor.text)
    assert key is not None
    visitor.submit("totp-form", code=app_code(key[1], clock.now()))
    assert "Your authenticator app is on." in visitor.text

    later(minutes=1)
    again = Visitor()
    sign_in(again, employee.email, BETTER)
    again.submit("challenge-form", code=employee.totp_code())
    assert again.path == "/mfa/challenge/"
    again.submit("challenge-form", code=app_code(key[1], clock.now()))
    assert again.path == "/security/"

    story = [name for name in audited() if name.startswith(("accounts.", "mfa."))]
    assert story == [
        "mfa.recovery_codes.created",
        "accounts.password.reset_requested",
        "accounts.password.changed",
        "accounts.account.unlocked",
        "mfa.challenge.passed",
        "mfa.recovery_code.used",
        "mfa.factor.removed",
        "mfa.factor.added",
        "mfa.challenge.failed",
        "accounts.login.failed",
        "mfa.challenge.passed",
    ]
    told = mailbox.subjects(employee.email)
    assert "Your password was reset" in told
