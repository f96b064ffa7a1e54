"""How machines are heard and answered: JSON in, JSON out, and a refusal is JSON as well."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, JsonResponse, UnreadablePostError
from django.urls import reverse

from core import strict_json
from core.errors import Refusal
from devices import posture
from devices.models import Device
from devices.score import REPORT_INTERVAL

MAX_BODY_BYTES = 8 * 1024


def refused(refusal: Refusal) -> JsonResponse:
    body = {"error": refusal.code, "error_description": refusal.detail}
    response = JsonResponse(body, status=refusal.status)
    for name, value in refusal.headers.items():
        response[name] = value
    return response


def addresses_of(device: Device) -> dict[str, Any]:
    """What a machine needs to know to report."""
    base = f"{settings.ISSUER}{reverse('devices:api_reports', args=[device.id])}"
    return {
        "device_id": str(device.id),
        "posture_uri": base,
        "nonce_uri": f"{settings.ISSUER}{reverse('devices:api_nonce', args=[device.id])}",
        "interval_seconds": int(REPORT_INTERVAL.total_seconds()),
    }


def read_object(request: HttpRequest) -> dict[str, Any]:
    """The JSON object in the body; refuses invalid_request."""
    if request.content_type != "application/json":
        raise Refusal.invalid_request("The body must be application/json.")
    try:
        return strict_json.parse_object(read_bytes(request, MAX_BODY_BYTES))
    except ValueError as error:
        raise Refusal.invalid_request("The body is not a plain JSON object.") from error


def read_bytes(request: HttpRequest, most: int) -> bytes:
    try:
        body: bytes = request.read(most + 1)
    except UnreadablePostError as error:
        raise Refusal.invalid_request("The body did not arrive.") from error
    if len(body) > most:
        raise posture.too_large(most)
    return body
