"""Each piece of evidence, on cases worked out by hand."""

from datetime import UTC, datetime, timedelta
from math import log

import pytest

from risk import evidence
from risk.evidence import Evidence, Fix
from risk.likelihood import History, Level

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
OSLO, PARIS, SYDNEY = (59.91, 10.75), (48.86, 2.35), (-33.87, 151.21)


def fix(place, *, hours: float = 0, accuracy_km: float = 20, is_shared: bool = False) -> Fix:
    return Fix(*place, accuracy_km, NOON + timedelta(hours=hours), is_shared)


class TestTravel:
    def test_distance_is_that_of_the_great_circle(self):
        assert evidence.distance_km(fix(OSLO), fix(PARIS)) == pytest.approx(1343, abs=5)
        assert evidence.distance_km(fix(OSLO), fix(OSLO)) == 0
        assert evidence.distance_km(fix((0, 179)), fix((0, -179))) == pytest.approx(222.4, abs=0.1)

    def test_oslo_to_sydney_in_an_hour_is_impossible(self):
        assert evidence.travel(fix(OSLO), fix(SYDNEY, hours=1)) == Evidence(
            "impossible_travel", evidence.EXTREME
        )

    @pytest.mark.parametrize(
        ("place", "hours"),
        [(SYDNEY, 20), (PARIS, 2), (OSLO, 0)],
        ids=["a day's flight", "an ordinary flight", "the same place at once"],
    )
    def test_what_an_aeroplane_can_do_is_no_evidence(self, place, hours):
        assert evidence.travel(fix(OSLO), fix(place, hours=hours)) is None

    def test_both_circles_are_taken_off_the_distance(self):
        # 1,343 km apart, known to 450 km each: 443 km at least, which is not too far
        assert (
            evidence.travel(fix(OSLO, accuracy_km=450), fix(PARIS, hours=0.1, accuracy_km=450))
            is None
        )
        assert evidence.travel(fix(OSLO, accuracy_km=20), fix(PARIS, hours=0.1, accuracy_km=20))

    def test_at_the_same_instant_anything_beyond_500_km_is_too_fast(self):
        assert evidence.travel(fix(OSLO), fix(PARIS, hours=0))

    def test_a_common_way_out_says_nothing_of_where_people_are(self):
        assert evidence.travel(fix(OSLO), fix(SYDNEY, hours=1, is_shared=True)) is None
        assert evidence.travel(fix(OSLO, is_shared=True), fix(SYDNEY, hours=1)) is None

    def test_an_unknown_place_is_no_evidence(self):
        assert evidence.travel(None, fix(OSLO)) is None
        assert evidence.travel(fix(OSLO), None) is None


class TestNovelty:
    def test_each_level_never_seen_speaks_for_itself(self):
        own = History(5, {Level.COUNTRY: 0, Level.NETWORK: 0, Level.BROWSER: 3})

        assert [each.code for each in evidence.novelty(own)] == ["new_country", "new_network"]

    def test_an_unknown_level_is_no_news(self):
        assert evidence.novelty(History(5, {Level.BROWSER: 1})) == []

    def test_nor_is_anything_at_the_first_sign_in(self):
        assert evidence.novelty(History(0, {Level.COUNTRY: 0})) == []


class TestRecognition:
    def test_the_weights_order_as_the_secrets_are_hard_to_copy(self):
        def weight(**facts):
            return evidence.recognition(**facts).weight

        device = weight(has_history=True, is_known_browser=True, is_enrolled_device=True)
        cookie = weight(has_history=True, is_known_browser=True, is_enrolled_device=False)
        neither = weight(has_history=True, is_known_browser=False, is_enrolled_device=False)
        assert device < cookie < 0 < neither

    def test_a_device_without_the_cookie_is_not_known(self):
        found = evidence.recognition(
            has_history=True, is_known_browser=False, is_enrolled_device=True
        )

        assert found == Evidence("new_browser", evidence.NEW_BROWSER)

    def test_the_first_browser_of_an_account_is_not_news(self):
        assert (
            evidence.recognition(
                has_history=False, is_known_browser=False, is_enrolled_device=False
            )
            is None
        )


class TestHour:
    def habit(self, *hours):
        return [float(hours.count(each)) for each in range(24)]

    def test_the_usual_hour_is_no_evidence(self):
        assert evidence.hour(self.habit(*[12] * 20), NOON) is None

    def test_the_other_side_of_the_day_is(self):
        assert evidence.hour(self.habit(*[0] * 20), NOON) == Evidence(
            "unusual_hour", evidence.MEDIUM
        )

    def test_midnight_lies_next_to_eleven_at_night(self):
        midnight = NOON + timedelta(hours=12)

        assert evidence.hour(self.habit(*[23] * 20), midnight) is None

    def test_few_sign_ins_are_no_habit(self):
        assert evidence.hour(self.habit(*[0] * 9), NOON) is None
        assert evidence.hour([], NOON) is None

    def test_habits_fade(self):
        habit = [0.0] * 24
        for _ in range(400):
            habit = evidence.remember_hour(habit, NOON)

        assert sum(habit) == pytest.approx(50, abs=0.1)


class TestSprayAndFailures:
    @pytest.mark.parametrize(
        ("by_address", "by_network", "users", "weight"),
        [
            (4, 49, 0, None),
            (5, 0, 0, evidence.LARGE),
            (20, 0, 0, evidence.EXTREME),
            (1, 50, 0, evidence.MEDIUM),
            (1, 200, 0, evidence.LARGE),
            (20, 0, 100, None),
            (30, 0, 100, evidence.LARGE),
        ],
        ids=[
            "little",
            "five",
            "twenty",
            "network",
            "large network",
            "an office",
            "a sprayed office",
        ],
    )
    def test_distinct_accounts_count_less_where_many_people_work(
        self, by_address, by_network, users, weight
    ):
        found = evidence.spray(by_address=by_address, by_network=by_network, users_of_address=users)

        assert (found and found.weight) == weight

    @pytest.mark.parametrize(
        ("count", "weight"),
        [(2, None), (3, evidence.SMALL), (6, evidence.MEDIUM), (12, evidence.LARGE)],
    )
    def test_a_burst_of_failures_weighs_by_its_length(self, count, weight):
        found = evidence.failures(count)

        assert (found and found.weight) == weight


class TestTakeover:
    def at(self, *minutes_and_kinds):
        return [(kind, NOON + timedelta(minutes=minutes)) for minutes, kind in minutes_and_kinds]

    def test_address_then_password_then_factor_are_three_steps(self):
        changes = self.at((0, "email"), (5, "password"), (9, "factor"))

        assert evidence.takeover(changes, now=NOON + timedelta(minutes=10)) == 3

    def test_the_order_is_that_of_time_not_of_the_list(self):
        changes = self.at((9, "factor"), (0, "email"), (5, "password"))

        assert evidence.takeover(changes, now=NOON + timedelta(minutes=10)) == 3

    def test_another_order_is_no_takeover(self):
        changes = self.at((0, "factor"), (5, "password"), (9, "email"))

        assert evidence.takeover(changes, now=NOON + timedelta(minutes=10)) == 1

    def test_what_lies_longer_back_than_a_day_does_not_count(self):
        changes = self.at((0, "email"), (5, "password"), (9, "factor"))

        assert evidence.takeover(changes, now=NOON + timedelta(hours=24, minutes=1)) == 0

    def test_other_changes_between_do_not_hide_it(self):
        changes = self.at((0, "email"), (1, "name"), (2, "password"), (3, "factor"))

        assert evidence.takeover(changes, now=NOON + timedelta(minutes=4)) == 3


class TestActions:
    USUAL = [["in", "home", "app", "out"]] * 100

    def test_surprise_is_the_mean_of_the_steps(self):
        model = evidence.grammar([["a", "b"], ["a", "b"], ["a", "c"]])

        # 6 actions of 3 kinds: p(b) = 3/10, p(c) = 2/10, so p(b|a) = 2.3/4 and p(c|a) = 1.2/4
        assert model.surprise(["a", "b"]) == pytest.approx(-log(2.3 / 4))
        assert model.surprise(["a", "c"]) == pytest.approx(-log(1.2 / 4))
        # b is followed by nothing: p(x|b) = p(x) = 1/10
        assert model.surprise(["a", "b", "x"]) == pytest.approx((-log(2.3 / 4) - log(0.1)) / 2)

    def test_what_everybody_does_is_no_evidence(self):
        model = evidence.grammar(self.USUAL)

        assert evidence.unusual_actions(model, ["in", "home", "app", "out"]) is None

    def test_what_nobody_does_is(self):
        model = evidence.grammar(self.USUAL)

        found = evidence.unusual_actions(model, ["in", "keys", "export", "delete", "out"])
        assert found == Evidence("unusual_actions", evidence.LARGE)

    def test_nothing_is_said_before_enough_was_learnt(self):
        model = evidence.grammar(self.USUAL[:5])

        assert evidence.unusual_actions(model, ["in", "keys", "export", "delete", "out"]) is None


def test_every_code_has_words():
    codes = {
        "new_country", "new_network", "new_software", "new_browser", "known_browser",
        "known_device", "impossible_travel", "unusual_hour", "spray", "failures", "passkey",
        "unusual_actions", "first_sign_in", "network", "agent", "frequency", "engine_fault",
    }  # fmt: skip

    assert codes <= set(evidence.WORDS)
