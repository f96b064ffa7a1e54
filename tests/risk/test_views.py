"""Recent sign-ins, and the page that a mail leads to."""

import re

import pytest
from django.core import signing
from django.test import Client as Browser
from django.urls import reverse

from core import clock
from risk import links
from risk.flows import assess_login
from risk.levels import RiskLevel
from risk.models import SignIn, UserRisk, Verdict
from sessions.models import LoginSession
from tests import cast
from tests.accounts import mailbox
from tests.cast import Person
from tests.risk.conftest import SYDNEY, attempt

pytestmark = pytest.mark.django_db


def last_of(who: Person) -> SignIn:
    return SignIn.unscoped.filter(user=who.user).latest("at")


def strange(who: Person, session: LoginSession) -> SignIn:
    """Another sign-in of theirs, which has a session and stands out."""
    other = Browser()
    cast.sign_in(other, who)
    sign_in = last_of(who)
    SignIn.unscoped.filter(pk=sign_in.pk).update(
        level=RiskLevel.HIGH, country="AU", reasons=[["impossible_travel", 2.5]]
    )
    sign_in.refresh_from_db()
    return sign_in


class TestList:
    def test_it_shows_place_browser_and_what_was_unusual(self, client, employee):
        sign_in = strange(employee, cast.sign_in(client, employee))

        page = client.get(reverse("risk:sign_ins")).content.decode()

        assert "Firefox on Linux" in page
        assert "AU" in page
        assert "Too far from the last sign-in" in page
        assert reverse("risk:judge", args=[sign_in.pk]) in page

    def test_nobody_sees_anothers(self, client, employee, approver):
        cast.sign_in(Browser(), approver)
        other = last_of(approver)
        cast.sign_in(client, employee)

        page = client.get(reverse("risk:sign_ins")).content.decode()
        refused = client.post(reverse("risk:judge", args=[other.pk]), {"verdict": "safe"})

        assert str(other.pk) not in page
        assert refused.status_code == 404


class TestJudging:
    def test_not_me_ends_that_session_raises_risk_and_leads_to_a_new_password(
        self, client, employee
    ):
        sign_in = strange(employee, cast.sign_in(client, employee))

        answer = client.post(reverse("risk:judge", args=[sign_in.pk]), {"verdict": "compromised"})

        assert answer.url == reverse("account_change_password")
        session = LoginSession.unscoped.get(pk=sign_in.session_id)
        assert session.end_reason == "disowned"
        assert UserRisk.unscoped.get().level == RiskLevel.HIGH

    def test_it_was_me_is_learnt(self, client, employee):
        sign_in = strange(employee, cast.sign_in(client, employee))
        SignIn.unscoped.filter(pk=sign_in.pk).update(learnt_at=None)

        client.post(reverse("risk:judge", args=[sign_in.pk]), {"verdict": "safe"})

        sign_in.refresh_from_db()
        assert sign_in.verdict == Verdict.SAFE
        assert sign_in.learnt_at is not None

    def test_this_very_session_is_signed_out_by_the_way_that_asks(self, client, employee):
        cast.sign_in(client, employee)

        answer = client.post(
            reverse("risk:judge", args=[last_of(employee).pk]), {"verdict": "compromised"}
        )

        assert answer.url == reverse("account_logout")

    def test_an_old_proof_is_not_enough(self, client, employee, later):
        sign_in = strange(employee, cast.sign_in(client, employee))
        later(minutes=11)

        answer = client.post(reverse("risk:judge", args=[sign_in.pk]), {"verdict": "safe"})

        assert answer.url.startswith(reverse("sessions:step_up"))
        sign_in.refresh_from_db()
        assert sign_in.verdict == ""

    def test_another_verdict_is_refused(self, client, employee):
        sign_in = strange(employee, cast.sign_in(client, employee))

        answer = client.post(reverse("risk:judge", args=[sign_in.pk]), {"verdict": "perhaps"})

        assert answer.status_code == 400


class TestLink:
    @pytest.fixture
    def sign_in(self, employee, client) -> SignIn:
        cast.sign_in(Browser(), employee)
        return last_of(employee)

    def test_opening_it_does_nothing(self, client, sign_in):
        page = client.get(reverse("risk:was_it_you", args=[links.token_of(sign_in)]))

        assert "Was this you?" in page.content.decode()
        assert not UserRisk.unscoped.exists()
        assert LoginSession.unscoped.get(pk=sign_in.session_id).ended_at is None

    def test_saying_no_ends_it_and_leads_to_recovery(self, client, sign_in):
        page = client.post(reverse("risk:was_it_you", args=[links.token_of(sign_in)]))

        assert reverse("account_reset_password") in page.content.decode()
        assert LoginSession.unscoped.get(pk=sign_in.session_id).end_reason == "disowned"
        assert UserRisk.unscoped.get().reasons == ["reported"]

    def test_it_cannot_say_yes(self, client, sign_in):
        client.post(reverse("risk:was_it_you", args=[links.token_of(sign_in)]), {"verdict": "safe"})

        sign_in.refresh_from_db()
        assert sign_in.verdict == Verdict.COMPROMISED

    def test_it_names_neither_person_nor_address(self, client, sign_in, employee):
        page = client.get(reverse("risk:was_it_you", args=[links.token_of(sign_in)]))

        for private in (employee.email, "Alice", "127.0.0.1"):
            assert private not in page.content.decode()

    @pytest.mark.parametrize(
        "token",
        [
            "made-up",
            signing.dumps("no id", salt=links.SALT),
            signing.dumps("ab" * 16, salt="another"),
        ],
        ids=["forged", "about nothing", "of another purpose"],
    )
    def test_what_is_no_link_of_ours_is_not_found(self, client, db, token):
        assert client.get(reverse("risk:was_it_you", args=[token])).status_code == 404

    def test_it_is_good_for_a_fortnight(self, client, sign_in, later):
        path = reverse("risk:was_it_you", args=[links.token_of(sign_in)])
        later(days=13, hours=23)
        assert client.get(path).status_code == 200

        later(hours=2)
        assert client.get(path).status_code == 404


class TestMail:
    def sign_in_again(self, who, **headers):
        return Browser().post(
            reverse("account_login"),
            {"login": who.email, "password": who.password},
            HTTP_USER_AGENT="Mozilla/5.0 (Windows NT 10.0) Chrome/150.0.0.0 Safari/537.36",
            **headers,
        )

    def test_an_unusual_sign_in_is_told_with_a_link_to_say_no(
        self, newcomer, at_home, later, client
    ):
        cast.sign_in(Browser(), newcomer, acr="aal1")
        at_home(newcomer)
        later(hours=1)

        self.sign_in_again(newcomer, REMOTE_ADDR=SYDNEY)

        sign_in = last_of(newcomer)
        assert sign_in.level >= RiskLevel.MEDIUM
        message = mailbox.latest(newcomer.email)
        assert message.startswith("Was this you?")
        assert "Sydney, AU" in message
        (link,) = re.findall(r"http\S+?(/sign-ins/\S+/)", message)
        assert "Sydney" in client.get(link).content.decode()

    def test_the_usual_is_told_to_nobody(self, newcomer, at_home):
        before = mailbox.subjects(newcomer.email)
        at_home(newcomer, 3)
        assess_login(attempt(newcomer), now=clock.now())

        assert mailbox.subjects(newcomer.email) == before
