"""The published score: hand-computed cases, and what holds for every device."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.score import (
    CHECKS,
    EVIDENCE_FACTORS,
    HARDWARE_KEY,
    OS_PATCH_AGE,
    REPORT_EXPIRATION,
    ROOTED,
    Cap,
    Evidence,
    Result,
    Standing,
    Status,
    freshness,
    judge,
    tier_at,
    tier_ends,
)
from tests.support.hostile import bounded

NOW = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
LAPTOP = Standing("linux", reported_at=NOW)


def passing(*ids, evidence=Evidence.DEVICE_KEY, at=NOW):
    return [
        Result(name, Status.PASS, evidence, at, value=3 if name == OS_PATCH_AGE else None)
        for name in ids or CHECKS
    ]


def scored(results, standing=LAPTOP, now=NOW):
    return judge(results, standing, now=now).value


class TestHandComputed:
    @pytest.mark.parametrize(
        ("evidence", "score", "tier"),
        [
            (Evidence.ATTESTATION, 100, 4),
            (Evidence.SERVER, 90, 3),
            (Evidence.DEVICE_KEY, 80, 3),
            (Evidence.BROWSER_KEY, 50, 2),
            (Evidence.CLAIM, 20, 1),
        ],
    )
    def test_a_device_that_passes_everything_is_worth_its_evidence(self, evidence, score, tier):
        found = judge(passing(evidence=evidence), LAPTOP, now=NOW)

        assert (found.value, found.tier) == (score, tier)

    def test_an_agent_with_a_key_in_software_reaches_60(self):
        everything_else = [r for r in passing() if r.check_id != HARDWARE_KEY]

        assert scored(everything_else) == 60  # 0.8 · (100 - 25)

    def test_an_attested_key_and_an_agent_together_reach_85(self):
        """25 · 1.0 + 75 · 0.8: the least that the highest tier takes."""
        rest = [name for name in CHECKS if name != HARDWARE_KEY]
        results = passing(HARDWARE_KEY, evidence=Evidence.ATTESTATION) + passing(*rest)

        found = judge(results, LAPTOP, now=NOW)

        assert (found.value, found.tier) == (85, 4)

    def test_the_highest_tier_needs_an_attested_key_whatever_the_score(self):
        results = passing(evidence=Evidence.ATTESTATION)
        results = [r for r in results if r.check_id != HARDWARE_KEY]
        results += passing(HARDWARE_KEY, evidence=Evidence.SERVER)

        found = judge(results, LAPTOP, now=NOW)

        assert (found.value, found.tier) == (98, 3)  # 75 + 25 · 0.9 = 97.5, halves go up

    @pytest.mark.parametrize(
        ("days", "score"), [(0, 16), (7, 16), (8, 11), (30, 11), (31, 5), (90, 5), (91, 0)]
    )
    def test_the_age_of_patches_counts_in_steps(self, days, score):
        """20 · 0.8 · (1.0, 0.7, 0.3, 0)."""
        age = Result(OS_PATCH_AGE, Status.PASS, Evidence.DEVICE_KEY, NOW, value=days)

        assert scored([age]) == score

    def test_only_what_a_platform_can_have_is_asked_of_it(self):
        """A phone has no firewall to switch on: 25 + 20 + 15 + 10 + 5 + 5 of 80."""
        phone = replace(LAPTOP, platform="ios")

        assert scored(passing(), phone) == 80
        assert scored(passing("disk_encryption"), phone) == 15  # 15 / 80 · 0.8
        assert scored(passing("firewall"), phone) == 0

    def test_a_platform_that_nobody_knows_is_asked_everything(self):
        unknown = replace(LAPTOP, platform="other")

        assert scored(passing("disk_encryption"), unknown) == 12

    def test_each_line_says_what_it_gains_and_what_it_lost(self):
        found = judge(passing("firewall"), LAPTOP, now=NOW)
        lines = {line.check_id: line for line in found.lines}

        assert lines["firewall"].points == 4
        assert lines["firewall"].lost == 1
        assert lines["disk_encryption"].status is Status.MISSING
        assert lines["disk_encryption"].lost == 15
        assert sum(line.points + line.lost for line in found.lines) == 100


class TestFreshness:
    CHECK = CHECKS["firewall"]

    @pytest.mark.parametrize(
        ("age", "fresh"),
        [
            (timedelta(0), Fraction(1)),
            (timedelta(hours=1), Fraction(1)),
            (timedelta(hours=12, minutes=30), Fraction(1, 2)),
            (timedelta(hours=24), Fraction(0)),
            (timedelta(days=300), Fraction(0)),
            (timedelta(minutes=-5), Fraction(1)),
        ],
    )
    def test_it_is_whole_for_an_interval_and_then_runs_out(self, age, fresh):
        assert freshness(self.CHECK, NOW - age, now=NOW) == fresh


class TestCaps:
    BEST = passing(evidence=Evidence.ATTESTATION)

    @pytest.mark.parametrize(
        ("standing", "cap", "value", "tier"),
        [
            (replace(LAPTOP, is_shut=True), Cap.SHUT, 0, 0),
            (replace(LAPTOP, reported_at=None), Cap.REPORT_EXPIRED, 20, 1),
            (replace(LAPTOP, reported_at=NOW - REPORT_EXPIRATION), Cap.REPORT_EXPIRED, 20, 1),
            (replace(LAPTOP, has_owner=False), Cap.UNKNOWN_OWNER, 30, 1),
            (replace(LAPTOP, has_key=False), Cap.NO_DEVICE_KEY, 40, 2),
        ],
    )
    def test_each_holds_the_score_down(self, standing, cap, value, tier):
        found = judge(self.BEST, standing, now=NOW)

        assert (found.value, found.tier, found.caps) == (value, tier, (cap,))

    def test_a_rooted_device_is_held_at_ten(self):
        rooted = Result(ROOTED, Status.FAIL, Evidence.CLAIM, NOW - timedelta(days=90))

        found = judge([*self.BEST, rooted], LAPTOP, now=NOW)

        assert (found.value, found.tier, found.caps) == (10, 0, (Cap.ROOTED,))

    def test_the_lowest_of_several_decides(self):
        standing = replace(LAPTOP, has_key=False, has_owner=False, reported_at=None)

        assert scored(self.BEST, standing) == 20

    def test_a_report_holds_until_its_last_second(self):
        standing = replace(LAPTOP, reported_at=NOW - REPORT_EXPIRATION + timedelta(seconds=1))

        assert scored(self.BEST, standing) == 100


class TestSeveralSources:
    def test_the_best_evidence_counts(self):
        assert scored(passing("firewall") + passing("firewall", evidence=Evidence.SERVER)) == 5
        assert scored(passing("disk_encryption", evidence=Evidence.SERVER)) == 14

    def test_a_weaker_source_does_not_talk_a_finding_away(self):
        found_off = Result("disk_encryption", Status.FAIL, Evidence.SERVER, NOW)

        assert scored([found_off, *passing("disk_encryption")]) == 0

    def test_nor_once_the_finding_has_grown_old(self):
        found_off = Result("disk_encryption", Status.FAIL, Evidence.SERVER, NOW - timedelta(days=9))

        assert scored([found_off, *passing("disk_encryption")]) == 0

    def test_a_weaker_finding_does_not_overrule_a_stronger_one(self):
        claimed_off = Result("disk_encryption", Status.FAIL, Evidence.BROWSER_KEY, NOW)

        assert scored([claimed_off, *passing("disk_encryption")]) == 12

    def test_a_source_that_knows_nothing_is_in_nobodys_way(self):
        silent = Result("disk_encryption", Status.MISSING, Evidence.SERVER, NOW)

        found = judge([silent, *passing("disk_encryption")], LAPTOP, now=NOW)

        assert found.value == 12
        assert {line.status for line in found.lines if line.points} == {Status.PASS}

    def test_a_fresh_report_stands_in_for_stronger_evidence_that_has_faded(self):
        old = passing("disk_encryption", evidence=Evidence.SERVER, at=NOW - timedelta(days=2))

        assert scored([*old, *passing("disk_encryption")]) == 12


# ------------------------------------------------------------------ what holds for every device

ages = st.integers(0, 9 * 24 * 3600).map(lambda seconds: timedelta(seconds=seconds))
results = st.lists(
    st.builds(
        lambda name, status, evidence, age, value: Result(
            name, status, evidence, NOW - age, value if name == OS_PATCH_AGE else None
        ),
        st.sampled_from([*CHECKS, ROOTED]),
        st.sampled_from([Status.PASS, Status.PASS, Status.FAIL, Status.MISSING]),
        st.sampled_from(list(Evidence)),
        ages,
        st.integers(0, 120),
    ),
    max_size=20,
    unique_by=lambda r: (r.check_id, r.evidence),
)
well = st.lists(  # mostly good, so that high tiers come up
    st.builds(
        lambda name, evidence, age: Result(
            name, Status.PASS, evidence, NOW - age, 2 if name == OS_PATCH_AGE else None
        ),
        st.sampled_from(list(CHECKS)),
        st.sampled_from([Evidence.ATTESTATION, Evidence.SERVER, Evidence.DEVICE_KEY]),
        st.integers(0, 7200).map(lambda seconds: timedelta(seconds=seconds)),
    ),
    min_size=7,
    max_size=18,
    unique_by=lambda r: (r.check_id, r.evidence),
)
standings = st.builds(
    Standing,
    platform=st.sampled_from(["linux", "windows", "ios", "android", "chromeos", "other"]),
    reported_at=st.none() | ages.map(lambda age: NOW - age / 9),
    is_shut=st.sampled_from([False, False, False, True]),
    has_owner=st.sampled_from([True, True, True, False]),
    has_key=st.sampled_from([True, True, True, False]),
)
soon = st.integers(0, 8 * 24 * 3600 * 1_000_000).map(lambda us: timedelta(microseconds=us))


def swapped(found, place, status):
    changed = replace(found[place], status=status)
    if changed.check_id == OS_PATCH_AGE:
        changed = replace(changed, value=0)
    return [*found[:place], changed, *found[place + 1 :]]


@bounded(300)
@given(results.filter(bool), standings, st.data())
def test_passing_one_more_check_never_lowers_the_score(found, standing, data):
    place = data.draw(st.integers(0, len(found) - 1))

    before = judge(found, standing, now=NOW)
    after = judge(swapped(found, place, Status.PASS), standing, now=NOW)

    assert after.value >= before.value
    assert after.tier >= before.tier


@bounded(200)
@given(results, standings, st.sampled_from(list(CHECKS)), st.sampled_from(list(Evidence)))
def test_reporting_a_pass_that_was_not_reported_never_lowers_it(found, standing, name, evidence):
    rest = [r for r in found if (r.check_id, r.evidence) != (name, evidence)]
    passed = Result(name, Status.PASS, evidence, NOW, value=0 if name == OS_PATCH_AGE else None)

    assert scored([*rest, passed], standing) >= scored(rest, standing)


@bounded(200)
@given(results.filter(bool), standings, st.data())
def test_a_missing_check_never_scores_above_a_passed_one(found, standing, data):
    place = data.draw(st.integers(0, len(found) - 1))

    missing = scored(swapped(found, place, Status.MISSING), standing)
    passed = scored(swapped(found, place, Status.PASS), standing)

    assert missing <= passed


@bounded(200)
@given(results | well, standings)
def test_the_score_stays_within_its_bounds_and_its_caps(found, standing):
    score = judge(found, standing, now=NOW)

    assert 0 <= score.value <= 100
    assert 0 <= score.tier <= 4
    if standing.is_shut:
        assert score.value == 0
    if not standing.has_owner:
        assert score.value <= 30
    if not standing.has_key:
        assert score.value <= 40


@bounded(200)
@given(results | well, standings, soon)
def test_an_expired_report_never_exceeds_its_cap(found, standing, after):
    expired = replace(standing, reported_at=NOW - REPORT_EXPIRATION)

    score = judge(found, expired, now=NOW + after)

    assert score.value <= 20
    assert score.tier <= 1


@bounded(300)
@given(results | well, standings, soon, soon)
def test_a_later_instant_never_scores_higher_without_a_report(found, standing, one, other):
    earlier, later = sorted([NOW + one, NOW + other])

    before = judge(found, standing, now=earlier)
    after = judge(found, standing, now=later)

    assert after.value <= before.value
    assert after.tier <= before.tier


@bounded(250)
@given(results | well | well, standings, st.lists(soon, min_size=8, max_size=8))
def test_the_promised_tier_is_the_recomputed_tier_at_any_instant(found, standing, instants):
    ends = tier_ends(found, standing, now=NOW)
    second, moment = timedelta(seconds=1), timedelta(microseconds=1)
    around = [end + step for end in ends for step in (-second, -moment, timedelta(0), moment)]

    assert ends == sorted(ends, reverse=True), "nested"
    assert all(end > NOW for end in ends)
    for at in [NOW, *(NOW + after for after in instants), *(max(NOW, at) for at in around)]:
        assert tier_at(ends, at) == judge(found, standing, now=at).tier, at


@bounded(100)
@given(well, standings, st.integers(0, 4), soon)
def test_a_ceiling_holds_at_every_instant(found, standing, ceiling, after):
    ends = tier_ends(found, standing, now=NOW, ceiling=ceiling)
    at = NOW + after

    assert tier_at(ends, at) == min(ceiling, judge(found, standing, now=at).tier)


@bounded(100)
@given(well, standings, soon)
def test_evidence_that_gets_better_never_lowers_the_score(found, standing, after):
    best = {}
    for result in found:
        known = best.get(result.check_id)
        if known is None or EVIDENCE_FACTORS[known.evidence] < EVIDENCE_FACTORS[result.evidence]:
            best[result.check_id] = result
    weaker = [replace(r, evidence=Evidence.CLAIM) for r in best.values()]
    at = NOW + after

    assert scored(weaker, standing, at) <= scored(list(best.values()), standing, at)


def test_the_weights_are_the_published_ones():
    assert {check.id: check.weight for check in CHECKS.values()} == {
        "hardware_key": 25, "os_patch_age": 20, "disk_encryption": 15, "screen_lock": 10,
        "endpoint_protection": 10, "firewall": 5, "secure_boot": 5, "managed": 5,
        "no_known_exploited_vulnerability": 5,
    }  # fmt: skip
    assert sum(check.weight for check in CHECKS.values()) == 100
