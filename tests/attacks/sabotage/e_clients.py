"""Clients: authentication, registration, pushed requests, fetches (A060 to A070)."""

import re
from typing import Any

from tests.attacks.sabotage.defence import Defence, replace, wrap


def by_name_alone(original: Any, request: Any, fields: Any, basic: Any) -> Any:
    from core.errors import Refusal
    from idp.clients.authentication import find_client

    try:
        return original(request, fields, basic)
    except Refusal:
        return find_client(fields.get("client_id", "")) or original(request, fields, basic)


def following_redirects(original: Any, answer: Any, limit_bytes: int) -> Any:
    from core import outbound

    if 300 <= answer.status < 400:
        target = answer.headers["Location"]
        return outbound._exchange("GET", target, None, {}, limit_bytes, outbound.TIMEOUT_SECONDS)
    return original(answer, limit_bytes)


def what_stands_beside(original: Any, parameters: Any, *, client: Any, now: Any) -> Any:
    """The query goes before the signed request."""
    from dataclasses import replace as changed

    asked = original(parameters, client=client, now=now)
    more = {"scope": tuple(parameters["scope"].split())} if "scope" in parameters else {}
    return changed(asked, params=changed(asked.params, **more))


def named_as_its_address(original: Any, client_id: str, members: Any, organisation: Any) -> Any:
    return original(client_id, {**members, "client_id": client_id}, organisation)


class Unpaused(dict[str, float]):
    def __bool__(self) -> bool:
        return False


DEFENCES = {
    "A060": Defence(
        "an assertion is claimed in the database",
        replace("idp.clients.assertions:_claim", lambda *_: None),
    ),
    "A061": Defence(
        "an assertion is for this server",
        replace("idp.clients.assertions:_is_for_us", lambda *_, **__: True),
    ),
    "A062": Defence(
        "beyond the limit nothing is judged", replace("idp.endpoints.callers:_paused", Unpaused())
    ),
    "A063": Defence(
        "a confidential client proves itself",
        wrap("idp.clients.authentication:authenticate", by_name_alone),
    ),
    "A065": Defence(
        "addresses inside are closed",
        replace("core.outbound:is_open", lambda _: True),
        "attacks/test_a065_ssrf.py",
    ),
    "A065-registered": Defence(
        "an address inside is not registered",
        replace("idp.registration.addresses:_is_inside", lambda _: False),
        "attacks/test_a065_registration_points_inside.py",
    ),
    "A065-logo": Defence(
        "nor asked for a logo",
        replace("core.outbound:is_open", lambda _: True),
        "attacks/test_a065_logos.py",
    ),
    "A065-document": Defence(
        "a client document speaks for its own address",
        wrap("idp.client_documents.document:read", named_as_its_address),
        "attacks/test_a065_client_documents.py",
    ),
    "A065-host": Defence(
        "a client document leads to its own host",
        replace("idp.client_documents.document:_check_place", lambda *_: None),
        "attacks/test_a065_client_documents.py",
    ),
    "A066": Defence("redirects are not followed", wrap("core.exchange:_read", following_redirects)),
    "A066-logo": Defence(
        "nor where a logo is fetched",
        wrap("core.exchange:_read", following_redirects),
        "attacks/test_a065_logos.py",
    ),
    "A066-document": Defence(
        "nor where a client document is fetched",
        wrap("core.exchange:_read", following_redirects),
        "attacks/test_a065_client_documents.py",
    ),
    "A067": Defence(
        "an address holds no braces",
        replace("idp.registration.addresses:CHARACTERS", re.compile(".*")),
    ),
    "A069": Defence(
        "who must sign is held to it",
        wrap(
            "idp.authorization.sources:signed",
            lambda original, text, **how: original(text, **how) if text is not None else None,
        ),
    ),
    "A069-query": Defence(
        "beside a signed request nothing counts",
        wrap("idp.authorization.sources:read", what_stands_beside),
    ),
    "A070": Defence(
        "the administration names no secret",
        replace("idp.admin:ClientAdmin.list_display", ("name", "secret_digest")),
    ),
}
