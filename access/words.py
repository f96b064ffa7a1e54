"""The rules of `policies/access.rego` in plain words: what each asks, and what a failure means."""

from collections.abc import Iterable

from core.assurance import Level
from core.errors import Refusal
from policy.access import Ticket, Verdict

# By the rule's name: what it asks for, and what is said where it fails.
RULES: dict[str, tuple[str, str]] = {
    "entitlement_active": (
        "The access is on offer.",
        "This access is not on offer any more.",
    ),
    "requester_active": (
        "The account that it is for is open.",
        "The account that it is for is closed.",
    ),
    "requester_unlocked": (
        "The account that it is for is not locked.",
        "The account that it is for is locked.",
    ),
    "eligible": (
        "The person is among those who may ask.",
        "Only people who were made eligible may ask for this.",
    ),
    "session_allowed": (
        "The sign-in is in good standing.",
        "This sign-in may not do that now.",
    ),
    "strong_enough": (
        "The sign-in is strong enough.",
        "This needs a stronger sign-in.",
    ),
    "fresh_enough": (
        "The sign-in is recent enough.",
        "This needs a more recent sign-in.",
    ),
    "device_trusted": (
        "The device is trusted enough.",
        "This needs a device that is trusted more.",
    ),
    "network_known": (
        "It is known from which address it is used.",
        "It cannot be told from which address it would be used.",
    ),
    "condition_holds": (
        "The condition of the access holds.",
        "The condition of this access does not hold.",
    ),
    "duration_within": (
        "It lasts no longer than allowed.",
        "It cannot last that long.",
    ),
    "start_ahead": (
        "It starts now or soon enough.",
        "It cannot start in the past, nor that far ahead.",
    ),
    "reason_given": ("A reason is given.", "Please give a reason."),
    "ticket_good": ("The ticket is good.", "The ticket is not good."),
    "nothing_open": (
        "Nothing like it is open already.",
        "You have asked for this already, or have it.",
    ),
    "extends_live": (
        "What is extended is still active.",
        "What would be extended is over, or suspended.",
    ),
    "break_glass_allowed": (
        "It may be taken in an emergency.",
        "This cannot be taken without approval, not even in an emergency.",
    ),
    "break_glass_reviewed": (
        "The last emergency was reviewed.",
        "Your last emergency access has not been reviewed yet.",
    ),
    "terms_hold": (
        "What was asked for is still offered like that.",
        "What is offered was changed since: please ask again.",
    ),
    "start_reached": ("Its start is reached.", "It cannot begin before its start."),
    "in_time": ("It is not too late.", "It is too late: please ask again."),
    "stage_in_time": (
        "This stage is not over.",
        "Nobody answered in time at this stage.",
    ),
    "approvals_hold": (
        "Whoever approved it could still do so.",
        "Somebody who approved this could not do so any more, or more have to agree by now.",
    ),
    "approvers_are_others": (
        "Nobody who approved it is the person that it is for.",
        "Somebody who approved this is the person that it is for.",
    ),
    "approver_named": (
        "You are an approver at this stage.",
        "You are no approver of this request as it stands.",
    ),
    "approver_is_another": (
        "It is not your own request.",
        "Nobody answers a request of their own.",
    ),
    "approver_is_another_person": (
        "It is not a request of another account of yours.",
        "Nobody answers a request of another account of theirs.",
    ),
    "approver_acts_for_nobody": (
        "You do not act for whoever asks.",
        "Nobody answers on behalf of whoever asks, nor for an application of theirs.",
    ),
    "approver_has_not_written": (
        "You have not written what is to be published.",
        "Nobody approves a policy that they wrote.",
    ),
    "answered_once": ("You have not answered yet.", "You have answered this already."),
    "approver_reason_given": (
        "A reason for the answer is given.",
        "Please give a reason for your answer.",
    ),
    "policy_missing": ("", "Nothing can be allowed now."),
    "policy_unavailable": ("", "Nothing can be allowed now."),
    "policy_undefined": ("", "Nothing can be allowed now."),
}
TICKETS: dict[str, str] = {
    Ticket.MISSING: "Please name a ticket.",
    Ticket.MALFORMED: "This is no number of a ticket as it is asked for.",
    Ticket.UNKNOWN: "This ticket is not known, or not open for whoever asks.",
    Ticket.UNAVAILABLE: "The ticket cannot be checked now. Please try again.",
}
_OF_INPUT = frozenset(
    {"duration_within", "start_ahead", "reason_given", "ticket_good", "approver_reason_given"}
)
_OF_STATE = frozenset({"nothing_open", "answered_once", "in_time", "stage_in_time", "terms_hold"})


def told(rule: str, *, passed: bool) -> str:
    """One sentence for people."""
    asks, fails = RULES.get(rule, (rule, rule))
    return asks if passed else fails


def sentences(reasons: Iterable[str], ticket: str = Ticket.NONE) -> str:
    return " ".join(
        dict.fromkeys(
            TICKETS.get(ticket, told(reason, passed=False))
            if reason == "ticket_good"
            else told(reason, passed=False)
            for reason in reasons
        )
    )


def refusal_of(
    verdict: Verdict, *, max_age: int | None = None, ticket: str = Ticket.NONE
) -> Refusal:
    """What a verdict that does not allow is answered by. max_age: whole seconds, None for any."""
    if verdict.asks_step_up:
        return Refusal.insufficient_user_authentication(
            acr=Level(max(verdict.demanded_level, Level.AAL1)).acr, max_age=max_age
        )
    reasons = set(verdict.reasons)
    if reasons == {"ticket_good"} and ticket == Ticket.UNAVAILABLE:
        return Refusal.unavailable(TICKETS[ticket])
    detail = sentences(verdict.reasons, ticket)
    if reasons <= _OF_INPUT:
        return Refusal.invalid_request(detail)
    if reasons <= _OF_STATE:
        return Refusal.conflict(detail)
    return Refusal.not_allowed(detail)
