"""Pages of factors: the second step of signing in, and adding and removing factors.

Every page that changes something asks for a session as strong as its user can make it, proven
within the last ten minutes.
"""

import base64
import json
from contextlib import suppress
from datetime import timedelta
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.safestring import mark_safe
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.models import User
from core import clock
from core.errors import Refusal
from core.http import REACHABLE, require_assurance, safe_next
from mfa import attempts, ceremonies, flows, passkeys, stages, totp
from mfa.flows import Proof
from mfa.forms import NewPasskeyForm, RecoveryCodeForm, RenamePasskeyForm, TotpForm
from mfa.models import PasskeyFactor, TotpFactor
from mfa.passkeys import Purpose
from protection import envelope
from protection.keyring import KeyUnavailable

FRESH = timedelta(minutes=10)
PENDING_TOTP = "pending_totp"
PENDING_TOTP_LIFETIME = timedelta(minutes=15)
FEW_CODES = 3

as_strong_as_possible = require_assurance(REACHABLE, max_age=FRESH)


# --- the second step of signing in ---------------------------------------------------------------


@stages.second_factor_required
@require_http_methods(["GET", "HEAD", "POST"])
def challenge(request: HttpRequest) -> HttpResponse:
    user = stages.waiting_user(request)
    if user is None:
        return stages.abandon(request)
    methods = flows.methods_of(user)
    chosen = request.POST.get("method") or request.GET.get("method") or ""
    method = chosen if chosen in methods else _first_method(methods)
    form = _code_form(method, request)
    if form is not None and form.is_valid():
        code = form.cleaned_data["code"]
        proof = attempts.try_code(request, user=user, method=method, code=code, now=clock.now())
        if proof is not None:
            _warn_of_few_codes(request, user, method)
            return stages.complete(request, user=user, proof=proof)
        form.add_error("code", _wrong(user, method))
    return render(
        request,
        "mfa/challenge.html",
        {
            "form": form,
            "method": method,
            "methods": methods,
            "account": user,
            "passkey_options_url": reverse("mfa:passkey_challenge_options"),
            "passkey_verify_url": reverse("mfa:passkey_challenge"),
        },
    )


@ceremonies.answers_json("mfa:challenge")
@stages.second_factor_required
def passkey_challenge_options(request: HttpRequest) -> HttpResponse:
    user = stages.waiting_user(request)
    if user is None:
        return stages.abandon(request)
    ceremonies.pay(request)
    return JsonResponse(
        passkeys.authentication_options(
            purpose=Purpose.SECOND_FACTOR,
            user=user,
            browser=ceremonies.browser_of(request),
            now=clock.now(),
        )
    )


@ceremonies.answers_json("mfa:challenge")
@stages.second_factor_required
def passkey_challenge(request: HttpRequest) -> HttpResponse:
    user = stages.waiting_user(request)
    if user is None:
        return stages.abandon(request)
    proof = ceremonies.prove(request, purpose=Purpose.SECOND_FACTOR, user=user)
    return stages.complete(request, user=user, proof=proof)


# --- signing in by a passkey alone ---------------------------------------------------------------


@ceremonies.answers_json("account_login")
@login_not_required
def passkey_login_options(request: HttpRequest) -> HttpResponse:
    ceremonies.pay(request)
    return JsonResponse(
        passkeys.authentication_options(
            purpose=Purpose.LOGIN,
            user=None,
            browser=ceremonies.browser_of(request),
            now=clock.now(),
        )
    )


@ceremonies.answers_json("account_login")
@login_not_required
def passkey_login(request: HttpRequest) -> HttpResponse:
    next_url = safe_next(request, "")
    if request.user.is_authenticated:
        return redirect(next_url or settings.LOGIN_REDIRECT_URL)
    ceremonies.pay(request)
    proof = ceremonies.prove(request, purpose=Purpose.LOGIN, user=None)
    return stages.sign_in_by_passkey(request, proof=proof, next_url=next_url)


# --- authenticator app ---------------------------------------------------------------------------


@never_cache
@as_strong_as_possible
@require_http_methods(["GET", "HEAD", "POST"])
def totp_enrol(request: HttpRequest) -> HttpResponse:
    user = _user(request)
    if flows.factors_of(user).totp is not None:
        return redirect("mfa:totp_remove")
    seed = _pending_seed(request, user)
    form = TotpForm(request.POST or None)
    if form.is_valid():
        try:
            factor = flows.add_totp(
                user=user, seed=seed, code=form.cleaned_data["code"], now=clock.now()
            )
        except Refusal as refusal:
            form.add_error("code", refusal.detail)
        else:
            del request.session[PENDING_TOTP]
            return _after_adding(request, user, factor, "Your authenticator app is on.")
    uri = totp.provisioning_uri(seed=seed, account=user.email, issuer=settings.RELYING_PARTY_NAME)
    return render(
        request,
        "mfa/totp_enrol.html",
        {
            "form": form,
            "qr_svg": mark_safe(totp.qr_svg(uri)),  # noqa: S308 - our own drawing
            "key": totp.key_for_people(seed),
            "next": safe_next(request, ""),
        },
    )


@as_strong_as_possible
@require_http_methods(["GET", "HEAD", "POST"])
def totp_remove(request: HttpRequest) -> HttpResponse:
    user = _user(request)
    factors = flows.factors_of(user)
    if factors.totp is None:
        return redirect("mfa:totp_enrol")
    if request.method == "POST":
        try:
            flows.remove_totp(user=user, now=clock.now())
        except Refusal as refusal:
            messages.error(request, refusal.detail)
        else:
            messages.success(request, "The authenticator app was removed.")
            return redirect(settings.LOGIN_REDIRECT_URL)
    return render(
        request,
        "mfa/totp_remove.html",
        {"factor": factors.totp, "is_last_factor": factors.count == 1},
    )


# --- passkeys ------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD"])
def passkey_list(request: HttpRequest) -> HttpResponse:
    user = _user(request)
    return render(
        request,
        "mfa/passkeys.html",
        {
            "passkeys": flows.factors_of(user).passkeys,
            "signals": json.dumps(passkeys.signals_for(user)),
        },
    )


@never_cache
@as_strong_as_possible
@require_http_methods(["GET", "HEAD"])
def passkey_add(request: HttpRequest) -> HttpResponse:
    return render(
        request,
        "mfa/passkey_add.html",
        {
            "form": NewPasskeyForm(),
            "passkey_options_url": reverse("mfa:passkey_add_options"),
            "passkey_verify_url": _with_next(request, "mfa:passkey_add_finish"),
        },
    )


@ceremonies.answers_json("mfa:passkey_add")
@as_strong_as_possible
def passkey_add_options(request: HttpRequest) -> HttpResponse:
    return JsonResponse(
        passkeys.registration_options(
            user=_user(request), browser=ceremonies.browser_of(request), now=clock.now()
        )
    )


@ceremonies.answers_json("mfa:passkey_add")
@as_strong_as_possible
def passkey_add_finish(request: HttpRequest) -> HttpResponse:
    user = _user(request)
    body = ceremonies.read_body(request)
    form = NewPasskeyForm({"name": body.get("name") or ""})
    if not form.is_valid():
        raise Refusal.invalid_request("Choose a name of at most 64 letters.")
    factor = flows.add_passkey(
        user=user,
        raw=body.get("credential"),
        name=form.cleaned_data["name"],
        browser=ceremonies.browser_of(request),
        now=clock.now(),
    )
    return _after_adding(
        request, user, factor, f"Your passkey was added: {factor.name}.", otherwise="mfa:passkeys"
    )


@as_strong_as_possible
@require_http_methods(["GET", "HEAD", "POST"])
def passkey_rename(request: HttpRequest, row_id: UUID) -> HttpResponse:
    user = _user(request)
    passkey = _own_passkey(user, row_id)
    form = RenamePasskeyForm(request.POST or None, initial={"name": passkey.name})
    if form.is_valid():
        flows.rename_passkey(
            user=user, row_id=row_id, name=form.cleaned_data["name"], now=clock.now()
        )
        messages.success(request, "The passkey has a new name.")
        return redirect("mfa:passkeys")
    return render(request, "mfa/passkey_rename.html", {"passkey": passkey, "form": form})


@as_strong_as_possible
@require_http_methods(["GET", "HEAD", "POST"])
def passkey_remove(request: HttpRequest, row_id: UUID) -> HttpResponse:
    user = _user(request)
    passkey = _own_passkey(user, row_id)
    if request.method == "POST":
        try:
            flows.remove_passkey(user=user, row_id=row_id, now=clock.now())
        except Refusal as refusal:
            messages.error(request, refusal.detail)
        else:
            messages.success(request, "The passkey was removed.")
            return redirect("mfa:passkeys")
    return render(
        request,
        "mfa/passkey_remove.html",
        {"passkey": passkey, "is_last_factor": flows.is_last_factor(user)},
    )


# --- recovery codes ------------------------------------------------------------------------------


@never_cache
@as_strong_as_possible
@require_http_methods(["GET", "HEAD", "POST"])
def recovery_codes(request: HttpRequest) -> HttpResponse:
    user = _user(request)
    if request.method == "POST":
        try:
            codes = flows.make_recovery_codes(user=user, now=clock.now())
        except Refusal as refusal:
            messages.error(request, refusal.detail)
            return redirect(settings.LOGIN_REDIRECT_URL)
        return render(request, "mfa/recovery_codes.html", {"codes": codes})
    factors = flows.factors_of(user)
    sheet = factors.recovery_codes
    return render(
        request,
        "mfa/recovery_codes_confirm.html",
        {
            "codes_left": factors.recovery_codes_left,
            "made_at": None if sheet is None else sheet.created_at,
        },
    )


# --- what they share -----------------------------------------------------------------------------


def _user(request: HttpRequest) -> User:
    """The signed-in user; `LoginRequiredMiddleware` lets nobody else come so far."""
    if not isinstance(request.user, User):
        raise Refusal.not_allowed("Please sign in first.")
    return request.user


def _own_passkey(user: User, row_id: UUID) -> PasskeyFactor:
    for passkey in flows.factors_of(user).passkeys:
        if passkey.row_id == row_id:
            return passkey
    raise Refusal.not_found()


def _with_next(request: HttpRequest, name: str) -> str:
    """The URL of this name, which goes on to where this request was bound for."""
    next_url = safe_next(request, "")
    return reverse(name) + (f"?{urlencode({'next': next_url})}" if next_url else "")


def _first_method(methods: tuple[str, ...]) -> str:
    """A code comes first, since its page shows the passkey's button as well."""
    return "totp" if "totp" in methods else next(iter(methods), "totp")


def _code_form(method: str, request: HttpRequest) -> TotpForm | RecoveryCodeForm | None:
    if method == "passkey":
        return None
    return (RecoveryCodeForm if method == "recovery" else TotpForm)(request.POST or None)


def _wrong(user: User, method: str) -> str:
    if method == "recovery":
        return "That code is not right, or has been used."
    app = flows.factors_of(user).totp
    if app is not None and app.is_locked:
        return (
            "Your app is locked after too many wrong codes. Use a passkey or a recovery code, and"
            " then add the app anew. Without either, ask your administrator."
        )
    return "That code is not right, or has been used. Wait for the next one."


def _warn_of_few_codes(request: HttpRequest, user: User, method: str) -> None:
    if method != "recovery":
        return
    left = flows.factors_of(user).recovery_codes_left or 0
    words = f"You have used a recovery code; {left} {'is' if left == 1 else 'are'} left."
    if left <= FEW_CODES:
        words += " Make new ones soon, on your security page."
    messages.warning(request, words)


def _pending_seed(request: HttpRequest, user: User) -> bytes:
    """The seed of an app that is being added: made here, sealed, bound to this user and session."""
    now = clock.now()
    context = f"mfa.pending_totp|{user.pk}"
    pending = request.session.get(PENDING_TOTP)
    if pending and now.timestamp() - pending["at"] < PENDING_TOTP_LIFETIME.total_seconds():
        with suppress(KeyUnavailable):  # not this user's, or its key is gone: begin again
            return envelope.unseal(base64.b64decode(pending["sealed"]), context=context)
    seed = totp.new_seed()
    try:
        sealed = envelope.seal(seed, organisation_id=user.organisation_id, context=context)
    except KeyUnavailable as error:
        raise Refusal.unavailable() from error
    request.session[PENDING_TOTP] = {
        "at": now.timestamp(),
        "sealed": base64.b64encode(sealed).decode(),
    }
    return seed


def _after_adding(
    request: HttpRequest,
    user: User,
    factor: TotpFactor | PasskeyFactor,
    words: str,
    *,
    otherwise: str = "",
) -> HttpResponse:
    """Go on to where one was bound for; else to recovery codes if there are none yet."""
    stages.remember_factor(request, Proof(factor))
    request.session.cycle_key()  # the session may be stronger now than its cookie was
    messages.success(request, words)
    next_url = safe_next(request, "")
    if next_url:
        return redirect(next_url)
    if flows.factors_of(user).recovery_codes_left is None:
        return redirect("mfa:recovery_codes")
    return redirect(otherwise or settings.LOGIN_REDIRECT_URL)
