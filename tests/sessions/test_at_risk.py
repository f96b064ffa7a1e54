"""A sign-in or an account at high risk: nothing counts until somebody has proven to be its owner."""

from datetime import timedelta

import pytest
from django.test import Client as Browser
from django.urls import reverse

from core import clock
from mfa.models import PasskeyFactor, TotpFactor
from risk.models import RiskLevel, UserRisk
from sessions.models import LoginSession
from tests import cast
from tests.cast import PASSWORD
from tests.support import authorize, oauth

pytestmark = pytest.mark.django_db


@pytest.fixture
def session(client, employee):
    """Alice's sign-in with password and code, which was most unusual."""
    session = cast.sign_in(client, employee)
    LoginSession.unscoped.filter(id=session.id).update(risk_level=RiskLevel.HIGH)
    return session


def put_at_risk(user, **changes):
    now = clock.now()
    values = {"level": RiskLevel.HIGH, "raised_at": now, "ends_at": now + timedelta(days=1)}
    return UserRisk.objects.create(
        user=user, organisation_id=user.organisation_id, **(values | changes)
    )


def step_up(browser, who, later):
    later(seconds=31)  # a code is good once
    form = {"password": PASSWORD, "code": who.totp_code()}
    return browser.post(f"{reverse('sessions:step_up')}?acr=aal2&max_age=0&next=/security/", form)


def is_asked(answer) -> bool:
    return answer.status_code in {302, 303} and answer["Location"].startswith(
        reverse("sessions:step_up")
    )


class TestASignIn:
    def test_pages_that_demand_a_proof_ask_for_another(self, client, session):
        assert client.get(reverse("console:home")).status_code == 200
        for page in ("mfa:totp_remove", "mfa:passkey_add", "account_change_password"):
            assert is_asked(client.get(reverse(page))), page

    def test_no_code_is_issued_before_it(self, client, acme_web, session):
        assert is_asked(authorize.authorize(client, acme_web))
        assert authorize.nothing_was_issued()

    def test_another_proof_is_enough(self, client, employee, acme_web, session, later):
        assert step_up(client, employee, later)["Location"] == "/security/"

        assert not is_asked(client.get(reverse("mfa:totp_remove")))
        assert "code" in authorize.answer(authorize.authorize(client, acme_web))

    def test_the_journey_leads_through_it_and_ends(
        self, client, employee, acme_web, session, later
    ):
        sent = authorize.authorize(client, acme_web)
        assert is_asked(sent)
        later(seconds=31)

        back = client.post(sent["Location"], {"password": PASSWORD, "code": employee.totp_code()})

        assert "code" in authorize.answer(client.get(back["Location"]))

    def test_a_password_alone_is_not(self, client, employee, session):
        answer = client.post(f"{reverse('sessions:step_up')}?acr=aal1", {"password": PASSWORD})

        assert answer.status_code == 200
        assert is_asked(client.get(reverse("mfa:totp_remove")))

    def test_tokens_from_before_are_refused_until_then(
        self, client, employee, acme_web, session, later
    ):
        LoginSession.unscoped.update(risk_level=RiskLevel.NONE)
        tokens = oauth.redeem(acme_web, oauth.issue_code(acme_web, session)).json
        LoginSession.unscoped.update(risk_level=RiskLevel.HIGH)

        assert oauth.refresh(acme_web, tokens["refresh_token"]).error == "invalid_grant"
        step_up(client, employee, later)

        assert oauth.refresh(acme_web, tokens["refresh_token"]).status == 200

    def test_a_new_factor_does_not_answer_for_it(self, client, session):
        """It cannot even be added: that takes a proof of what was there before."""
        client.post(reverse("mfa:totp_enrol"), {"code": "123456", "name": "mine"})

        assert TotpFactor.objects.count() == 1
        assert not PasskeyFactor.objects.exists()

    def test_whoever_has_only_a_password_is_out(self, newcomer):
        browser = Browser()
        cast.sign_in(browser, newcomer, acr="aal1")
        LoginSession.unscoped.update(risk_level=RiskLevel.HIGH)

        assert browser.get(reverse("console:home")).status_code == 302
        assert LoginSession.unscoped.get().verdict["reasons"] == ["sign_in_at_risk"]

    @pytest.mark.parametrize("level", [RiskLevel.NONE, RiskLevel.LOW, RiskLevel.MEDIUM])
    def test_what_is_less_unusual_asks_for_nothing(self, client, session, level):
        LoginSession.unscoped.update(risk_level=level)

        assert not is_asked(client.get(reverse("mfa:totp_remove")))


class TestAnAccount:
    def test_its_sessions_have_to_be_proven_again(self, client, employee, session, later):
        LoginSession.unscoped.update(risk_level=RiskLevel.NONE)
        later(seconds=5)
        put_at_risk(employee.user)

        assert is_asked(client.get(reverse("mfa:totp_remove")))
        step_up(client, employee, later)

        assert not is_asked(client.get(reverse("mfa:totp_remove")))

    def test_a_proof_from_before_it_was_raised_does_not_count(
        self, client, employee, session, later
    ):
        LoginSession.unscoped.update(risk_level=RiskLevel.NONE)
        step_up(client, employee, later)
        later(seconds=5)
        put_at_risk(employee.user)

        assert is_asked(client.get(reverse("mfa:totp_remove")))

    def test_it_ends_on_its_second_without_any_worker(self, client, employee, session, later):
        LoginSession.unscoped.update(risk_level=RiskLevel.NONE)
        now = clock.now()
        put_at_risk(employee.user, ends_at=now + timedelta(minutes=5))
        later(minutes=4, seconds=55)
        assert is_asked(client.get(reverse("mfa:totp_remove")))
        later(seconds=6)

        assert not is_asked(client.get(reverse("mfa:totp_remove")))
