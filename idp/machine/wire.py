"""Requests and answers of the machine endpoints, apart from any framework.

A request is parsed once; nothing reads the WSGI environment afterwards.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import orjson

from core.errors import Refusal

MAX_BODY_SIZE_BYTES = 65_536
MAX_FIELDS = 40
MAX_VALUE_LENGTH = 16_384
RESOURCE = "resource"
FORM = "application/x-www-form-urlencoded"
NO_STORE = [("Cache-Control", "no-store"), ("Pragma", "no-cache")]
STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
JSON = [("Content-Type", "application/json")]


class Request(NamedTuple):
    """certificate: the client's TLS certificate, DER, if it came with one (`clients.certificates`).

    is_certificate_verified: an authority that the proxy trusts has signed it.
    accept: the Accept header as it came. request_id: X-Request-ID as it came.
    is_at_alias: it came to the address for mutual TLS (`addresses.py`).
    claimed: single-use values that this request has used up; when it is run again because its
    client had changed, they are still its own.
    """

    method: str
    path: str
    query: str
    content_type: str
    authorization: str
    address: str
    body: bytes
    claimed: set[bytes]
    dpop: str = ""
    user_agent: str = ""
    accept: str = ""
    if_none_match: str = ""
    request_id: str = ""
    is_at_alias: bool = False
    certificate: bytes | None = None
    is_certificate_verified: bool = False

    def form(self) -> dict[str, str]:
        """The fields of a form body; refuses invalid_request.

        Parameters in the query, repeated ones, NUL and what is not UTF-8 are refused
        (RFC 6749 §3.2: parameters must not appear more than once). Only `resource` may be repeated
        (RFC 8707 §2); its values, which have no spaces, come as one text parted by spaces.
        """
        if self.query:
            raise Refusal.invalid_request("Parameters belong into the body.")
        if self.content_type.partition(";")[0].strip().lower() != FORM:
            raise Refusal.invalid_request(f"The body must be {FORM}.")
        try:
            pairs = _pairs(self.body.decode("ascii"))
        except ValueError as error:
            raise Refusal.invalid_request("The body cannot be read.") from error
        fields = dict(pairs)
        if len(fields) != len(pairs):
            named = [value for name, value in pairs if name == RESOURCE]
            if len(pairs) - len(named) != len(fields.keys() - {RESOURCE}):
                raise Refusal.invalid_request("A parameter appears more than once.")
            fields[RESOURCE] = " ".join(dict.fromkeys(named))
        for value in fields.values():
            if "\0" in value or len(value) > MAX_VALUE_LENGTH:
                raise Refusal.invalid_request("A parameter has an impossible value.")
        # RFC 6749 §3.1: parameters sent without a value are treated as if they were omitted.
        return {name: value for name, value in fields.items() if value}

    def bearer(self) -> str:
        """The bearer token (RFC 6750 §2.1, header only); refuses invalid_token."""
        scheme, _, token = self.authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Refusal(
                "invalid_token", "A bearer token is needed.", 401, {"WWW-Authenticate": "Bearer"}
            )
        return token.strip()


class Answer(NamedTuple):
    """headers: of this answer alone; the door adds to them."""

    status: int
    body: bytes
    headers: list[tuple[str, str]]

    @property
    def status_line(self) -> str:
        return STATUS_LINES[self.status]


def _pairs(body: str) -> list[tuple[str, str]]:
    """The names and values of a form; raises ValueError. What is plain is not decoded."""
    if not body or "%" in body or "+" in body:
        return parse_qsl(
            body,
            keep_blank_values=True,
            strict_parsing=bool(body),
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
    pairs: list[tuple[str, str]] = []
    for field in body.split("&"):
        name, equals, value = field.partition("=")
        if not equals or len(pairs) == MAX_FIELDS:
            raise ValueError
        pairs.append((name, value))
    return pairs


def json_answer(
    value: Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Answer:
    """A JSON answer that nobody may store."""
    extra = list((headers or {}).items())
    return Answer(status, orjson.dumps(value), [*JSON, *NO_STORE, *extra])


def error_answer(refusal: Refusal) -> Answer:
    """A refusal in OAuth's own form (RFC 6749 §5.2)."""
    return json_answer(
        {"error": refusal.code, "error_description": _printable(refusal.detail)},
        status=refusal.status,
        headers=refusal.headers,
    )


def _printable(text: str) -> str:
    """RFC 6749 §5.2 allows %x20-21 / %x23-5B / %x5D-7E only."""
    return "".join(c if " " <= c <= "~" and c not in '"\\' else "?" for c in text)
