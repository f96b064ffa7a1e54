"""One budget for guessing at any secret of an account, whatever the path.

Passwords, codes of authenticator apps, recovery codes and step-up all draw on the same row of
`GuessBudget`, kept in PostgreSQL so that it survives a flushed cache. The key is a keyed digest of
the lower-cased address, so addresses that nobody has are counted alike and tell nothing.

Two bounds: WINDOW_FAILURES in a WINDOW, which heals by itself, and TOTAL_FAILURES since the last
success (NIST SP 800-63B-4 §3.2.2), after which only a password reset or an administrator helps.
Nothing is counted while a bound is reached, so nobody can prolong somebody else's wait.
"""

from datetime import datetime, timedelta

from django.db import connection
from django.db.models import F
from django.db.models.functions import Greatest
from django.utils.crypto import salted_hmac

from accounts.models import GuessBudget
from core.errors import Refusal

WINDOW = timedelta(minutes=15)
WINDOW_FAILURES = 20
TOTAL_FAILURES = 100

COUNT = """
INSERT INTO accounts_guessbudget AS b (key, total, window_failures, window_started_at)
VALUES (%(key)s, 1, 1, %(now)s)
ON CONFLICT (key) DO UPDATE SET
  total = b.total + 1,
  window_failures = CASE WHEN b.window_started_at > %(window_began)s
                         THEN b.window_failures + 1 ELSE 1 END,
  window_started_at = CASE WHEN b.window_started_at > %(window_began)s
                           THEN b.window_started_at ELSE %(now)s END
WHERE b.total < %(total)s
  AND (b.window_started_at <= %(window_began)s OR b.window_failures < %(failures)s)
RETURNING total, window_failures
"""


def check(email: str, *, now: datetime) -> None:
    """Refuses too_many_attempts while the budget of this address is used up."""
    budget = GuessBudget.objects.filter(key=key_of(email)).first()
    if budget is None:
        return
    if budget.total >= TOTAL_FAILURES:
        raise Refusal.too_many_attempts(int(WINDOW.total_seconds()))
    ends_at = budget.window_started_at + WINDOW
    if budget.window_failures >= WINDOW_FAILURES and ends_at > now:
        raise Refusal.too_many_attempts(int((ends_at - now).total_seconds()) + 1)


def reserve(email: str, *, now: datetime) -> None:
    """Pay for a guess before it is judged, so that parallel guesses cannot outrun the count.

    Refuses too_many_attempts. Give it back with `refund` when the guess was right.
    """
    if _count(email, now) is None:
        check(email, now=now)
        raise Refusal.too_many_attempts(1)  # the window ended between the two statements


def spend(email: str, *, now: datetime) -> bool:
    """Count a failure; returns whether this one used the budget up. Counts nothing beyond it."""
    counted = _count(email, now)
    return counted is not None and is_spent(*counted)


def refund(email: str, *, now: datetime) -> None:  # noqa: ARG001 - the shape of its siblings
    """Give back one reservation: that guess was right. Earlier failures stay counted."""
    GuessBudget.objects.filter(key=key_of(email)).update(
        total=Greatest(F("total") - 1, 0), window_failures=Greatest(F("window_failures") - 1, 0)
    )


def clear(email: str, *, now: datetime) -> None:  # noqa: ARG001 - the shape of its siblings
    """Forget the failures: a whole sign-in or a password reset succeeded."""
    GuessBudget.objects.filter(key=key_of(email)).delete()


def has_just_run_out(email: str) -> bool:
    """Whether the guess just reserved was the last one."""
    budget = GuessBudget.objects.filter(key=key_of(email)).first()
    return budget is not None and is_spent(budget.total, budget.window_failures)


def is_spent(total: int, window_failures: int) -> bool:
    """Whether these counts reach one of the two bounds."""
    return total >= TOTAL_FAILURES or window_failures >= WINDOW_FAILURES


def key_of(email: str) -> bytes:
    """Keyed digest of the address, 32 bytes."""
    return salted_hmac("accounts.budget", email.strip().lower(), algorithm="sha256").digest()


def _count(email: str, now: datetime) -> tuple[int, int] | None:
    with connection.cursor() as cursor:
        cursor.execute(
            COUNT,
            {
                "key": key_of(email),
                "now": now,
                "window_began": now - WINDOW,
                "failures": WINDOW_FAILURES,
                "total": TOTAL_FAILURES,
            },
        )
        row = cursor.fetchone()
    return None if row is None else (row[0], row[1])
