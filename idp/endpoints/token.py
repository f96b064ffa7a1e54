"""The token endpoint (RFC 6749 §3.2)."""

from http import HTTPStatus

from django.db import transaction

from core.errors import Refusal
from idp.endpoints.callers import count_failure, read_fields
from idp.machine.server import TokenRequest
from idp.machine.token_server import server
from idp.machine.wire import Answer, Request
from idp.models.client import GRANT_TYPES
from idp.storage import database
from idp.tokens import dpop


def token(request: Request) -> Answer:
    """POST /oauth/token (RFC 6749 §3.2)."""
    fields, basic = read_fields(request)
    grant_type = fields.get("grant_type")
    if grant_type is None:
        raise Refusal.invalid_request("grant_type is missing.")
    if grant_type not in GRANT_TYPES:
        raise Refusal.unsupported_grant_type("The grant type is not supported.")
    with database.unit() as unit:
        work = TokenRequest(request, fields, basic, unit)
        answer: Answer = server.create_token_response(work)
    for trace in work.traces:
        with transaction.atomic(), database.unit() as unit:
            trace(unit.cursor)
    if answer.status == 401:  # noqa: PLR2004 - invalid_client
        count_failure(request, fields)
    if answer.status == HTTPStatus.OK:
        answer.headers.extend(dpop.nonce_headers(request))
    return answer
