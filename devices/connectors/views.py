"""The one address of each connector: others deliver there, or ask."""

from uuid import UUID

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from core import clock, strict_json
from core.errors import Refusal
from core.http import client_address
from devices import wire
from devices.connectors import delivery
from devices.connectors.models import ConnectorKind

MAX_BODY_BYTES = 1 << 20
MAX_TOLD = 100


@csrf_exempt
@login_not_required
@require_POST
@never_cache
def call(request: HttpRequest, connector_id: UUID) -> HttpResponse:
    """Who it is, then what it says. Nobody's body is read as JSON before that is known."""
    now = clock.now()
    try:
        body = wire.read_bytes(request, MAX_BODY_BYTES)
        connector = delivery.authenticate(
            connector_id, shown=_shown(request), body=body, address=client_address(request), now=now
        )
        payload = _json(body)
        if connector.kind == ConnectorKind.CLOUDFLARE:
            return _answered(delivery.answer(connector, payload, now=now))
        outcome = delivery.take_call(connector, payload, body=body, now=now)
    except Refusal as refusal:
        return wire.refused(refusal)
    return _answered(
        {
            "devices": outcome.devices,
            "checks": outcome.checks,
            "unknown": list(outcome.unknown[:MAX_TOLD]),
            "ignored": outcome.ignored,
        }
    )


def _shown(request: HttpRequest) -> delivery.Shown:
    """A secret may stand in the address, since Fleet can send none with a failing policy."""
    headers = request.headers
    scheme, _, bearer = headers.get("Authorization", "").partition(" ")
    secret = bearer.strip() if scheme.lower() == "bearer" else ""
    return delivery.Shown(
        secret=secret
        or headers.get("Cf-Access-Client-Secret", "")
        or request.GET.get("secret", ""),
        signature=headers.get("X-Sallyport-Signature", ""),
        client_id=headers.get("Cf-Access-Client-Id", ""),
        assertion=headers.get("Cf-Access-Jwt-Assertion", ""),
    )


def _json(body: bytes) -> object:
    try:
        value: object = strict_json.parse(body)
    except ValueError as error:
        raise Refusal.invalid_request("The body is not JSON.") from error
    return value


def _answered(content: dict[str, object]) -> JsonResponse:
    return JsonResponse(content)
