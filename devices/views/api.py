"""What machines ask: to be enrolled, for a nonce, and what their report came to.

They have no cookie, so nothing here may be done in somebody's name: each call is proven by the
machine's key. Answers are JSON and never stored.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt

from core import clock, user_codes
from core.errors import Refusal
from core.http import client_address
from core.limits import spend
from devices import flows, posture
from devices.flows.enrolment import INTERVAL_SECONDS, LIFETIME
from devices.flows.reports import NONCE_LIFETIME
from devices.forms import read_wish
from devices.limits import (
    CALLS_FROM_AN_ADDRESS,
    ENROLMENT_POLLS,
    ENROLMENTS,
    NONCES,
    REPORTS,
)
from devices.models import Device
from devices.remedies import remedy
from devices.score import Line
from devices.wire import addresses_of, read_bytes, read_object, refused

View = Callable[..., HttpResponse]


def machine_endpoint(view: View) -> View:
    """POST alone; a refusal becomes JSON with its status; nothing is kept by caches."""

    @csrf_exempt
    @login_not_required
    @wraps(view)
    def answer(request: HttpRequest, **parts: Any) -> HttpResponse:
        try:
            if request.method != "POST":
                raise Refusal("method_not_allowed", "Send a POST.", 405, {"Allow": "POST"})
            spend(CALLS_FROM_AN_ADDRESS, client_address(request), now=clock.now())
            response = view(request, **parts)
        except Refusal as refusal:
            response = refused(refusal)
        response["Cache-Control"] = "no-store"
        return response

    return answer


@machine_endpoint
def enrolments(request: HttpRequest) -> HttpResponse:
    """Ask to be enrolled, with the public key and a proof by it: 201 with a code for a person."""
    now, address = clock.now(), client_address(request)
    spend(ENROLMENTS, address, now=now)
    members = read_object(request)
    wish = read_wish(members)
    key = posture.read_key(members["public_jwk"])
    proof = posture.read_proof(members["proof"], key, now=now)
    started = flows.start(
        wish=wish,
        key=key,
        proof=proof,
        address=address,
        user_agent=request.headers.get("User-Agent", ""),
        now=now,
    )
    code = user_codes.shown(started.user_code)
    page = settings.ISSUER + reverse("devices:enrol")
    return JsonResponse(
        {
            "enrolment_id": str(started.enrolment_id),
            "user_code": code,
            "verification_uri": page,
            "verification_uri_complete": f"{page}?{urlencode({'user_code': code})}",
            "expires_in": int(LIFETIME.total_seconds()),
            "interval": INTERVAL_SECONDS,
        },
        status=201,
    )


@machine_endpoint
def enrolment(request: HttpRequest, *, enrolment_id: UUID) -> HttpResponse:
    """Ask whether somebody has answered, with a proof by the same key: 202 until they have."""
    now = clock.now()
    _slow_down(str(enrolment_id))
    members = read_object(request)
    if members.keys() != {"proof"}:
        raise Refusal.invalid_request("The body has one member, proof.")
    row = flows.look_up(enrolment_id)
    key = posture.PublicKey(row.public_jwk, row.key_thumbprint)
    device = flows.poll(row, proof=posture.read_proof(members["proof"], key, now=now))
    if device is None:
        return JsonResponse({}, status=202)
    return JsonResponse(addresses_of(device))


@machine_endpoint
def nonce(request: HttpRequest, *, device_id: UUID) -> HttpResponse:
    """A value for the next report of this device, good once and for five minutes."""
    now = clock.now()
    spend(NONCES, f"{device_id}|{client_address(request)}", now=now)
    return JsonResponse(_with_nonce({}, device_id) | {"expires_in": _nonce_seconds()})


@machine_endpoint
def reports(request: HttpRequest, *, device_id: UUID) -> HttpResponse:
    """A signed report: what it came to, what would mend it, and the nonce of the next one."""
    now = clock.now()
    spend(REPORTS, f"{device_id}|{client_address(request)}", now=now)
    if request.content_type != "application/jwt":
        raise Refusal("invalid_report", "The body must be application/jwt.")
    judged = flows.take_report(
        device_id=device_id, body=read_bytes(request, posture.MAX_REPORT_BYTES), now=now
    )
    answer = {
        "score": judged.score.value,
        "tier": judged.tier,
        "next_report_in": int(judged.next_report_in.total_seconds()),
        "checks": [_checked(line, judged.device) for line in judged.score.lines],
    }
    return JsonResponse(_with_nonce(answer, device_id))


def _slow_down(key: str) -> None:
    try:
        spend(ENROLMENT_POLLS, key, now=clock.now())
    except Refusal as refusal:
        if refusal.status != 429:  # noqa: PLR2004 - the counters are away
            raise
        raise Refusal("slow_down", "Ask less often.", 429, refusal.headers) from refusal


def _with_nonce(answer: dict[str, Any], device_id: UUID) -> dict[str, Any]:
    return answer | {"nonce": flows.give_nonce(device_id=device_id, now=clock.now())}


def _nonce_seconds() -> int:
    return int(NONCE_LIFETIME.total_seconds())


def _checked(line: Line, device: Device) -> dict[str, Any]:
    checked = {"id": line.check_id, "status": line.status.value}
    words = remedy(line.check_id, device.platform) if line.rating < 1 else ""
    return checked | ({"remedy": words} if words else {})
