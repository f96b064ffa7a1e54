"""Faults of clocks, workers and policy (F11 to F38), where a test runs in one process."""

from datetime import timedelta
from typing import Any

from core.clock import SQL_NOW
from tests.attacks.sabotage.defence import (
    Defence,
    Patch,
    redeem_without,
    replace,
    waved_through,
    wrap,
)


def never_over(original: Any, *args: Any) -> Any:
    """Leaves the end of a session to whoever sweeps."""
    facts = original(*args)
    session = facts.session._replace(idle_remaining=1, absolute_remaining=1)
    return facts._replace(session=session)


def whoever_has_it_now(row: Any, error: Exception, abandon: Any, *, now: Any) -> None:
    """Writes down a failure, whatever has become of the row meanwhile."""
    from core.outbox import MAX_ATTEMPTS

    row.last_error = str(error)
    if getattr(error, "is_final", False) or row.attempts >= MAX_ATTEMPTS:
        row.next_attempt_at = None
        row.save()
        abandon(row, now)
    row.save()


def mail_of_whoever_has_it_now(patch: Patch) -> None:
    from django.db.models import QuerySet

    original = QuerySet.filter

    def careless(self: Any, *args: Any, **named: Any) -> Any:
        if named.keys() == {"pk", "attempts", "sent_at"}:
            named = {"pk": named["pk"]}
        return original(self, *args, **named)

    patch.setattr(QuerySet, "filter", careless)


def unless_a_session_is_named(original: Any, *, now: Any, session_id: Any = None) -> int:
    """Leaves whom to tell to the rounds of beat."""
    return 0 if session_id else original(now=now)


DEFENCES = {
    "F11": Defence(
        "a policy that fails denies",
        replace("policy.decision:Decision.denied", staticmethod(lambda *_: waved_through())),
        "attacks/test_a145_*.py",
    ),
    "F13": Defence(
        "a process whose clock is off does not serve", replace("core.clock:is_off", lambda: False)
    ),
    "F13-now": Defence(
        "the steady clock shows that the other one jumped",
        replace("core.clock:_has_jumped", lambda: False),
    ),
    "F15": Defence(
        "a connection speaks UTC, whatever its server and its host do",
        replace(
            "django.db.backends.postgresql.base:DatabaseWrapper._configure_timezone",
            lambda *_: False,
        ),
    ),
    "F22-codes": Defence(
        "a code ends by comparison", redeem_without(f"AND expires_at > {SQL_NOW}")
    ),
    "F22-sessions": Defence(
        "a session ends by comparison", wrap("sessions.evaluation:facts_of", never_over)
    ),
    "F22-nonces": Defence(
        "a nonce ends by comparison",
        replace("devices.flows.reports:_claim_nonce", lambda *_: None),
    ),
    "F22-logout": Defence(
        "whom to tell of an ended session is written down with its end",
        wrap("idp.delivery.logout_tokens:note_ended", unless_a_session_is_named),
        "idp/test_logout_tokens.py",
    ),
    "F24": Defence(
        "what was ended is not ended again", replace("accounts.flows.roles:_end", lambda *_: True)
    ),
    "F24-mail": Defence(
        "mail on its way is nobody else's",
        replace("accounts.flows.outbox:CLAIMED_FOR", timedelta(0)),
    ),
    "F38": Defence(
        "who was cut off does not undo what another has done",
        replace("core.outbox:_note_failure", whoever_has_it_now),
    ),
    "F38-mail": Defence("nor offers a third what another is sending", mail_of_whoever_has_it_now),
}
