"""One browser's journey: where its request is kept, and which page is next."""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from core.errors import Refusal
from core.http import client_address
from core.ids import new_token
from idp import answers
from idp.authorization import facts, pending
from idp.authorization.facts import Standing
from idp.authorization.issue import deny, issue
from idp.authorization.next_step import Kind, Step
from idp.models import AuthorizationRequest

# Keys in the browser's cookie session. LOGIN_HINT_KEY is read by the sign-in form.
BROWSER_KEY = "authorization_browser"
LOGIN_HINT_KEY = "login_hint"


def browser_secret(request: HttpRequest) -> str:
    """The secret of this browser, made when first asked for."""
    secret: str | None = request.session.get(BROWSER_KEY)
    if secret is None:
        secret = request.session[BROWSER_KEY] = new_token()
    return secret


def find_pending(request: HttpRequest, request_id: str, *, now: datetime) -> AuthorizationRequest:
    """The pending request that an id names, if this browser brought it."""
    try:
        identifier = UUID(request_id)
    except ValueError:
        raise Refusal.not_found("There is no such sign-in.") from None
    return pending.find(
        identifier,
        browser=request.session.get(BROWSER_KEY, ""),
        address=client_address(request),
        now=now,
    )


def stand(request: Any, row: AuthorizationRequest, *, now: datetime) -> Standing:
    """Look at the browser again, and decide what its request needs now."""
    return facts.look(
        pending.params_of(row),
        client=row.found_client,
        user=request.user,
        session=request.login_session,
        asked_at=row.created_at,
        now=now,
    )


def finish(
    request: Any, row: AuthorizationRequest, standing: Standing, *, now: datetime
) -> HttpResponse:
    """Answer the client. A form may have led here, see `idp.answers`."""
    params = pending.params_of(row)
    if standing.step.refusal is not None:
        reply = deny(
            params,
            standing.step.refusal,
            client=row.found_client,
            user=request.user,
            session=request.login_session,
            pending=row,
            reasons=standing.decision.reasons if standing.decision else (),
            now=now,
        )
    else:
        reply = issue(
            params,
            client=row.found_client,
            user=request.user,
            session=request.login_session,
            pending=row,
            now=now,
        )
    return answers.send(request, reply, client=row.found_client, after_form=True)


def go(request: HttpRequest, row: AuthorizationRequest, step: Step) -> HttpResponse:
    """Send the browser to the page of a step; each of them comes back to `resume`."""
    back = resume_url(row)
    if step.kind is Kind.LOGIN:
        if request.user.is_authenticated:  # policy has just ended that session
            sign_out_keeping_requests(request)
        params = pending.params_of(row)
        _hint(request, params.login_hint)
        wants_account = "create" in params.prompt and settings.SIGNUP == "open"
        page = "account_signup" if wants_account else "account_login"
        return answers.see_other(f"{reverse(page)}?{urlencode({'next': back})}")
    if step.kind is Kind.STEP_UP:
        query = {"next": back, "acr": step.level.acr}
        if step.max_age is not None:
            query["max_age"] = str(step.max_age)
        return answers.see_other(f"{reverse('sessions:step_up')}?{urlencode(query)}")
    page = "idp:account" if step.kind is Kind.ACCOUNT else "idp:consent"
    return answers.see_other(f"{reverse(page)}?{urlencode({'id': str(row.id)})}")


def resume_url(row: AuthorizationRequest) -> str:
    return f"{reverse('idp:resume')}?{urlencode({'id': str(row.id)})}"


def sign_out_keeping_requests(request: HttpRequest) -> None:
    """End this browser's session; only the secret that finds its pending requests survives."""
    secret = browser_secret(request)
    logout(request)
    request.session[BROWSER_KEY] = secret


def _hint(request: HttpRequest, login_hint: str) -> None:
    if login_hint:
        request.session[LOGIN_HINT_KEY] = login_hint
    else:
        request.session.pop(LOGIN_HINT_KEY, None)
