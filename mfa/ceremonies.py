"""The HTTP half of a passkey ceremony: JSON in, JSON out, bound to this browser.

passkeys.js follows `redirect` and shows `detail`; whatever else it gets, it loads the page again.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse, RawPostDataException
from django.urls import reverse
from django.views.decorators.cache import never_cache

from core import clock, strict_json
from core.errors import Refusal
from core.http import client_address
from core.ids import new_token
from core.limits import spend
from mfa import attempts, flows
from mfa.flows import Proof
from mfa.limits import CEREMONIES_PER_ADDRESS
from mfa.passkeys import Purpose

BROWSER_KEY = "passkey_browser"
MAX_BODY_BYTES = 65_536  # an attestation of a TPM, the largest, has some 8 kB

View = Callable[..., HttpResponse]


def answers_json(page: str) -> Callable[[View], View]:
    """Decorate a view that passkeys.js calls: refusals and redirects become JSON.

    page: URL name of the page that it belongs to; whoever comes here by GET is sent there, which
    is what step-up does on its way back.
    """

    def decorate(view: View) -> View:
        @never_cache
        @wraps(view)
        def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.method != "POST":
                return redirect_to(reverse(page), status=302)
            try:
                response = view(request, *args, **kwargs)
            except Refusal as refusal:
                return refused(refusal)
            if response.has_header("Location"):
                return redirect_to(response["Location"])
            return response

        return answered

    return decorate


def refused(refusal: Refusal) -> JsonResponse:
    answer = {"error": refusal.code, "detail": refusal.detail}
    return JsonResponse(answer, status=refusal.status, headers=dict(refusal.headers))


def redirect_to(url: str, *, status: int = 200) -> HttpResponse:
    if status == 200:  # noqa: PLR2004
        return JsonResponse({"redirect": url})
    return HttpResponse(status=status, headers={"Location": url})


def browser_of(request: HttpRequest) -> str:
    """The secret that binds challenges to this browser, kept in its cookie session."""
    secret = request.session.get(BROWSER_KEY)
    if not isinstance(secret, str):
        secret = request.session[BROWSER_KEY] = new_token()
    return secret


def pay(request: HttpRequest) -> None:
    """Count one ceremony of this address; refuses too_many_attempts."""
    spend(CEREMONIES_PER_ADDRESS, client_address(request), now=clock.now())


def read_body(request: HttpRequest) -> dict[str, Any]:
    """The JSON object that passkeys.js sends; refuses invalid_request."""
    try:
        raw = request.body
    except RawPostDataException as error:  # a form, and read as one on the way here
        raise Refusal.invalid_request("This answer cannot be read.") from error
    if len(raw) > MAX_BODY_BYTES:
        raise Refusal.invalid_request("This answer is too long.")
    try:
        return strict_json.parse_object(raw)
    except ValueError as error:
        raise Refusal.invalid_request("This answer cannot be read.") from error


def prove(request: HttpRequest, *, purpose: Purpose, user: Any) -> Proof:
    """Judge the assertion in the body; a refusal has been told to axes, budget and audit."""
    body = read_body(request)
    attempt = flows.prove_passkey(
        raw=body.get("credential"),
        purpose=purpose,
        user=user,
        browser=browser_of(request),
        now=clock.now(),
    )
    if attempt.proof is None:
        if attempt.user is not None:
            attempts.tell_failure(request, attempt.user)
        raise attempt.refusal or Refusal.invalid_request("This answer cannot be read.")
    return attempt.proof
