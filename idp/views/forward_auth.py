"""Our own pages on the way to an application behind a proxy: signing in for it, and why not."""

from typing import Any
from urllib.parse import urlencode

from django.contrib.auth import logout
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from access.asking import choices_of
from core import clock
from core.errors import Refusal
from core.http import client_address
from core.limits import spend
from idp import answers
from idp.forward_auth import sign_in
from idp.forward_auth.judging import Verdict
from idp.forward_auth.replies import CALLBACK
from idp.forward_auth.sign_in import Standing, Wish
from idp.forward_auth.words import told
from idp.limits import FORWARD_CODES
from policy.facts import Trigger


@login_not_required
@never_cache
@require_GET
def start(request: HttpRequest) -> HttpResponse:
    """A browser that an application has sent: back at once with a code, or on to sign in."""
    return _go(request, after_form=False)


@login_not_required
@never_cache
@require_GET
def resume(request: HttpRequest) -> HttpResponse:
    """Whatever had to be proven comes back here, by a form of ours perhaps (`idp.answers`)."""
    return _go(request, after_form=True)


@never_cache
@require_GET
def explain(request: HttpRequest) -> HttpResponse:
    """Why an application may not be opened, for the person who tried, and what to do about it."""
    try:
        wish = sign_in.find_wish(request.GET.get("rd", ""))
        standing = _stand(request, wish, Trigger.FORWARD_AUTH)
    except Refusal as refusal:
        return answers.show_refusal(request, refusal)
    return _show(request, wish, standing, status=200)


def _go(request: Any, *, after_form: bool) -> HttpResponse:
    now = clock.now()
    try:
        wish = sign_in.find_wish(request.GET.get("rd", ""))
        challenge = sign_in.check_challenge(request.GET.get("state", ""))
        back = f"{reverse('idp:forward_resume')}?{request.GET.urlencode()}"
        session = request.login_session
        if session is None:
            return _login(back)
        spend(FORWARD_CODES, str(session.id), now=now)
        standing = _stand(request, wish, Trigger.AUTHORIZE)
        if standing.verdict is Verdict.SIGN_IN:
            logout(request)
            return _login(back)
        if standing.verdict is Verdict.STEP_UP:
            return _step_up(standing, back)
        if standing.verdict is not Verdict.ALLOW:
            return _show(request, wish, standing, status=403)
        code = sign_in.issue_code(wish, session=session, challenge=challenge, now=now)
    except Refusal as refusal:
        return answers.show_refusal(request, refusal)
    location = f"{wish.host.origin}{CALLBACK}?{urlencode({'code': code})}"
    if after_form:
        return answers.move_on(request, location, client=wish.host.client)
    return answers.see_other(location)


def _stand(request: Any, wish: Wish, trigger: Trigger) -> Standing:
    return sign_in.stand(
        wish,
        session=request.login_session,
        trigger=trigger,
        address=client_address(request),
        now=clock.now(),
    )


def _login(back: str) -> HttpResponse:
    return answers.see_other(f"{reverse('account_login')}?{urlencode({'next': back})}")


def _step_up(standing: Standing, back: str) -> HttpResponse:
    query = {"next": back, "acr": standing.decision.required_level.acr}
    if standing.decision.max_age is not None:
        query["max_age"] = str(standing.decision.max_age)
    return answers.see_other(f"{reverse('sessions:step_up')}?{urlencode(query)}")


def _show(request: Any, wish: Wish, standing: Standing, *, status: int) -> HttpResponse:
    """The page that says why, and offers what would help: access that gives a role."""
    choices = []
    if standing.helpful_roles:
        found = choices_of(request.user, session_id=request.login_session.id, now=clock.now())
        choices = [
            each
            for each in found
            if standing.is_helped_by(each.role_names, each.entitlement.resources)
        ]
    context = {
        "client": wish.host.client,
        "url": wish.url,
        "is_allowed": standing.verdict is Verdict.ALLOW,
        "is_step_up": standing.verdict in {Verdict.STEP_UP, Verdict.SIGN_IN},
        "reasons": told(standing.reasons),
        "choices": choices,
    }
    return render(request, "idp/forward_auth.html", context, status=status)
