"""What comes next for an authorization request: the whole policy of signing in, as one function.

It looks at values and touches nothing; tests/idp/test_next_step.py is its table. Every step of the
journey returns here, and no step knows the one that follows.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core.assurance import Level
from core.errors import Refusal
from idp.requests.parameters import AuthorizationParams
from policy.decision import Decision, Outcome


class Kind(StrEnum):
    """login: nobody is signed in. account: choose who it is. step_up: prove more, or again.

    consent: ask the user. deny: answer with an error. issue: answer with a code.
    """

    LOGIN = "login"
    ACCOUNT = "account"
    STEP_UP = "step_up"
    CONSENT = "consent"
    DENY = "deny"
    ISSUE = "issue"


@dataclass(frozen=True, slots=True)
class Step:
    """level, max_age (whole seconds): what a step-up must reach. refusal: why it is denied."""

    kind: Kind
    level: Level = Level.NONE
    max_age: int | None = None
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who uses this browser. subject: `sub`. reachable: the strongest level the user can prove."""

    subject: str
    is_of_organisation: bool
    level: Level
    reachable: Level
    auth_time: datetime


@dataclass(frozen=True, slots=True)
class Agreement:
    """What needs no asking. scopes: those allowed before; a first-party client is never asked."""

    is_first_party: bool
    scopes: frozenset[str] = frozenset()


LOGIN = Step(Kind.LOGIN)
ACCOUNT = Step(Kind.ACCOUNT)
CONSENT = Step(Kind.CONSENT)
ISSUE = Step(Kind.ISSUE)


def next_step(
    params: AuthorizationParams,
    signed_in: SignedIn | None,
    decision: Decision | None,
    agreement: Agreement,
    *,
    asked_at: datetime,
) -> Step:
    """Decide what this request needs now.

    decision: policy's verdict on the session, None without one. asked_at: when the request arrived;
    a sign-in since then satisfies prompt=login and max_age, so neither can ask for ever.
    """
    if signed_in is None or decision is None or decision.outcome is Outcome.REVOKE:
        return _unless_silent(params, LOGIN, Refusal.login_required("Nobody is signed in."))
    account = _choose_account(params, signed_in, asked_at)
    if account is not None:
        return account
    if not signed_in.is_of_organisation:
        return _deny(Refusal.access_denied("The account belongs to another organisation."))
    if decision.outcome is Outcome.DENY:
        return _deny(Refusal.access_denied("The sign-in does not meet this server's policy."))
    stronger = _meet_demand(params, signed_in) or _prove_more(params, signed_in, decision, asked_at)
    if stronger is not None:
        return stronger
    if params.asks_consent or not _is_agreed(params, agreement):
        return _unless_silent(
            params, CONSENT, Refusal.consent_required("The user has not allowed this yet.")
        )
    return ISSUE


def _choose_account(
    params: AuthorizationParams, signed_in: SignedIn, asked_at: datetime
) -> Step | None:
    if params.hinted_subject is not None and params.hinted_subject != signed_in.subject:
        return _unless_silent(
            params, ACCOUNT, Refusal.login_required("Somebody else is signed in.")
        )
    if "create" in params.prompt and signed_in.auth_time < asked_at:
        return ACCOUNT  # whoever is here already may go on, or make another account
    return ACCOUNT if "select_account" in params.prompt else None


def _prove_more(
    params: AuthorizationParams, signed_in: SignedIn, decision: Decision, asked_at: datetime
) -> Step | None:
    is_fresh = signed_in.auth_time >= asked_at
    if decision.outcome is Outcome.STEP_UP:
        too_old = "authentication_too_old" in decision.reasons
        refusal = Refusal.login_required if too_old else Refusal.interaction_required
        return _unless_silent(
            params,
            Step(Kind.STEP_UP, decision.required_level, decision.max_age),
            refusal("A stronger or more recent sign-in is needed."),
        )
    if "login" in params.prompt and not is_fresh:
        return Step(Kind.STEP_UP, max(decision.required_level, Level.AAL1), max_age=0)
    wanted = preferred_level(params)
    if signed_in.level < wanted <= signed_in.reachable:
        return _unless_silent(
            params,
            Step(Kind.STEP_UP, wanted),
            Refusal.interaction_required("A stronger sign-in is needed."),
        )
    return None


def _meet_demand(params: AuthorizationParams, signed_in: SignedIn) -> Step | None:
    """An essential `acr`: one of its values, or nothing (Core §5.5.1.1)."""
    if not params.required_acr:
        return None
    demanded = required_level(params)
    if demanded is Level.NONE or demanded > signed_in.reachable:
        return _deny(
            Refusal(
                "unmet_authentication_requirements", "The user cannot sign in as it is demanded."
            )
        )
    if signed_in.level >= demanded:
        return None
    return _unless_silent(
        params,
        Step(Kind.STEP_UP, demanded),
        Refusal.interaction_required("A stronger sign-in is needed."),
    )


def required_level(params: AuthorizationParams) -> Level:
    """The weakest level that meets an essential `acr`; NONE if we know none of its values."""
    levels = (Level.from_acr(value) for value in params.required_acr)
    return min((level for level in levels if level is not Level.NONE), default=Level.NONE)


def preferred_level(params: AuthorizationParams) -> Level:
    """The first of acr_values that we know; a wish, never a demand (Core §5.5.1.1)."""
    levels = (Level.from_acr(value) for value in params.acr_values)
    return next((level for level in levels if level is not Level.NONE), Level.NONE)


def _is_agreed(params: AuthorizationParams, agreement: Agreement) -> bool:
    return agreement.is_first_party or agreement.scopes.issuperset(params.consent_scopes)


def _deny(refusal: Refusal) -> Step:
    return Step(Kind.DENY, refusal=refusal)


def _unless_silent(params: AuthorizationParams, step: Step, refusal: Refusal) -> Step:
    return _deny(refusal) if params.is_silent else step
