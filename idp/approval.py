"""What is asked of somebody who approves in a browser what began elsewhere.

Shared by device authorization (RFC 8628) and backchannel authentication (CIBA Core 1.0): the one
who began it may be an attacker who wants the person to finish it.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from core import clock
from core.assurance import Level
from core.errors import Refusal
from core.http import REACHABLE, client_address, require_assurance
from devices.flows import describe
from idp import answers
from idp.models import Client
from idp.models.polled import PolledRequest
from mfa.flows import strongest_level
from policy.decision import Outcome
from policy.facts import Trigger
from sessions import evaluation
from sessions.evaluation import Resource

FRESH = timedelta(minutes=5)

View = Callable[..., HttpResponse]


def strongly(view: View) -> View:
    """Only for somebody who has just proven all that they can; whoever has a passkey, by that.

    A page that was built to deceive can have a password and a code passed on, but no passkey.
    """

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        has_passkey = strongest_level(request.user) >= Level.PHR
        level = Level.PHR if has_passkey else REACHABLE
        return require_assurance(level, max_age=FRESH)(view)(request, *args, **kwargs)

    return guarded


def prove_more(request: Any, client: Client, *, wished: Level = Level.NONE) -> HttpResponse | None:
    """Judge the session for this client, which may ask for more than the page does.

    wished: stepped up to if this person can prove it. Refuses ACCESS_DENIED.
    """
    decision = evaluation.evaluate(
        session_id=request.login_session.id,
        trigger=Trigger.AUTHORIZE,
        resource=Resource(
            client_is_active=True,
            required_level=client.required_level,
            client_name=client.client_id,
            required_tier=client.required_tier,
            scope_tiers=client.scope_tiers,
        ),
        now=clock.now(),
    )
    if decision.outcome is Outcome.STEP_UP:
        return _step_up(request, decision.required_level)
    if not decision.is_allowed:
        raise Refusal.access_denied("The sign-in does not meet this server's policy.")
    if request.login_session.level < wished <= strongest_level(request.user):
        return _step_up(request, wished)
    return None


def origin(request: HttpRequest, asked: PolledRequest) -> dict[str, Any]:
    """What a page shows of who asks, for what, from where and when."""
    described = describe(asked.user_agent)
    return {
        "client": asked.client,
        "account": request.user,
        "scopes": asked.scope.split(),
        "address": asked.address,
        "started_at": asked.created_at,
        "device_name": "" if described.startswith("Other") else described,
        "here": client_address(request),
    }


def _step_up(request: HttpRequest, level: Level) -> HttpResponse:
    query = {"next": request.get_full_path(), "acr": level.acr}
    return answers.see_other(f"{reverse('sessions:step_up')}?{urlencode(query)}")
