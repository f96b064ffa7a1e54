"""What answers add up to, row by row; Teleport's documented thresholds among them."""

import pytest

from access.deciding import Answer, Outcome, Rules, decide, is_approved
from access.judging import EXAMPLE_OF_A_REVIEW
from policy import bodies

# The four of Teleport's documentation of access requests, in our words: three approvals; or one of a
# super-approver who says why; or one of anybody who says why, for a request that names a ticket; and
# a single denial of a super-approver ends it, else it takes two.
SUPER = '"super-approver" in input.reviewer.roles'
SAYS_WHY = 'input.approval.reason != ""'
NAMES_A_TICKET = "regex.match(`^Ticket [0-9]+`, input.request.reason)"
FOUR = [
    {"approve": 3, "deny": 2, "filter": ""},
    {"approve": 1, "deny": 0, "filter": f"{SUPER}\n{SAYS_WHY}"},
    {"approve": 1, "deny": 0, "filter": f"{NAMES_A_TICKET}\n{SAYS_WHY}"},
    {"approve": 0, "deny": 1, "filter": SUPER},
]
YES, NO = "approve", "deny"


def said(verdict: str, *, reason: str = "", roles: tuple[str, ...] = (), stage: int = 0) -> Answer:
    reviewer = {"name": "r", "roles": list(roles), "groups": []}
    return Answer(verdict, stage, reason, reviewer)


def rules(thresholds=(), needed=(0,), reason: str = "please") -> Rules:
    return Rules(list(thresholds), list(needed), {"reason": reason, "ticket": "", "roles": ["a"]})


S = ("super-approver",)
TELEPORT = {
    "nothing said": ([], "please", Outcome.OPEN),
    "two approvals": ([said(YES)] * 2, "please", Outcome.OPEN),
    "three approvals": ([said(YES)] * 3, "please", Outcome.APPROVED),
    "a super-approver without a reason": ([said(YES, roles=S)], "please", Outcome.OPEN),
    "a super-approver with one": ([said(YES, roles=S, reason="ok")], "please", Outcome.APPROVED),
    "anybody with a reason, no ticket": ([said(YES, reason="ok")], "please", Outcome.OPEN),
    "anybody with a reason, for a ticket": (
        [said(YES, reason="ok")], "Ticket 42 is on fire", Outcome.APPROVED,
    ),
    "anybody without a reason, for a ticket": ([said(YES)], "Ticket 42", Outcome.OPEN),
    "a ticket that is no number": ([said(YES, reason="ok")], "Ticket X", Outcome.OPEN),
    "one denial": ([said(NO)], "please", Outcome.OPEN),
    "two denials": ([said(NO)] * 2, "please", Outcome.DENIED),
    "one denial of a super-approver": ([said(NO, roles=S)], "please", Outcome.DENIED),
    "two approvals and two denials": (
        [said(YES), said(NO), said(YES), said(NO)], "please", Outcome.DENIED,
    ),
    "a denial wins where both are met": (
        [said(YES, roles=S, reason="ok"), said(NO, roles=S)], "please", Outcome.DENIED,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TELEPORT)
def test_the_thresholds_of_teleport(name):
    answers, reason, outcome = TELEPORT[name]

    assert decide(rules(FOUR, reason=reason), answers, stage=0) is outcome


@pytest.mark.parametrize("threshold", FOUR, ids=lambda each: each["filter"][:20] or "none")
def test_each_of_them_may_be_saved(threshold):
    if threshold["filter"]:
        bodies.check(threshold["filter"], EXAMPLE_OF_A_REVIEW)


class TestStages:
    def test_one_denial_is_final_without_thresholds(self):
        assert decide(rules(needed=(2,)), [said(YES), said(NO)], stage=0) is Outcome.DENIED

    def test_as_many_as_a_stage_needs_pass_it(self):
        two = rules(needed=(2, 1))

        assert decide(two, [said(YES)], stage=0) is Outcome.OPEN
        assert decide(two, [said(YES)] * 2, stage=0) is Outcome.STAGE_PASSED

    def test_the_last_stage_approves(self):
        two, first = rules(needed=(1, 1)), said(YES)

        assert decide(two, [first], stage=1) is Outcome.OPEN
        assert decide(two, [first, said(YES, stage=1)], stage=1) is Outcome.APPROVED

    def test_what_was_said_at_another_stage_does_not_pass_this_one(self):
        assert decide(rules(needed=(1, 2)), [said(YES)] * 3, stage=1) is Outcome.OPEN

    def test_a_threshold_decides_at_any_stage(self):
        one = [{"approve": 1, "deny": 1, "filter": SUPER}]
        two = rules(one, needed=(1, 1))

        assert decide(two, [said(YES, roles=S)], stage=0) is Outcome.APPROVED
        assert decide(two, [said(YES)], stage=0) is Outcome.STAGE_PASSED

    def test_with_thresholds_a_denial_counts_only_by_them(self):
        one = [{"approve": 1, "deny": 1, "filter": SUPER}]

        assert decide(rules(one, needed=(2,)), [said(NO)], stage=0) is Outcome.OPEN

    def test_a_stage_that_needs_nobody_by_itself_is_passed_by_nobody(self):
        three = [{"approve": 3, "deny": 1, "filter": ""}]

        assert decide(rules(three, needed=(0,)), [said(YES)] * 2, stage=0) is Outcome.OPEN

    def test_where_nobody_has_to_be_asked_it_is_approved(self):
        assert decide(rules(needed=()), [], stage=0) is Outcome.APPROVED


class TestWhatIsLeft:
    """Approvals of those who are still there, judged together."""

    def test_all_stages_have_to_be_passed(self):
        two = rules(needed=(1, 1))

        assert not is_approved(two, [said(YES)])
        assert is_approved(two, [said(YES), said(YES, stage=1)])

    def test_a_threshold_is_enough(self):
        assert is_approved(rules(FOUR, needed=(0,)), [said(YES)] * 3)
        assert not is_approved(rules(FOUR, needed=(0,)), [said(YES)] * 2)
        assert not is_approved(rules(FOUR, needed=(0,)), [])


def test_a_filter_that_fails_does_not_match():
    broken = [{"approve": 1, "deny": 1, "filter": "startswith(input.reviewer.roles, 1)"}]

    assert decide(rules(broken), [said(YES)], stage=0) is Outcome.OPEN
