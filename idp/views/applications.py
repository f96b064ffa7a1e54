"""Taking back what one allowed an application; the list of them is a page of the console."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from core import clock
from core.errors import Refusal
from core.http import REACHABLE, require_assurance
from idp.flows import WITHDRAW_MAX_AGE, revoke_consent
from idp.models import Client


@never_cache
@require_http_methods(["GET", "POST"])
@require_assurance(REACHABLE, max_age=WITHDRAW_MAX_AGE)
def withdraw(request: HttpRequest, client: UUID) -> HttpResponse:
    """Take back what the user allowed this client, and end its refresh tokens.

    A step-up on the way comes back by GET, which changes nothing: the list asks again.
    """
    if request.method == "GET":
        return redirect("console:applications")
    user = request.user
    known = Client.objects.within_id(user.organisation_id).filter(id=client).first()  # type: ignore[union-attr]
    if known is None:
        raise Refusal.not_found("There is no such application.")
    revoke_consent(
        user=user,
        client=known,
        session_id=request.login_session.id,  # type: ignore[attr-defined]
        now=clock.now(),
    )
    messages.success(request, f"{known.name} can no longer act for you.")
    return redirect("console:applications")
