"""Step-up, and the list of one's own sessions."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.db.models import Case, Value, When
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render, resolve_url
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.models import User
from core import clock
from core.assurance import Assurance, Level
from core.errors import Refusal
from core.http import REACHABLE, require_assurance, safe_next
from mfa import attempts, ceremonies, passkeys, stages
from mfa import flows as factors
from mfa.flows import Proof, proofs_to_assurance
from mfa.passkeys import Purpose
from risk.geo import locate
from sessions import flows
from sessions.forms import PasswordAndRecoveryCodeForm, PasswordAndTotpForm, PasswordForm
from sessions.models import EndReason, LoginSession

FRESH = timedelta(minutes=10)
MAX_AGE_CEILING = timedelta(days=365)

as_strong_as_possible = require_assurance(REACHABLE, max_age=FRESH)


@dataclass(frozen=True)
class Asked:
    """What a step-up must reach. level is never less than what the session holds already."""

    level: Level
    max_age: timedelta | None
    next_url: str
    reason: str

    def is_met(self, assurance: Assurance, now: datetime) -> bool:
        return assurance.satisfies(self.level, self.max_age, now)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def step_up(request: HttpRequest) -> HttpResponse:
    """Ask for a proof as strong as `acr` and as fresh as `max_age`, then go on to `next`."""
    now = clock.now()
    asked = _asked(request)
    user = _user(request)
    if request.method != "POST" and asked.is_met(_assurance(request), now):
        return redirect(asked.next_url)
    if asked.level > factors.strongest_level(user):
        return render(
            request,
            "sessions/enrol_first.html",
            {
                "account": user,
                "next": request.get_full_path(),
                "after": asked.next_url,
                "needs_passkey": asked.level >= Level.PHR,
            },
        )
    methods = _methods(user, asked.level)
    chosen = request.POST.get("method") or request.GET.get("method")
    code_kind = _code_kind(methods, chosen)
    form = _form(methods, code_kind, request)
    if form is not None and form.is_valid():
        assurance = _judge(request, user, code_kind, form.cleaned_data, now)
        if assurance is not None:
            return _raise(request, user, assurance, asked.next_url, now)
        form.add_error(None, _wrong(code_kind))
    query = urlencode({"next": asked.next_url})
    return render(
        request,
        "sessions/step_up.html",
        {
            "form": form,
            "code_kind": code_kind,
            "methods": methods,
            "reason": asked.reason,
            "other_code_url": _other_code_url(request, methods, code_kind),
            "next": asked.next_url,
            "account": user,
            "passkey_options_url": reverse("sessions:step_up_passkey_options"),
            "passkey_verify_url": f"{reverse('sessions:step_up_passkey')}?{query}",
        },
    )


@ceremonies.answers_json("sessions:step_up")
def step_up_passkey_options(request: HttpRequest) -> HttpResponse:
    ceremonies.pay(request)
    return JsonResponse(
        passkeys.authentication_options(
            purpose=Purpose.STEP_UP,
            user=_user(request),
            browser=ceremonies.browser_of(request),
            now=clock.now(),
        )
    )


@ceremonies.answers_json("sessions:step_up")
def step_up_passkey(request: HttpRequest) -> HttpResponse:
    user = _user(request)
    now = clock.now()
    proof = ceremonies.prove(request, purpose=Purpose.STEP_UP, user=user)
    stages.remember_factor(request, proof)
    assurance = proofs_to_assurance(proof=proof, now=now)
    next_url = safe_next(request, resolve_url(settings.LOGIN_REDIRECT_URL))
    return _raise(request, user, assurance, next_url, now)


@require_http_methods(["GET", "HEAD"])
def session_list(request: HttpRequest) -> HttpResponse:
    current = _current(request)
    live = (
        LoginSession.unscoped.filter(user_id=current.user_id)
        .live(clock.now())
        .select_related("browser__device")
        .annotate(is_other=Case(When(id=current.id, then=Value(0)), default=Value(1)))
        .order_by("is_other", "-last_used_at")
    )
    rows = [(session, str(locate(session.address or ""))) for session in live]
    return render(request, "sessions/list.html", {"sessions": rows, "current": current})


@as_strong_as_possible
@require_http_methods(["GET", "HEAD", "POST"])
def end(request: HttpRequest, session_id: UUID) -> HttpResponse:
    """End one of one's own sessions; anybody else's does not exist."""
    current = _current(request)
    session = (
        LoginSession.objects.within_id(current.organisation_id)
        .filter(user_id=current.user_id, id=session_id)
        .first()
    )
    if session is None:
        raise Refusal.not_found()
    if request.method != "POST":  # back from step-up, which cannot bring a POST back
        messages.info(request, "Thank you. Now choose again what to end.")
        return redirect("sessions:list")
    if session.id == current.id:  # signing out asks, and tells applications by their frames
        return redirect("account_logout")
    flows.end_session(session=session, reason=EndReason.ENDED_BY_USER, now=clock.now())
    messages.success(request, "That session was ended.")
    return redirect("sessions:list")


@as_strong_as_possible
@require_http_methods(["GET", "HEAD", "POST"])
def end_others(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        messages.info(request, "Thank you. Now choose again what to end.")
        return redirect("sessions:list")
    count = flows.end_other_sessions(user=request.user, keep=_current(request).id, now=clock.now())
    messages.success(request, f"{count} other session{' was' if count == 1 else 's were'} ended.")
    return redirect("sessions:list")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def lock_account(request: HttpRequest) -> HttpResponse:
    """Lock one's own account. No proof is asked for: whoever is in a hurry has to get it done."""
    if request.method != "POST":
        return render(request, "sessions/lock_account.html", {"account": _user(request)})
    flows.lock_account(user=_user(request), now=clock.now())
    logout(request)
    return redirect("accounts:locked")


def _user(request: HttpRequest) -> User:
    """The signed-in user; `LoginRequiredMiddleware` lets nobody else come so far."""
    if not isinstance(request.user, User):
        raise Refusal.not_allowed("Please sign in first.")
    return request.user


def _current(request: HttpRequest) -> LoginSession:
    session: LoginSession = request.login_session  # type: ignore[attr-defined]
    return session


def _assurance(request: HttpRequest) -> Assurance:
    assurance: Assurance = request.assurance  # type: ignore[attr-defined]
    return assurance


def _asked(request: HttpRequest) -> Asked:
    """Read acr, max_age and next.

    A session that was made by two factors is not made fresh by one: as long as its user can prove
    as much again, that is what is asked for, whatever the query says.
    """
    named = Level.from_acr(request.GET.get("acr", ""))
    held = min(_current(request).level, Level(request.reachable_level))  # type: ignore[attr-defined]
    level = max(named, held, Level.AAL1)
    return Asked(
        level=level,
        max_age=_max_age(request.GET.get("max_age", "")),
        next_url=safe_next(request, resolve_url(settings.LOGIN_REDIRECT_URL)),
        reason="acr" if _assurance(request).level < level else "age",
    )


def _max_age(text: str) -> timedelta | None:
    """Whole seconds; anything else counts as zero, the strictest."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        return timedelta(0)
    return min(timedelta(seconds=int(text[:10])), MAX_AGE_CEILING)


def _methods(user: User, level: Level) -> tuple[str, ...]:
    """What this user can prove to reach `level`."""
    can_type = user.has_usable_password()
    return tuple(
        method
        for method in (*factors.methods_of(user), "password")
        if method == "passkey"
        or (can_type and level < Level.PHR and (method != "password" or level < Level.AAL2))
    )


def _code_kind(methods: tuple[str, ...], chosen: str | None) -> str:
    """Which code goes with the password: "totp", "recovery", or "" for none."""
    if "password" in methods:
        return ""
    if chosen in {"totp", "recovery"} and chosen in methods:
        return str(chosen)
    return next((kind for kind in ("totp", "recovery") if kind in methods), "")


def _other_code_url(request: HttpRequest, methods: tuple[str, ...], code_kind: str) -> str:
    other = {"totp": "recovery", "recovery": "totp"}.get(code_kind)
    if other not in methods:
        return ""
    query = request.GET.copy()
    query["method"] = str(other)
    return f"{request.path}?{query.urlencode()}"


def _form(methods: tuple[str, ...], code_kind: str, request: HttpRequest) -> PasswordForm | None:
    kinds: dict[str, type[PasswordForm]] = {
        "": PasswordForm, "totp": PasswordAndTotpForm, "recovery": PasswordAndRecoveryCodeForm,
    }  # fmt: skip
    if not code_kind and "password" not in methods:
        return None
    return kinds[code_kind](request.POST or None)


def _judge(
    request: HttpRequest, user: User, code_kind: str, typed: dict[str, Any], now: datetime
) -> Assurance | None:
    """What was proven, or None. Which of the two was wrong is not told."""
    if not attempts.try_password(request, user=user, password=typed["password"]):
        return None
    proof: Proof | None = None
    if code_kind:
        proof = attempts.try_code(request, user=user, method=code_kind, code=typed["code"], now=now)
        if proof is None:
            return None
        stages.remember_factor(request, proof)
    return proofs_to_assurance(password=True, proof=proof, now=now)


def _raise(
    request: HttpRequest, user: User, assurance: Assurance, next_url: str, now: datetime
) -> HttpResponse:
    if assurance.level >= factors.reachable_level(user):
        attempts.forget_failures(user, now)
    flows.raise_assurance(session=_current(request), assurance=assurance, now=now)
    request.session.cycle_key()
    return redirect(next_url)


def _wrong(code_kind: str) -> str:
    if not code_kind:
        return "That password is not right."
    return "The password or the code is not right. A code works once: wait for the next one."
