"""The authorization endpoint (RFC 6749 §3.1; OpenID Connect Core 1.0 §3.1.2), and coming back."""

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods

from core import clock
from core.errors import Refusal
from core.http import client_address
from core.limits import spend
from idp import answers, journey
from idp.authorization import checks, facts, pending, sources
from idp.authorization.issue import deny, error, issue
from idp.authorization.next_step import Kind
from idp.client_documents import address
from idp.client_documents.flows import find_client as find_by_document
from idp.limits import PENDING_REQUESTS
from idp.models import Client
from idp.requests.parameters import AuthorizationParams, client_id_of, parameters_of


@csrf_exempt
@login_not_required
@never_cache
@require_http_methods(["GET", "POST"])
def start(request: HttpRequest) -> HttpResponse:
    """Check a request; answer at once when nothing has to be asked, else begin the journey."""
    client = None
    try:
        parameters = parameters_of(request)
        if request.method == "POST":  # SameSite=Lax keeps our cookies from a POST of another site
            return answers.see_other(f"{reverse('idp:authorize')}?{parameters.urlencode()}")
        client = _find_client(client_id_of(parameters), request)
        asked = sources.read(parameters, client=client, now=clock.now())
        checks.check_redirect_uri(asked.params, client)
    except Refusal as refusal:
        refusal.status = 400
        return answers.show_refusal(request, refusal, client=client)
    try:
        if asked.fault is not None:
            raise asked.fault
        params = checks.run_checks(asked.params, client)
    except Refusal as refusal:
        reply = error(asked.params, refusal, client=client, now=clock.now())
        return answers.send(request, reply, client=client)
    return _begin(request, params, client)


def _find_client(client_id: str, request: HttpRequest) -> Client:
    if address.is_address(client_id):
        asked_by = client_address(request)
        return find_by_document(client_id, asked_by=asked_by, now=clock.now())
    return checks.find_client(client_id)


def _begin(request: Any, params: AuthorizationParams, client: Any) -> HttpResponse:
    now = clock.now()
    user, session = request.user, request.login_session
    standing = facts.look(params, client=client, user=user, session=session, asked_at=now, now=now)
    step = standing.step
    if step.kind is Kind.ISSUE:
        reply = issue(params, client=client, user=user, session=session, pending=None, now=now)
        return answers.send(request, reply, client=client)
    if step.refusal is not None:
        reply = deny(
            params,
            step.refusal,
            client=client,
            user=user,
            session=session,
            pending=None,
            reasons=standing.decision.reasons if standing.decision else (),
            now=now,
        )
        return answers.send(request, reply, client=client)
    spend(PENDING_REQUESTS, client_address(request), now=now)
    row = pending.save(params, client=client, browser=journey.browser_secret(request), now=now)
    return journey.go(request, row, step)


@login_not_required
@never_cache
@require_GET
def resume(request: HttpRequest) -> HttpResponse:
    """Every step of the journey comes back here, and the next one is decided anew."""
    now = clock.now()
    try:
        row = journey.find_pending(request, request.GET.get("id", ""), now=now)
        standing = journey.stand(request, row, now=now)
        if standing.step.kind in {Kind.ISSUE, Kind.DENY}:
            return journey.finish(request, row, standing, now=now)
    except Refusal as refusal:
        return answers.show_refusal(request, refusal)
    return journey.go(request, row, standing.step)
