"""TOTP, recovery codes and step-up (A104 to A115)."""

from datetime import timedelta
from typing import Any

from tests.attacks.sabotage.defence import Defence, Patch, however_old, layers, replace, wrap
from tests.attacks.sabotage.m_platform import without_associated_data


def without_login_stages(patch: Patch) -> None:
    from django.conf import settings

    patch.setattr(settings, "LOGIN_STAGES", [])


def seed_that_was_sent(original: Any, request: Any, user: Any) -> bytes:
    ours = original(request, user)
    sent = request.GET.get("seed") or request.POST.get("seed")
    return bytes.fromhex(sent) if sent else ours


def one_seed_for_all(original: Any, request: Any, user: Any) -> bytes:
    original(request, user)
    return b"one seed for whoever asks"[:20]


def in_place_of_the_first(original: Any, *, user: Any, **how: Any) -> Any:
    from mfa.models import TotpFactor

    TotpFactor.objects.filter(user=user).delete()
    return original(user=user, **how)


def records_of_the_browser(request: Any, _: Any) -> Any:
    """What anybody has proven in this cookie session."""
    return request.session.get("account_authentication_methods", [])


def as_little_as_is_named(original: Any, request: Any) -> Any:
    """Asks for the level that the query names."""
    from dataclasses import replace as changed

    from core.assurance import Level

    named = Level.from_acr(request.GET.get("acr", ""))
    return changed(original(request), level=max(named, Level.AAL1))


def none_the_weaker(original: Any, *, session: Any, assurance: Any, now: Any) -> Any:
    """Lets a weaker proof make the stronger one fresh."""
    from dataclasses import replace as changed

    level = max(session.level, assurance.level)
    return original(session=session, assurance=changed(assurance, level=level), now=now)


def used_or_not(self: Any, token: str) -> bool:
    from core import clock
    from mfa import recovery_codes

    digests = recovery_codes.digests_of(token, sheet=self.row_id)
    return bool(self.codes.filter(digest__in=digests).update(used_at=clock.now()))


def of_any_sheet(original: Any, self: Any, token: str) -> bool:
    return any(original(sheet, token) for sheet in type(self).objects.all())


def beside_the_old(original: Any, *, user: Any, now: Any) -> Any:
    """Adds codes to those of the sheet before."""
    from mfa.models import RecoveryCode

    former = list(RecoveryCode.objects.filter(sheet__user=user))
    codes = original(user=user, now=now)
    RecoveryCode.objects.bulk_create(former)
    return codes


def as_they_are(code: str, *, sheet: Any) -> list[bytes]:
    """Keeps codes as people type them."""
    from mfa.recovery_codes import normalised

    return [normalised(code).encode()]


def shown_again(patch: Patch) -> None:
    """Pages of factors show the codes that were made."""
    made: list[str] = []

    def make(original: Any, **how: Any) -> Any:
        made[:] = original(**how)
        return tuple(made)

    def render(original: Any, *args: Any, **how: Any) -> Any:
        response = original(*args, **how)
        response.content += " ".join(made).encode()
        return response

    wrap("mfa.flows:make_recovery_codes", make)(patch)
    wrap("mfa.views:render", render)(patch)


def by_looking(original: Any, self: Any, request: Any, *args: Any) -> Any:
    """Takes a page of removal that is opened for a form that is sent."""
    if request.path.endswith("/remove/"):
        request.method = "POST"
    return original(self, request, *args)


def writing_what_was_posted(original: Any, request: Any, response: Any) -> bool:
    """Binds the form that renames a passkey to its row, whatever fields it has."""
    from mfa.models import PasskeyFactor

    if request.path.endswith("/rename/") and "confirmed" in request.POST:
        mine = PasskeyFactor.objects.filter(user=request.user)
        mine.update(confirmed=bool(request.POST["confirmed"]))
    return bool(original(request, response))


DEFENCES = {
    "A104": Defence(
        "a step that was used is not accepted again",
        wrap("mfa.totp:matching_step", lambda original, **how: original(**(how | {"after": -1}))),
    ),
    "A105": Defence(
        "guesses are paid for", replace("accounts.budget:reserve", lambda *_, **__: None)
    ),
    "A107-fresh": Defence(
        "a factor is added by who has just proven themselves",
        wrap("core.assurance:Assurance.satisfies", however_old),
    ),
    "A107-seed": Defence(
        "a seed is made here", wrap("mfa.views:_pending_seed", seed_that_was_sent)
    ),
    "A107-session": Defence(
        "a pending seed is kept in one session",
        wrap("mfa.views:_pending_seed", one_seed_for_all),
    ),
    "A107-user": Defence("a pending seed is sealed for one user", without_associated_data),
    "A107-second": Defence(
        "a second app does not replace the first",
        wrap("mfa.flows:add_totp", in_place_of_the_first),
    ),
    "A108": Defence(
        "who owes a second factor is stopped",
        replace("mfa.stages:SecondFactorStage.handle", lambda self: (None, True)),
    ),
    "A109": Defence("every path of allauth's walks our stage", without_login_stages),
    "A112": Defence(
        "recent and strong is one thing",
        wrap("core.assurance:Assurance.satisfies", however_old),
    ),
    "A112-step-up": Defence(
        "a fresh password makes no older code fresh",
        layers(
            wrap("sessions.views:_asked", as_little_as_is_named),
            wrap("sessions.flows:raise_assurance", none_the_weaker),
        ),
    ),
    "A112-together": Defence(
        "proofs belong together when they were given together",
        replace("mfa.proof:TOGETHER", timedelta(days=99)),
    ),
    "A112-user": Defence(
        "what another has proven counts for nobody else",
        replace("mfa.stages:authentication_records", records_of_the_browser),
    ),
    "A113": Defence(
        "guesses are paid for", replace("accounts.budget:reserve", lambda *_, **__: None)
    ),
    "A113-once": Defence(
        "a code is used once", replace("mfa.models:RecoveryCodesFactor.verify_token", used_or_not)
    ),
    "A113-sheet": Defence(
        "a new sheet ends the one before", wrap("mfa.flows:make_recovery_codes", beside_the_old)
    ),
    "A113-kept": Defence(
        "what is kept of a code is not the code",
        replace("mfa.recovery_codes:digests_of", as_they_are),
    ),
    "A113-user": Defence(
        "a code is its owner's", wrap("mfa.models:RecoveryCodesFactor.verify_token", of_any_sheet)
    ),
    "A113-shown": Defence("codes are shown once", shown_again),
    "A115-forged": Defence(
        "forms carry a token of the browser",
        replace("django.middleware.csrf:CsrfViewMiddleware.process_view", lambda *_: None),
    ),
    "A115-look": Defence(
        "looking at a page removes nothing",
        wrap("django.contrib.auth.middleware:LoginRequiredMiddleware.process_view", by_looking),
    ),
    "A115-fields": Defence(
        "what a form does not show is not written",
        wrap("sessions.middleware:_is_activity", writing_what_was_posted),
    ),
}
