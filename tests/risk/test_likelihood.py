"""The ratio, on counts that can be worked out by hand."""

from math import exp, log

import pytest

from risk.likelihood import FEATURES, History, Level, Population, likelihood_ratio

NETWORK = (Level.ADDRESS, Level.NETWORK, Level.COUNTRY)
AGENT = (Level.AGENT, Level.BROWSER, Level.SYSTEM, Level.KIND)
DISTINCT = {Level.NETWORK: 4, Level.COUNTRY: 2, Level.BROWSER: 3, Level.SYSTEM: 2, Level.KIND: 2}


def counts(levels, *values):
    return dict(zip(levels, values, strict=True))


def ratio_of(own: History, everybody: Population):
    ratio = likelihood_ratio(own, everybody)
    assert ratio is not None
    return ratio


class TestPublishedNumbers:
    def test_the_weights_of_each_feature_are_the_published_ones_and_add_up_to_one(self):
        assert list(FEATURES["network"].values()) == [0.6, 0.3, 0.1]
        assert [round(weight, 4) for weight in FEATURES["agent"].values()] == [
            0.5387, 0.2680, 0.1882, 0.0051,
        ]  # fmt: skip
        for weights in FEATURES.values():
            assert sum(weights.values()) == pytest.approx(1)


class TestNetwork:
    def test_a_known_address_of_a_user_among_a_hundred_sign_ins(self):
        own = History(10, counts(NETWORK, 8, 10, 10))
        everybody = Population(100, 10, counts(NETWORK, 8, 20, 90), DISTINCT)

        ratio = ratio_of(own, everybody)

        # M = 4 networks + 2 countries + 1 = 7; 8/100 * (1 - 7/107) = 0.0747664
        anybody = 0.6 * 0.08 * (100 / 107) + 0.3 * 0.2 + 0.1 * 0.9
        by_user = 0.6 * 0.8 + 0.3 * 1 + 0.1 * 1
        assert exp(ratio.features["network"]) == pytest.approx(anybody / by_user)
        assert exp(ratio.features["network"]) == pytest.approx(0.221432, abs=1e-6)

    def test_an_address_nobody_has_seen_of_the_users_own_network_backs_off_to_it(self):
        own = History(10, counts(NETWORK, 0, 10, 10))
        everybody = Population(100, 10, counts(NETWORK, 0, 20, 90), DISTINCT)

        ratio = ratio_of(own, everybody)

        anybody = 0.6 / 107 + 0.3 * 0.2 + 0.1 * 0.9
        assert exp(ratio.features["network"]) == pytest.approx(anybody / (0.3 + 0.1))

    def test_what_the_user_was_never_seen_with_on_any_level_counts_four_times(self):
        own = History(10, counts(NETWORK, 0, 0, 0))
        everybody = Population(100, 10, counts(NETWORK, 0, 1, 1), DISTINCT)

        assert ratio_of(own, everybody).features["network"] == pytest.approx(log(4))

    def test_without_geographic_data_the_address_carries_the_whole_weight(self):
        own = History(10, {Level.ADDRESS: 5})
        everybody = Population(100, 10, {Level.ADDRESS: 5}, {})

        ratio = ratio_of(own, everybody)

        # M = 1: nothing is known of coarser levels
        assert exp(ratio.features["network"]) == pytest.approx(0.05 * (100 / 101) / 0.5)
        assert "agent" not in ratio.features


class TestAgent:
    def test_a_new_build_of_the_users_browser_backs_off_to_system_and_kind(self):
        own = History(4, counts(AGENT, 0, 0, 4, 4))
        everybody = Population(50, 5, counts(AGENT, 10, 10, 25, 40), DISTINCT)

        ratio = ratio_of(own, everybody)

        w = list(FEATURES["agent"].values())
        anybody = w[0] * 0.2 * (50 / 58) + w[1] * 0.2 + w[2] * 0.5 + w[3] * 0.8
        assert exp(ratio.features["agent"]) == pytest.approx(anybody / (w[2] + w[3]))


class TestFrequency:
    def test_who_signs_in_more_often_than_others_is_less_suspect(self):
        everybody = Population(100, 10, {Level.ADDRESS: 1}, {})

        often = ratio_of(History(50, {Level.ADDRESS: 1}), everybody)
        seldom = ratio_of(History(1, {Level.ADDRESS: 1}), everybody)

        assert often.frequency == pytest.approx(log((1 / 10) / (50 / 100)))
        assert seldom.frequency == pytest.approx(log(10))

    def test_the_total_is_the_logarithm_of_the_product(self):
        own = History(10, counts(NETWORK, 0, 0, 0) | counts(AGENT, 0, 0, 0, 0))
        everybody = Population(
            100, 10, counts(NETWORK, 1, 1, 1) | counts(AGENT, 1, 1, 1, 1), DISTINCT
        )

        assert ratio_of(own, everybody).total == pytest.approx(log(4 * 4 * 1))


class TestFirst:
    def test_before_the_first_sign_in_there_is_no_ratio(self):
        everybody = Population(100, 10, {Level.ADDRESS: 1}, {})

        assert likelihood_ratio(History(0, {Level.ADDRESS: 0}), everybody) is None

    def test_nor_among_nobody(self):
        assert likelihood_ratio(History(1, {}), Population(0, 0, {}, {})) is None
