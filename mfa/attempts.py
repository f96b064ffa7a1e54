"""One try at a secret, the same on every page that asks for one.

Before: axes (address and account) and the budget of guesses, which is paid first, so that parallel
tries cannot outrun the count. After a failure: `user_login_failed`, by which axes, budget and audit
learn of it. Passkeys are not paid for, since they cannot be guessed: a lock that somebody else has
caused does not keep out whoever holds the key.
"""

from datetime import datetime, timedelta

from axes.handlers.proxy import AxesProxyHandler
from django.conf import settings
from django.contrib.auth import authenticate
from django.contrib.auth.signals import user_login_failed
from django.http import HttpRequest

from accounts import budget
from accounts.models import User
from core.errors import Refusal
from mfa import flows
from mfa.flows import Proof
from protection.keyring import KeyUnavailable


def try_code(
    request: HttpRequest, *, user: User, method: str, code: str, now: datetime
) -> Proof | None:
    """Judge a code; None when it is wrong.

    Refuses too_many_attempts before looking at it, unavailable when its secret cannot be read.
    """
    if not AxesProxyHandler.is_allowed(request, {"email": user.email}):
        cool_off: timedelta = settings.AXES_COOLOFF_TIME
        raise Refusal.too_many_attempts(int(cool_off.total_seconds()))
    budget.reserve(user.email, now=now)
    try:
        proof = flows.prove_code(user=user, method=method, code=code, now=now)
    except KeyUnavailable as error:
        budget.refund(user.email, now=now)
        raise Refusal.unavailable() from error
    if proof is None:
        request.guess_reserved_for = user.email  # type: ignore[attr-defined] # counted already
        tell_failure(request, user)
    else:
        budget.refund(user.email, now=now)
    return proof


def try_password(request: HttpRequest, *, user: User, password: str) -> bool:
    """Judge the password of whoever is signed in, by the same backends as signing in does."""
    found = authenticate(request, email=user.email, password=password)
    return found is not None and found.pk == user.pk


def tell_failure(request: HttpRequest, user: User) -> None:
    """Let axes, budget and audit know that somebody failed to prove to be `user`."""
    user_login_failed.send(sender=__name__, credentials={"email": user.email}, request=request)


def forget_failures(user: User, now: datetime) -> None:
    """Everything that this user can prove has been proven."""
    budget.clear(user.email, now=now)
