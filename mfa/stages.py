"""The second factor as a stage of allauth's login, and the one door to allauth's private API.

Every path by which allauth signs somebody in walks the stages, so each of them asks for what it
owes. While it is suspended the user is anonymous; the cookie session remembers how far it got.
"""

from collections.abc import Callable
from typing import Any

import django_otp
from allauth.account.internal.decorators import login_stage_required
from allauth.account.internal.flows.login import (
    get_authentication_records,
    perform_login,
    record_authentication,
)
from allauth.account.models import Login
from allauth.account.stages import LoginStage
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from accounts.flows import is_locked_out
from accounts.models import User
from audit.recorder import request_address
from core import clock
from core.assurance import Level
from core.errors import Refusal
from mfa.flows import Proof, has_second_factor, proven_assurance
from mfa.proof import TOGETHER

KEY = "second_factor"
STAMP = "security_stamp"

second_factor_required: Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]] = (
    login_stage_required(stage=KEY, redirect_urlname="account_login")
)


class SecondFactorStage(LoginStage):  # type: ignore[misc]
    """Asks whoever has a second factor for it, unless a passkey was the first."""

    key = KEY
    urlname = "mfa:challenge"

    def handle(self) -> tuple[HttpResponse | None, bool]:
        user = self.login.user
        if user is None or not has_second_factor(user):  # None: allauth hides that nobody is there
            return None, True
        now = clock.now()
        proven = proven_assurance(authentication_records(self.request, user), now=now)
        if proven.satisfies(Level.AAL2, TOGETHER, now):
            return None, True
        self.state[STAMP] = str(user.security_stamp)
        return HttpResponseRedirect(reverse(self.urlname)), True


def authentication_records(request: HttpRequest, user: Any) -> list[dict[str, Any]]:
    """What `user`, and nobody else, has proven in this cookie session."""
    records: list[dict[str, Any]] = get_authentication_records(request, user)
    return records


def waiting_user(request: HttpRequest) -> User | None:
    """Who is on the way in, inside `second_factor_required`.

    None when the account was closed or a credential changed since the first step: begin again.
    """
    stage = request._login_stage  # type: ignore[attr-defined]  # noqa: SLF001 - allauth's attribute
    user: User | None = stage.login.user
    if user is None or not may_sign_in(user) or stage.state.get(STAMP) != str(user.security_stamp):
        return None
    return user


def abandon(request: HttpRequest) -> HttpResponse:
    """Forget how far the login got, and go to its beginning."""
    response: HttpResponse = request._login_stage.abort()  # type: ignore[attr-defined]  # noqa: SLF001
    return response


def complete(request: HttpRequest, *, user: User, proof: Proof) -> HttpResponse:
    """The second factor was proven: walk on, which ends in being signed in."""
    _note(request, user, proof)
    stage = request._login_stage  # type: ignore[attr-defined]  # noqa: SLF001
    stage.login.user = user  # it carries the factor that django-otp persists
    response: HttpResponse = stage.exit()
    return response


def sign_in_by_passkey(request: HttpRequest, *, proof: Proof, next_url: str) -> HttpResponse:
    """A passkey that verified its user is the whole login; the stage sees that and lets it pass."""
    user: User = proof.factor.user
    if not may_sign_in(user):
        raise Refusal("invalid_passkey", "This passkey was not accepted. Please use another way.")
    _note(request, user, proof)
    response: HttpResponse = perform_login(request, Login(user=user, redirect_url=next_url or None))
    return response


def remember_factor(request: HttpRequest, proof: Proof) -> None:
    """Tell django-otp by which factor the signed-in user is verified."""
    django_otp.login(request, proof.factor)


def may_sign_in(user: User) -> bool:
    return (
        user.is_active
        and user.organisation.is_active
        and not is_locked_out(user=user, address=request_address.get(), now=clock.now())
    )


def _note(request: HttpRequest, user: User, proof: Proof) -> None:
    record_authentication(request, user, method="mfa", **proof.record())
    user.otp_device = proof.factor  # type: ignore[attr-defined]
