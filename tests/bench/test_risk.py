"""The risk report: its counting on cases worked out by hand, and what it reads."""

import json
from datetime import UTC, datetime, timedelta
from math import exp, log

import pytest

from bench.risk import __main__ as command
from bench.risk import calibrate, measure, plot
from bench.risk.attackers import ATTACKERS
from bench.risk.logins import COLUMNS, Login, Malformed, World, but, read, write
from risk import score

LOGIN = Login(
    address="10.0.0.1", country="NO", region="NO-1", city="NO city 1", asn=500_001,
    agent="Mozilla/5.0", system="Windows 11", software="Chrome 140.0", kind="desktop", user=7,
    at=datetime(2026, 5, 4, 8, 0, tzinfo=UTC), rtt_ms=None, is_successful=True, browser="c1",
)  # fmt: skip


class TestThreshold:
    def test_it_is_the_highest_that_still_catches_the_share(self):
        attacks = [5.0, 4.0, 3.0, 2.0, 1.0]

        assert measure.threshold(attacks, 0.6) == 3.0
        assert measure.threshold(attacks, 0.61) == 2.0
        assert measure.threshold(attacks, 1.0) == 1.0

    def test_reaching_it_counts(self):
        assert measure.reauthentications([(1, 3.0), (1, 2.9), (2, 1.0)], {1, 2}, 3.0) == 0.5


class TestReauthentications:
    def test_it_is_the_median_over_all_users_those_never_asked_included(self):
        people = [(1, 9), (1, 9), (1, 9), (2, 9), (3, 0)]

        assert measure.reauthentications(people, {1, 2, 3}, 5) == 1
        assert measure.reauthentications(people, {1, 2, 3, 4, 5}, 5) == 0


class TestRoc:
    def test_points_and_area_of_a_case_worked_out_by_hand(self):
        points = measure.roc(people=[1, 3], attacks=[2, 4])

        assert points == [(0, 0), (0, 0.5), (0.5, 0.5), (0.5, 1), (1, 1)]
        # of four pairs (1,2) (1,4) (3,2) (3,4) the attack is higher in three
        assert measure.area(points) == pytest.approx(0.75)

    def test_ties_count_by_half(self):
        assert measure.area(measure.roc(people=[1], attacks=[1])) == pytest.approx(0.5)


class TestReplay:
    def test_sums_are_those_of_the_ratio_worked_out_by_hand(self):
        state = measure.Replay()
        for _ in range(3):
            state.learn(LOGIN)
        state.learn(but(LOGIN, user=8, address="10.0.0.2"))

        sums = state.score(LOGIN)

        # address: M = 1 network + 1 country + 1; agent: M = 1 + 1 + 1 + 1
        network = (0.6 * 3 / 4 * (4 / 7) + 0.3 + 0.1) / 1
        agent = measure.likelihood_ratio  # the same function as the product's
        assert agent is not None
        w = 0.5386653840551359
        expected = log(network) + log(w * (4 / 8) + (1 - w)) + log((1 / 2) / (3 / 4))
        assert sums["likelihood alone"] == pytest.approx(expected)
        assert sums["with browser cookie"] == pytest.approx(expected - 2.5)
        assert sums["with device key"] == pytest.approx(expected - 4.5)

    def test_a_first_sign_in_has_no_score(self):
        assert measure.Replay().score(LOGIN) is None

    def test_failed_attempts_and_attacks_are_not_learnt(self):
        logins = [
            LOGIN,
            but(LOGIN, is_successful=False),
            but(LOGIN, at=LOGIN.at + timedelta(days=1)),
        ]

        run = measure.replay(
            logins,
            attackers={
                "naive": lambda victim, _day: but(victim, address="203.0.113.9", browser="")
            },
            attack_at=(1, 2),
            up_to=12,
        )

        assert [each.number for each in run.people] == [2]
        assert [each.number for each in run.attacks["naive"]] == [1, 2]
        # The second attack comes from an address that is as new as at the first.
        first, second = (each.sums["likelihood alone"] for each in run.attacks["naive"])
        assert second < first + 0.7


class TestCalibration:
    def test_symmetric_data_puts_even_chances_in_the_middle(self):
        intercept, slope = calibrate.logistic([-1.0] * 50 + [0.5] * 10, [1.0] * 50 + [-0.5] * 10)

        assert intercept == pytest.approx(0, abs=1e-6)
        assert slope > 0

    def test_the_curve_gives_back_the_odds_that_made_it(self):
        # at 0: three people for one attack; at 2: one for three
        intercept, slope = calibrate.logistic(
            [0.0] * 3000 + [2.0] * 1000, [0.0] * 1000 + [2.0] * 3000
        )

        assert 1 / (1 + exp(-intercept)) == pytest.approx(0.25, abs=0.001)
        assert 1 / (1 + exp(-(intercept + 2 * slope))) == pytest.approx(0.75, abs=0.001)

    def test_levels_lie_where_99_of_100_attacks_and_one_of_100_people_do(self):
        medium, high = calibrate.levels(
            people=[float(each) for each in range(100)],
            attacks=[float(each) for each in range(100)],
        )

        assert (medium, high) == (1.0, 99.0)


class TestGenerator:
    def test_the_same_seed_gives_the_same_year_and_another_another(self):
        one, same, other = (World(seed=seed, users=5).logins() for seed in (1, 1, 2))

        assert one == same
        assert one != other

    def test_it_is_in_the_order_of_time_and_has_every_column(self, tmp_path):
        logins = World(seed=3, users=20).logins()

        assert [each.at for each in logins] == sorted(each.at for each in logins)
        write(tmp_path / "logins.csv", logins)
        header = (tmp_path / "logins.csv").read_text().splitlines()[0]
        assert tuple(header.split(",")) == COLUMNS
        assert len(COLUMNS) == 15

    def test_what_is_written_is_read_back_but_for_cookies(self, tmp_path):
        logins = World(seed=3, users=5).logins()
        write(tmp_path / "logins.csv", logins)

        again = list(read(tmp_path / "logins.csv"))

        precise = [
            but(
                each, browser="", at=each.at.replace(microsecond=each.at.microsecond // 1000 * 1000)
            )
            for each in logins
        ]
        assert again == precise

    @pytest.mark.parametrize("attacker", list(ATTACKERS))
    def test_attackers_come_as_the_victim_and_only_malware_with_the_cookie(self, attacker):
        world = World(seed=4, users=50)
        victims = [each for each in world.logins() if each.is_successful][:300]

        attacks = [ATTACKERS[attacker](world, victim, 100.0) for victim in victims]

        assert [each.user for each in attacks] == [each.user for each in victims]
        with_cookie = sum(bool(each.browser) for each in attacks) / len(attacks)
        assert (0.05 < with_cookie < 0.16) if attacker == "very targeted" else with_cookie == 0


class TestReading:
    ROW = {
        "index": "0", "IP Address": "10.0.65.171", "Country": "NO", "Region": "-", "City": "-",
        "ASN": "29695", "User Agent String": "Mozilla/5.0 (iPhone)", "OS Name and Version": "iOS 13.4",
        "Browser Name and Version": "Firefox 20.0.0.1618", "Device Type": "mobile",
        "User ID": "-4324475583306591935", "Login Timestamp": "2020-02-03 12:43:30.772",
        "Round-Trip Time [ms]": "", "Login Successful": "False", "Is Attack IP": "False",
        "Is Account Takeover": "False",
    }  # fmt: skip

    def write(self, path, **changes):
        row = self.ROW | changes
        path.write_text(",".join(row) + "\n" + ",".join(row.values()) + "\n")

    def test_a_row_as_the_real_set_has_it(self, tmp_path):
        self.write(tmp_path / "a.csv")

        (login,) = read(tmp_path / "a.csv")

        assert login.user == -4324475583306591935
        assert login.at == datetime(2020, 2, 3, 12, 43, 30, 772000, tzinfo=UTC)
        assert login.rtt_ms is None
        assert not login.is_successful

    def test_instants_may_be_milliseconds(self, tmp_path):
        self.write(tmp_path / "a.csv", **{"Login Timestamp": "1580733810772"})

        (login,) = read(tmp_path / "a.csv")
        assert login.at == datetime(2020, 2, 3, 12, 43, 30, 772000, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("column", "value"),
        [
            ("ASN", "many"),
            ("ASN", "-1"),
            ("User ID", ""),
            ("Login Successful", "perhaps"),
            ("Login Timestamp", "yesterday"),
            ("IP Address", ""),
        ],
    )
    def test_a_value_that_is_none_names_its_line(self, tmp_path, column, value):
        self.write(tmp_path / "a.csv", **{column: value})

        with pytest.raises(Malformed, match="line 2"):
            list(read(tmp_path / "a.csv"))

    def test_a_missing_column_is_named(self, tmp_path):
        (tmp_path / "a.csv").write_text("IP Address,Country\n10.0.0.1,NO\n")

        with pytest.raises(Malformed, match="no column ASN"):
            list(read(tmp_path / "a.csv"))


class TestCommand:
    def test_the_tables_come_from_the_run_and_nothing_is_written_when_dry(self, capsys):
        before = command.PAGE.read_text()

        assert command.main(["--users", "60", "--seed", "5", "--dry-run"]) == 0

        printed = capsys.readouterr().out
        assert "| targeted | 39 sign-ins |" in printed
        assert command.PAGE.read_text() == before

    def test_a_file_of_the_data_set_is_measured_as_well(self, tmp_path, capsys):
        logins = World(seed=6, users=40).logins()
        logins[5] = but(logins[5], is_attack_address=True, is_successful=False)
        write(tmp_path / "logins.csv", logins)

        assert command.main(["--csv", str(tmp_path / "logins.csv")]) == 0

        assert "| naive | 12 sign-ins |" in capsys.readouterr().out

    def test_the_calibration_in_the_repository_was_made_with_the_seed_of_the_command(self):
        assert json.loads(score.TABLE.read_text())["calibration"]["seed"] == command.SEED

    def test_the_page_says_whether_the_targets_are_met(self):
        page = command.PAGE.read_text()

        assert page.count("| ≤ ") == 6
        assert "Synthetic data bounds the claim" in page

    def test_the_plot_draws_one_solid_and_one_dashed_curve_for_each(self):
        picture = plot.draw(
            {"a": [(0, 0), (0.1, 1), (1, 1)]}, {"a": [(0, 0), (1, 1)]}, title="Caught & asked"
        )

        assert picture.count("<polyline") == 2
        assert picture.count("stroke-dasharray") == 1
        assert "Caught &amp; asked" in picture
