"""What people say of a sign-in, and what it does."""

import pytest

from audit.events import Event
from audit.models import AuditEvent
from core import clock
from core.assurance import Level
from risk.flows import assess_login, judge_sign_in
from risk.levels import RiskLevel
from risk.models import SignIn, UserHistory, UserRisk, Verdict
from tests import cast
from tests.cast import Person
from tests.risk.conftest import SYDNEY, attempt

pytestmark = pytest.mark.django_db


@pytest.fixture
def strange(newcomer: Person, at_home, later) -> SignIn:
    at_home(newcomer, level=Level.AAL1)
    later(hours=1)
    return assess_login(
        attempt(newcomer, address=SYDNEY, is_known_browser=False, level=Level.AAL1),
        now=clock.now(),
    )


def say(sign_in: SignIn, verdict: Verdict, *, by="administrator") -> SignIn:
    return judge_sign_in(
        sign_in=sign_in, verdict=verdict, by=by, actor="accounts.User:x", now=clock.now()
    )


def risk() -> UserRisk | None:
    return UserRisk.unscoped.filter(ends_at__gt=clock.now()).first()


class TestCompromised:
    @pytest.mark.parametrize(
        ("by", "reason"), [("user", "reported"), ("administrator", "judged_compromised")]
    )
    def test_the_account_is_at_high_risk(self, strange, by, reason):
        say(strange, Verdict.COMPROMISED, by=by)

        assert (risk().level, risk().reasons) == (RiskLevel.HIGH, [reason])
        assert AuditEvent.objects.get(event=Event.LOGIN_JUDGED).facts == {
            "verdict": "compromised", "by": by,
        }  # fmt: skip

    def test_the_session_of_that_sign_in_ends_in_the_same_transaction(self, client, employee):
        session = cast.sign_in(client, employee)

        say(SignIn.unscoped.get(session_id=session.id), Verdict.COMPROMISED, by="user")

        session.refresh_from_db()
        assert session.end_reason == "disowned"

    def test_it_is_not_learnt_however_strongly_proven_later(self, strange):
        from risk.flows import confirm_sign_in

        before = UserHistory.unscoped.get().logins
        say(strange, Verdict.COMPROMISED)

        confirm_sign_in(session_id=strange.session_id, level=Level.PHR, now=clock.now())

        assert UserHistory.unscoped.get().logins == before


class TestSafe:
    def test_an_administrators_word_learns_it_and_ends_the_risk(self, strange):
        before = UserHistory.unscoped.get().logins
        say(strange, Verdict.COMPROMISED)

        say(strange, Verdict.SAFE)

        assert risk() is None
        assert UserHistory.unscoped.get().logins == before + 1

    def test_a_users_word_does_not_end_the_accounts_risk(self, strange, newcomer):
        say(strange, Verdict.COMPROMISED, by="user")

        say(strange, Verdict.SAFE, by="user")

        assert risk().level == RiskLevel.HIGH

    def test_nor_does_it_undo_an_administrators(self, strange):
        say(strange, Verdict.COMPROMISED)

        said = say(strange, Verdict.SAFE, by="user")

        assert said.verdict == Verdict.COMPROMISED

    def test_saying_it_again_changes_nothing(self, strange):
        for _ in range(2):
            say(strange, Verdict.SAFE)

        assert AuditEvent.objects.filter(event=Event.LOGIN_JUDGED).count() == 1
