"""Whole sign-ins: judged, written down, and learnt only when they may be."""

from collections import Counter
from contextlib import contextmanager

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from audit.events import Event
from audit.models import AuditEvent
from core import clock
from core.assurance import Level
from risk import history
from risk.flows import (
    assess_login,
    confirm_sign_in,
    forget_old,
    note_failure,
    raise_user_risk,
    retention,
)
from risk.levels import RiskLevel
from risk.models import (
    FailedSignIn,
    OrganisationHistory,
    OrganisationTally,
    SignIn,
    UserHistory,
    UserRisk,
    UserTally,
)
from tests.cast import Person
from tests.risk.conftest import OSLO, SYDNEY, UNKNOWN, attempt
from tests.support.racing import race

pytestmark = pytest.mark.django_db
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36"
)


def codes(sign_in: SignIn) -> list[str]:
    return [code for code, _ in sign_in.reasons]


def from_afar(who: Person, **fields):
    return attempt(
        who, **({"address": SYDNEY, "user_agent": CHROME, "is_known_browser": False} | fields)
    )


class TestLevels:
    def test_the_usual_place_and_browser_are_low(self, employee, at_home):
        at_home(employee)

        sign_in = SignIn.unscoped.latest("at")

        assert sign_in.level == RiskLevel.LOW
        assert sign_in.score < 20
        assert (sign_in.place, sign_in.network) == ("Oslo, NO", "AS100 Oslo Net")

    def test_another_continent_an_hour_later_is_high_and_says_why(self, employee, at_home, later):
        at_home(employee)
        later(hours=1)

        sign_in = assess_login(from_afar(employee), now=clock.now())

        assert sign_in.level == RiskLevel.HIGH
        assert {"impossible_travel", "new_browser"} <= set(codes(sign_in))
        assert len(sign_in.reasons) == 3

    def test_a_stolen_password_from_the_same_country_is_at_least_medium(
        self, employee, at_home, later
    ):
        at_home(employee)
        later(days=1)

        sign_in = assess_login(
            attempt(employee, address="81.9.9.9", user_agent=CHROME, is_known_browser=False),
            now=clock.now(),
        )

        assert sign_in.level >= RiskLevel.MEDIUM

    def test_an_enrolled_device_counts_more_than_a_cookie(self, employee, at_home, later):
        at_home(employee)
        later(days=3)

        by_cookie = assess_login(attempt(employee, address=SYDNEY), now=clock.now())
        on_device = assess_login(
            attempt(employee, address=SYDNEY, is_enrolled_device=True), now=clock.now()
        )

        assert on_device.log_odds < by_cookie.log_odds

    def test_it_is_written_to_audit(self, employee, at_home):
        at_home(employee, 1)

        event = AuditEvent.objects.get(event=Event.LOGIN_ASSESSED)
        assert event.facts["level"] == "low"
        assert event.facts["reasons"]

    def test_another_organisation_knows_nothing_of_it(self, employee, outsider, at_home):
        at_home(employee)

        first = assess_login(attempt(outsider, is_known_browser=False), now=clock.now())

        assert codes(first)[0] == "first_sign_in"
        assert (
            OrganisationHistory.unscoped.get(organisation_id=outsider.user.organisation_id).logins
            == 1
        )


class TestFirst:
    def test_whoever_has_just_joined_is_low(self, employee, places):
        sign_in = assess_login(attempt(employee, is_known_browser=False), now=clock.now())

        assert sign_in.level == RiskLevel.LOW
        assert codes(sign_in) == ["first_sign_in"]

    def test_an_account_that_lay_unused_is_medium(self, employee, places, later):
        later(days=40)

        sign_in = assess_login(attempt(employee, is_known_browser=False), now=clock.now())

        assert sign_in.level == RiskLevel.MEDIUM


class TestFaults:
    @pytest.mark.parametrize("part", ["read", "values_of"])
    def test_what_cannot_be_judged_is_high_and_the_sign_in_goes_on(
        self, employee, places, monkeypatch, part
    ):
        def broken(**_):
            raise RuntimeError("out of order")

        monkeypatch.setattr(history, part, broken)

        sign_in = assess_login(attempt(employee), now=clock.now())

        assert sign_in.level == RiskLevel.HIGH
        assert codes(sign_in) == ["engine_fault"]
        assert not UserHistory.unscoped.exists()

    def test_so_is_one_whose_table_is_broken(self, employee, places):
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE risk_usertally RENAME TO away")

        assert assess_login(attempt(employee), now=clock.now()).level == RiskLevel.HIGH

    def test_without_geographic_data_the_rest_still_tells(
        self, employee, tmp_path, settings, later
    ):
        from risk import geo

        settings.GEO_DATABASE, settings.GEO_DIR = tmp_path / "missing.mmdb", tmp_path / "file"
        (tmp_path / "file").write_text("no folder")
        geo.forget()
        for _ in range(5):
            later(days=1)
            home = assess_login(attempt(employee), now=clock.now())
        stranger = assess_login(from_afar(employee, address=UNKNOWN), now=clock.now())
        geo.forget()

        assert (home.level, home.place) == (RiskLevel.LOW, "")
        assert stranger.level >= RiskLevel.MEDIUM
        assert not {"new_country", "impossible_travel"} & set(codes(stranger))


class TestLearning:
    def test_counts_are_of_successes_and_by_digest_alone(self, employee, at_home):
        at_home(employee, 3)

        assert UserHistory.unscoped.get().logins == 3
        assert {tally.logins for tally in UserTally.unscoped.all()} == {3}
        whole = OrganisationHistory.unscoped.get()
        assert (whole.logins, whole.users, whole.distinct) == (3, 1, [1] * 7)
        assert all(len(bytes(tally.value)) == 16 for tally in OrganisationTally.unscoped.all())

    def test_people_of_an_address_are_counted_once_each(self, employee, newcomer, at_home):
        at_home(employee, 2)
        at_home(newcomer, 2)

        assert {tally.users for tally in OrganisationTally.unscoped.all()} == {2}
        assert OrganisationHistory.unscoped.get().users == 2

    def test_a_password_alone_from_afar_does_not_become_usual(self, newcomer, at_home, later):
        at_home(newcomer, level=Level.AAL1)
        learnt = UserHistory.unscoped.get().logins
        levels = []
        for _ in range(5):
            later(days=2)
            levels.append(
                assess_login(from_afar(newcomer, level=Level.AAL1), now=clock.now()).level
            )

        assert UserHistory.unscoped.get().logins == learnt
        assert min(levels) >= RiskLevel.MEDIUM

    def test_a_medium_one_is_learnt_once_its_session_has_proven_more(
        self, newcomer, at_home, later
    ):
        at_home(newcomer, level=Level.AAL1)
        later(days=30)
        medium = assess_login(
            attempt(newcomer, address="81.9.9.9", user_agent=CHROME, is_known_browser=False,
                    level=Level.AAL1),
            now=clock.now(),
        )  # fmt: skip
        assert (medium.level, medium.learnt_at) == (RiskLevel.MEDIUM, None)
        before = UserHistory.unscoped.get().logins

        for _ in range(2):
            confirm_sign_in(session_id=medium.session_id, level=Level.AAL2, now=clock.now())

        assert UserHistory.unscoped.get().logins == before + 1

    def test_a_high_one_takes_a_proof_that_cannot_be_phished(self, employee, at_home, later):
        at_home(employee)
        later(hours=1)
        high = assess_login(from_afar(employee), now=clock.now())
        before = UserHistory.unscoped.get().logins

        confirm_sign_in(session_id=high.session_id, level=Level.AAL2, now=clock.now())
        assert UserHistory.unscoped.get().logins == before
        confirm_sign_in(session_id=high.session_id, level=Level.PHR, now=clock.now())
        assert UserHistory.unscoped.get().logins == before + 1


class TestCost:
    def test_it_takes_three_statements_whatever_the_history(self, employee, at_home):
        at_home(employee, 2)
        few = self.statements(employee)
        at_home(employee, 20)
        many = self.statements(employee)

        assert few == many == ["read", "write down", "learn"]

    def statements(self, who):
        kinds = {
            "LEFT JOIN risk_userhistory": "read",
            'INSERT INTO "risk_signin"': "write down",
            "INSERT INTO risk_usertally": "learn",
            "audit_auditevent": None,
            "SAVEPOINT": None,
        }
        with CaptureQueriesContext(connection) as seen:
            assess_login(attempt(who), now=clock.now())
        found = []
        for query in seen.captured_queries:
            kind = next(
                (kind for part, kind in kinds.items() if part in query["sql"]), query["sql"]
            )
            found += [kind] if kind else []
        return found


@pytest.mark.django_db(transaction=True)
def test_many_sign_ins_at_once_are_all_counted_and_wait_for_nobody_in_vain(
    employee, newcomer, places
):
    who = [employee, newcomer]

    race(lambda number: assess_login(attempt(who[number % 2]), now=clock.now()), runners=8)

    assert OrganisationHistory.unscoped.get().logins == 8
    assert sorted(UserHistory.unscoped.values_list("logins", flat=True)) == [4, 4]
    assert {tally.users for tally in OrganisationTally.unscoped.all()} == {2}


class TestAttempts:
    def test_failures_and_spray_are_seen_at_the_next_sign_in(self, employee, at_home):
        at_home(employee)
        for number in range(20):
            note_failure(account=f"p{number}@acme.example", address=OSLO, now=clock.now())

        sign_in = assess_login(attempt(employee), now=clock.now())

        assert "spray" in codes(sign_in)

    def test_they_are_forgotten_after_an_hour_and_deleted_after_a_day(
        self, employee, at_home, later
    ):
        at_home(employee)
        for number in range(20):
            note_failure(account=f"p{number}@acme.example", address=OSLO, now=clock.now())
        later(hours=1, minutes=1)
        assert "spray" not in codes(assess_login(attempt(employee), now=clock.now()))

        later(days=1)
        forget_old(now=clock.now())
        assert not FailedSignIn.objects.exists()

    def test_neither_account_nor_address_can_be_read_from_them(self, places, db):
        note_failure(account="alice@acme.example", address=OSLO, now=clock.now())

        row = FailedSignIn.objects.values_list("account", "address").get()
        assert not any(text in bytes(value) for value in row for text in (b"alice", OSLO.encode()))


class TestRetention:
    def test_addresses_go_after_a_month_and_the_rest_after_half_a_year(
        self, employee, at_home, later
    ):
        at_home(employee, 1)
        later(days=31)
        forget_old(now=clock.now())
        sign_in = SignIn.unscoped.get()
        assert (sign_in.address, sign_in.city, sign_in.values) == (None, "", [])
        assert sign_in.country == "NO"

        later(days=150)
        forget_old(now=clock.now())
        assert not SignIn.unscoped.exists()

    def test_what_was_not_seen_for_half_a_year_is_no_longer_counted(
        self, employee, newcomer, at_home, later
    ):
        at_home(employee, 2)
        later(days=170)
        at_home(newcomer, 3)
        later(days=20)

        forget_old(now=clock.now())

        assert UserHistory.unscoped.get(user=employee.user).logins == 0
        assert not UserTally.unscoped.filter(user_id=employee.user.pk).exists()
        assert {tally.users for tally in OrganisationTally.unscoped.all()} == {1}

        later(days=181)
        forget_old(now=clock.now())
        whole = OrganisationHistory.unscoped.get()
        assert (whole.logins, whole.distinct) == (0, [0] * 7)

    def test_a_few_at_a_time(self, employee, newcomer, at_home, later, monkeypatch):
        monkeypatch.setattr(retention, "BATCH", 3)
        at_home(employee, 5)
        at_home(newcomer, 5, user_agent="curl/8.0")
        for number in range(10):
            note_failure(account=f"p{number}@acme.example", address=OSLO, now=clock.now())
        later(days=40)
        with rows_touched() as of_addresses:
            forget_old(now=clock.now())
        assert max(each for each in of_addresses if isinstance(each, int)) == 3
        assert not FailedSignIn.objects.exists()
        assert not SignIn.unscoped.filter(address__isnull=False).exists()

        later(days=150)
        tallies = UserTally.unscoped.count(), OrganisationTally.unscoped.count()
        with rows_touched() as of_the_rest:
            forget_old(now=clock.now())

        assert max(each for each in of_the_rest if isinstance(each, int)) == 3
        rounds = [of_the_rest[each] for each in ("users", "organisations")]
        assert rounds == [count // 3 + 1 for count in tallies]
        for model in (SignIn, UserTally, OrganisationTally):
            assert not model.unscoped.exists()
        assert {history.logins for history in UserHistory.unscoped.all()} == {0}
        whole = OrganisationHistory.unscoped.get()
        assert (whole.logins, whole.distinct) == (0, [0] * 7)

    @pytest.mark.django_db(transaction=True)
    def test_it_waits_for_nobody(self, employee, places, later):
        for number in range(3):
            note_failure(account=f"p{number}@acme.example", address=OSLO, now=clock.now())
        later(days=2)
        with transaction.atomic():
            held = FailedSignIn.objects.select_for_update().order_by("-at")[0]
            race(lambda _: forget_old(now=clock.now()), runners=2)
            assert list(FailedSignIn.objects.all()) == [held]

    @pytest.mark.django_db(transaction=True)
    def test_sign_ins_meanwhile_are_counted(self, employee, newcomer, at_home, later, monkeypatch):
        monkeypatch.setattr(retention, "BATCH", 2)
        for number in range(4):
            at_home(employee, 2, user_agent=f"agent-{number}/1.0")
            at_home(newcomer, 2, user_agent=f"agent-{number}/1.0")
        later(days=200)

        def run(number):
            if number < 2:
                forget_old(now=clock.now())
            else:
                who = (employee, newcomer)[number % 2]
                agent = f"agent-{number % 4}/1.0"
                assess_login(attempt(who, user_agent=agent), now=clock.now())

        race(run, runners=8)
        forget_old(now=clock.now())

        own = UserTally.unscoped.filter(level=0).values_list("user_id", "logins")
        assert dict(own) == dict(UserHistory.unscoped.values_list("user_id", "logins"))
        assert min(dict(own).values()) >= 3, "what was learnt just now is not forgotten"
        whole, everybody = OrganisationHistory.unscoped.get(), OrganisationTally.unscoped.all()
        assert whole.logins == sum(each.logins for each in everybody if each.level == 0)
        assert whole.distinct == [everybody.filter(level=level).count() for level in range(7)]
        for each in everybody:
            own = UserTally.unscoped.filter(level=each.level, value=each.value)
            assert own.count() == each.users


@contextmanager
def rows_touched():
    """How often statements of the block touched so many rows, and how often tallies were deleted."""
    counts = Counter()

    def watch(execute, sql, params, many, context):
        result = execute(sql, params, many, context)
        if sql.startswith(("DELETE", "UPDATE")):
            counts[context["cursor"].rowcount] += 1
        counts["users"] += sql == retention.FORGET_OF_USERS
        counts["organisations"] += sql == retention.FORGET_OF_ORGANISATIONS
        return result

    with connection.execute_wrapper(watch):
        yield counts


class TestTrust:
    def test_a_passkey_from_before_ends_the_accounts_risk(self, employee, at_home, later):
        added = clock.now()
        at_home(employee)
        self.raise_risk(employee)
        later(minutes=5)

        assess_login(attempt(employee, level=Level.PHR, passkey_added_at=added), now=clock.now())

        assert not UserRisk.unscoped.filter(ends_at__gt=clock.now()).exists()

    def test_one_that_was_added_since_does_not(self, employee, at_home, later):
        at_home(employee)
        self.raise_risk(employee)
        later(minutes=5)

        assess_login(
            attempt(employee, level=Level.PHR, passkey_added_at=clock.now()), now=clock.now()
        )

        assert UserRisk.unscoped.get().level == RiskLevel.HIGH

    def raise_risk(self, who):
        raise_user_risk(
            user_id=who.user.pk,
            organisation_id=who.user.organisation_id,
            level=RiskLevel.HIGH,
            reason="takeover",
            now=clock.now(),
        )
