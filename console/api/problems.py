"""Refusals as RFC 9457 has them: the one place for the API."""

import re
from http import HTTPStatus
from typing import Any

import orjson
from django.http import HttpResponse
from ninja import Schema

from core.errors import Refusal

MEDIA_TYPE = "application/problem+json"
TYPE = "urn:sallyport:problem:"  # and the code
CHALLENGE = re.compile(r'(acr_values|max_age)="([^"]*)"')


class Problem(Schema):
    """code: what to decide by. errors: which members do not fit, and why, where that is known."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: list[dict[str, str]] | None = None
    acr_values: str | None = None
    max_age: int | None = None
    step_up_uri: str | None = None


def answer(refusal: Refusal, **more: Any) -> HttpResponse:
    """`type`, `title`, `status`, `detail`, and `code`: decide by that, the words may change.

    What a stronger sign-in has to reach stands in `acr_values` and `max_age` (whole seconds), as in
    the challenge (RFC 9470 §3).
    """
    body = {
        "type": TYPE + refusal.code,
        "title": HTTPStatus(refusal.status).phrase,
        "status": refusal.status,
        "code": refusal.code,
        "detail": refusal.detail,
        **_proof(refusal),
        **more,
    }
    response = HttpResponse(orjson.dumps(body), status=refusal.status, content_type=MEDIA_TYPE)
    for name, value in refusal.headers.items():
        response[name] = value
    return response


def _proof(refusal: Refusal) -> dict[str, Any]:
    if refusal.code != "insufficient_user_authentication":
        return {}
    asked: dict[str, Any] = dict(CHALLENGE.findall(refusal.headers.get("WWW-Authenticate", "")))
    if "max_age" in asked:
        asked["max_age"] = int(asked["max_age"])
    return asked
