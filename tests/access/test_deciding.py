"""What answers add up to, row by row; Teleport's documented thresholds among them."""

import pytest

from access.deciding import Answer, Outcome, Rules, decide, is_approved
from access.judging import EXAMPLE_OF_A_REVIEW
from policy import bodies

# The example of four thresholds in Teleport's documentation, in our words: "Threshold filters" of
# docs/pages/identity-governance/access-requests/configuration/reviewing.mdx in gravitational/teleport
# (135d56ce, 2026). It says there: three have to approve, two if each is a super-approver, one of
# those if the request has a reason, and anybody alone if it names a ticket and they say why.
SUPER = '"super-approver" in input.reviewer.roles'
HAS_A_REASON = 'input.request.reason != ""'
NAMES_A_TICKET = "regex.match(`^Ticket [0-9]+.*$`, input.request.reason)"
SAYS_WHY = 'input.approval.reason != ""'
FOUR = [
    {"approve": 3, "deny": 1, "filter": ""},
    {"approve": 2, "deny": 1, "filter": SUPER},
    {"approve": 1, "deny": 1, "filter": f"{HAS_A_REASON}\n{SUPER}"},
    {"approve": 1, "deny": 1, "filter": f"{NAMES_A_TICKET}\n{SAYS_WHY}"},
]
YES, NO = "approve", "deny"


def said(verdict: str, *, reason: str = "", roles: tuple[str, ...] = (), stage: int = 0) -> Answer:
    reviewer = {"name": "r", "roles": list(roles), "groups": []}
    return Answer(verdict, stage, reason, reviewer)


def rules(thresholds=(), needed=(0,), reason: str = "please") -> Rules:
    return Rules(list(thresholds), list(needed), {"reason": reason, "ticket": "", "roles": ["a"]})


S = ("super-approver",)
TELEPORT = {
    "nothing said": ([], "", Outcome.OPEN),
    "two of anybody": ([said(YES)] * 2, "", Outcome.OPEN),
    "three of anybody": ([said(YES)] * 3, "", Outcome.APPROVED),
    "a super-approver, no reason": ([said(YES, roles=S)], "", Outcome.OPEN),
    "a super-approver who says why, no reason": (
        [said(YES, roles=S, reason="ok")], "", Outcome.OPEN,
    ),
    "a super-approver and anybody": ([said(YES, roles=S), said(YES)], "", Outcome.OPEN),
    "two super-approvers": ([said(YES, roles=S)] * 2, "", Outcome.APPROVED),
    "a super-approver, for a reason": ([said(YES, roles=S)], "please", Outcome.APPROVED),
    "anybody who says why, for a reason": ([said(YES, reason="ok")], "please", Outcome.OPEN),
    "anybody who says why, for a ticket": (
        [said(YES, reason="ok")], "Ticket 42 is on fire", Outcome.APPROVED,
    ),
    "anybody who does not, for a ticket": ([said(YES)], "Ticket 42", Outcome.OPEN),
    "a ticket that is no number": ([said(YES, reason="ok")], "Ticket X", Outcome.OPEN),
    "a ticket in the middle": ([said(YES, reason="ok")], "see Ticket 42", Outcome.OPEN),
    "a denial of anybody": ([said(NO)], "", Outcome.DENIED),
    "a denial after two approvals": ([said(YES), said(YES), said(NO)], "", Outcome.DENIED),
    "a denial wins where both are met": (
        [said(YES, roles=S), said(NO)], "please", Outcome.DENIED,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TELEPORT)
def test_the_four_thresholds_that_teleport_documents(name):
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

    def test_a_count_of_nothing_is_never_met(self):
        """So that one line says who approves and another one who denies."""
        split = [
            {"approve": 2, "deny": 0, "filter": ""},
            {"approve": 0, "deny": 1, "filter": SUPER},
        ]

        assert decide(rules(split), [said(NO)] * 3, stage=0) is Outcome.OPEN
        assert decide(rules(split), [said(NO, roles=S)], stage=0) is Outcome.DENIED
        assert decide(rules(split), [said(YES, roles=S)], stage=0) is Outcome.OPEN

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
