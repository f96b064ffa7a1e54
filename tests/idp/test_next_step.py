"""The whole policy of signing in to an application, as one table."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.assurance import Level
from core.ids import new_id
from idp.authorization.next_step import Agreement, Kind, SignedIn, next_step
from idp.requests.parameters import AuthorizationParams
from policy.decision import Decision, Outcome

ASKED_AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
BEFORE = ASKED_AT - timedelta(minutes=5)
AFTER = ASKED_AT + timedelta(seconds=3)
ALLOW, STEP_UP, DENY, REVOKE = Outcome.ALLOW, Outcome.STEP_UP, Outcome.DENY, Outcome.REVOKE


@dataclass
class Row:
    name: str
    kind: Kind
    error: str | None = None
    level: Level = Level.NONE
    max_age: int | None = None
    asks: dict[str, Any] = field(default_factory=dict)
    who: dict[str, Any] | None = field(default_factory=dict)
    verdict: Outcome = ALLOW
    reasons: tuple[str, ...] = ()
    required: Level = Level.AAL1
    verdict_max_age: int | None = None
    first_party: bool = True
    agreed: frozenset[str] = frozenset()


ROWS = [
    Row("a stranger signs in", Kind.LOGIN, who=None),
    Row("a stranger is not asked silently", Kind.DENY, "login_required", who=None,
        asks={"prompt": ("none",)}),
    Row("a session that policy has just ended counts as none", Kind.LOGIN, verdict=REVOKE),
    Row("nor does it silently", Kind.DENY, "login_required", verdict=REVOKE,
        asks={"prompt": ("none",)}),
    Row("a signed-in user of a first-party client goes on", Kind.ISSUE),
    Row("silently too", Kind.ISSUE, asks={"prompt": ("none",)}),
    Row("a hint that names the user goes on", Kind.ISSUE, asks={"hinted_subject": "alice"}),
    Row("a hint that names somebody else asks for the account", Kind.ACCOUNT,
        asks={"hinted_subject": "bob"}),
    Row("and fails silently", Kind.DENY, "login_required",
        asks={"hinted_subject": "bob", "prompt": ("none",)}),
    Row("select_account asks who it is", Kind.ACCOUNT, asks={"prompt": ("select_account",)}),
    Row("before another organisation's user is turned away", Kind.ACCOUNT,
        asks={"prompt": ("select_account",)}, who={"is_of_organisation": False}),
    Row("a user of another organisation is turned away", Kind.DENY, "access_denied",
        who={"is_of_organisation": False}),
    Row("silently too, and with consent on record", Kind.DENY, "access_denied",
        who={"is_of_organisation": False}, asks={"prompt": ("none",)},
        agreed=frozenset({"openid"})),
    Row("what policy denies is denied", Kind.DENY, "access_denied", verdict=DENY),
    Row("whatever is asked", Kind.DENY, "access_denied", verdict=DENY,
        asks={"prompt": ("login",)}),
    Row("policy wants more", Kind.STEP_UP, level=Level.AAL2, verdict=STEP_UP,
        required=Level.AAL2, reasons=("resource_requires_stronger_authentication",)),
    Row("but not silently", Kind.DENY, "interaction_required", verdict=STEP_UP,
        required=Level.AAL2, reasons=("role_requires_stronger_authentication",),
        asks={"prompt": ("none",)}),
    Row("a sign-in older than max_age is renewed", Kind.STEP_UP, level=Level.AAL1, max_age=60,
        verdict=STEP_UP, reasons=("authentication_too_old",), verdict_max_age=60),
    Row("silently that is login_required", Kind.DENY, "login_required", verdict=STEP_UP,
        reasons=("authentication_too_old",), asks={"prompt": ("none",)}),
    Row("prompt=login proves anew", Kind.STEP_UP, level=Level.AAL1, max_age=0,
        asks={"prompt": ("login",)}),
    Row("at the level that is needed", Kind.STEP_UP, level=Level.AAL2, max_age=0,
        asks={"prompt": ("login",)}, required=Level.AAL2),
    Row("prompt=login is satisfied by a sign-in since the request", Kind.ISSUE,
        asks={"prompt": ("login",)}, who={"auth_time": AFTER}),
    Row("even one of the same instant", Kind.ISSUE, asks={"prompt": ("login",)},
        who={"auth_time": ASKED_AT}),
    Row("a wish for more that the user can prove", Kind.STEP_UP, level=Level.AAL2,
        asks={"acr_values": ("aal2",)}, who={"reachable": Level.AAL2}),
    Row("is not asked silently", Kind.DENY, "interaction_required",
        asks={"acr_values": ("aal2",), "prompt": ("none",)}, who={"reachable": Level.AAL2}),
    Row("a wish that the user cannot fulfil is let go", Kind.ISSUE,
        asks={"acr_values": ("aal2",)}),
    Row("a wish that is met", Kind.ISSUE, asks={"acr_values": ("aal1", "aal2")},
        who={"reachable": Level.AAL2}),
    Row("an unknown acr is passed over", Kind.STEP_UP, level=Level.AAL2,
        asks={"acr_values": ("urn:gold", "aal2")}, who={"reachable": Level.AAL2}),
    Row("only unknown acrs ask for nothing", Kind.ISSUE, asks={"acr_values": ("urn:gold",)},
        who={"reachable": Level.AAL2}),
    Row("a third party needs consent", Kind.CONSENT, first_party=False),
    Row("but not silently", Kind.DENY, "consent_required", first_party=False,
        asks={"prompt": ("none",)}),
    Row("consent on record is enough", Kind.ISSUE, first_party=False,
        agreed=frozenset({"openid", "profile", "email"})),
    Row("silently too", Kind.ISSUE, first_party=False, asks={"prompt": ("none",)},
        agreed=frozenset({"openid", "profile"})),
    Row("consent to less is not enough", Kind.CONSENT, first_party=False,
        agreed=frozenset({"openid"})),
    Row("prompt=consent asks again", Kind.CONSENT, first_party=False,
        asks={"prompt": ("consent",)}, agreed=frozenset({"openid", "profile"})),
    Row("of a first-party client as well", Kind.CONSENT, asks={"prompt": ("consent",)}),
    Row("proof comes before consent", Kind.STEP_UP, level=Level.AAL2, verdict=STEP_UP,
        required=Level.AAL2, first_party=False),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_next_step(row: Row) -> None:
    params = AuthorizationParams(
        **{"client_id": "c", "redirect_uri": "r", "scope": ("openid", "profile")} | row.asks
    )
    signed_in = row.who if row.who is None else SignedIn(
        **{
            "subject": "alice", "is_of_organisation": True, "level": Level.AAL1,
            "reachable": Level.AAL1, "auth_time": BEFORE,
        } | row.who
    )  # fmt: skip
    decision = Decision(row.verdict, row.reasons, "r1", new_id(), row.required, row.verdict_max_age)

    step = next_step(
        params,
        signed_in,
        decision if signed_in else None,
        Agreement(row.first_party, row.agreed),
        asked_at=ASKED_AT,
    )

    assert step.kind is row.kind
    assert (step.refusal.code if step.refusal else None) == row.error
    assert (step.level, step.max_age) == (row.level, row.max_age)


def test_nobody_goes_on_without_a_verdict() -> None:
    signed_in = SignedIn("alice", True, Level.AAL2, Level.AAL2, BEFORE)
    params = AuthorizationParams(client_id="c", redirect_uri="r", scope=("openid",))

    step = next_step(params, signed_in, None, Agreement(True), asked_at=ASKED_AT)

    assert step.kind is Kind.LOGIN
