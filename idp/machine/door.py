"""The machine endpoints in front of Django's handler: no session, CSRF or template middleware.

One core function serves both doors: `answer(environ)` for WSGI, `respond(request)` for tests and
for Django's own URLs. Every endpoint runs inside one guard, so whatever happens has the protocol's
form, and never shows more than a code.
"""

import logging
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import psycopg
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.http.request import split_domain_port, validate_host

from audit import recorder
from core import clock
from core.errors import Refusal
from core.http import address_from
from idp import keys
from idp.authzen import endpoints as authzen
from idp.authzen import metadata as authzen_metadata
from idp.clients.authentication import StaleClient
from idp.clients.certificates import certificate_of
from idp.endpoints import policy_bundle
from idp.endpoints.backchannel import authenticate_backchannel
from idp.endpoints.client_logo import client_logo
from idp.endpoints.device_authorization import authorize_device
from idp.endpoints.global_revocation import revoke_globally
from idp.endpoints.introspection import introspect
from idp.endpoints.pushed_request import push
from idp.endpoints.registration import MANAGED, manage, register
from idp.endpoints.revocation import revoke
from idp.endpoints.status_lists import all_lists, status_list
from idp.endpoints.token import token
from idp.endpoints.userinfo import userinfo
from idp.forward_auth import door as forward_auth
from idp.machine import addresses, discovery, protected_resource
from idp.machine.wire import JSON, MAX_BODY_SIZE_BYTES, Answer, Request, error_answer
from idp.models.logo import PATH as LOGOS
from idp.tokens import status
from protection.keyring import KeyUnavailable

logger = logging.getLogger(__name__)

PUBLIC = [("Cache-Control", "public, max-age=300"), ("Access-Control-Allow-Origin", "*")]
ANYWHERE = [
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Expose-Headers", "DPoP-Nonce, WWW-Authenticate"),
]
# Nothing here is a page: no browser may run, load or frame what it gets.
POLICY = ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
INERT = [
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    POLICY,
]
PREFLIGHT = [
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Methods", "GET, POST"),
    ("Access-Control-Allow-Headers", "Authorization, Content-Type, DPoP"),
    ("Access-Control-Max-Age", "3600"),
]


def _jwks(request: Request) -> Answer:  # noqa: ARG001
    return Answer(200, keys.jwks(), [("Content-Type", "application/jwk-set+json"), *PUBLIC])


def _metadata(request: Request) -> Answer:  # noqa: ARG001
    return Answer(200, discovery.document(addresses.bases()), [*JSON, *PUBLIC])


def _resource_metadata(request: Request) -> Answer:
    path = request.path.removeprefix(protected_resource.WELL_KNOWN)
    body = protected_resource.document(path, protected_resource.base_of(request))
    return Answer(200, body, [*JSON, *PUBLIC])


Endpoint = Callable[[Request], Answer]
ROUTES: Mapping[str, tuple[frozenset[str], Endpoint]] = {
    "/oauth/token": (frozenset({"POST"}), token),
    "/oauth/par": (frozenset({"POST"}), push),
    "/oauth/device_authorization": (frozenset({"POST"}), authorize_device),
    "/oauth/bc-authorize": (frozenset({"POST"}), authenticate_backchannel),
    "/oauth/introspect": (frozenset({"POST"}), introspect),
    "/oauth/revoke": (frozenset({"POST"}), revoke),
    "/oauth/global-token-revocation": (frozenset({"POST"}), revoke_globally),
    "/oauth/userinfo": (frozenset({"GET", "POST"}), userinfo),
    "/oauth/register": (frozenset({"POST"}), register),
    status.PATH: (frozenset({"GET", "HEAD"}), all_lists),
    "/oauth/jwks": (frozenset({"GET", "HEAD"}), _jwks),
    "/.well-known/openid-configuration": (frozenset({"GET", "HEAD"}), _metadata),
    "/.well-known/oauth-authorization-server": (frozenset({"GET", "HEAD"}), _metadata),
    authzen_metadata.EVALUATION: (frozenset({"POST"}), authzen.evaluation),
    authzen_metadata.EVALUATIONS: (frozenset({"POST"}), authzen.evaluations),
    authzen_metadata.SEARCHES["subject"]: (frozenset({"POST"}), authzen.search_subject),
    authzen_metadata.SEARCHES["resource"]: (frozenset({"POST"}), authzen.search_resource),
    authzen_metadata.SEARCHES["action"]: (frozenset({"POST"}), authzen.search_action),
    policy_bundle.PATH: (frozenset({"GET", "HEAD"}), policy_bundle.bundle),
    authzen_metadata.PATH: (frozenset({"GET", "HEAD"}), authzen_metadata.configuration),
    **{
        protected_resource.WELL_KNOWN + path: (frozenset({"GET", "HEAD"}), _resource_metadata)
        for path in protected_resource.PATHS
    },
}
# Every path below these: one segment of the path names what is asked for.
BELOW: Mapping[str, tuple[frozenset[str], Endpoint]] = {
    MANAGED: (frozenset({"GET", "PUT", "DELETE"}), manage),
    f"{status.PATH}/": (frozenset({"GET", "HEAD"}), status_list),
    LOGOS: (frozenset({"GET", "HEAD"}), client_logo),
}
# Asked by public clients in browsers.
CROSS_ORIGIN = {"/oauth/token", "/oauth/par", "/oauth/revoke", "/oauth/userinfo"}


def answer(environ: Mapping[str, Any]) -> Answer | None:
    """Answer a machine endpoint's request; None for every other path."""
    forwarded = forward_auth.answer(environ)
    if forwarded is not None:
        return forwarded
    route = _route(environ.get("PATH_INFO", ""))
    if route is None:
        return None
    try:
        request = _read(environ)
    except Refusal as refusal:
        return _finish(error_answer(refusal))
    return _respond(request, *route)


def respond(request: Request) -> Answer:
    """Answer one request; never raises."""
    route = _route(request.path)
    if route is None:
        return _finish(error_answer(Refusal.not_found()))
    return _respond(request, *route)


def _respond(request: Request, methods: frozenset[str], endpoint: Endpoint) -> Answer:
    is_cross_origin = request.path in CROSS_ORIGIN
    if request.method == "OPTIONS":
        return _finish(Answer(204, b"", [*PREFLIGHT] if is_cross_origin else []))
    if request.method not in methods:
        refusal = Refusal("invalid_request", "The method is not allowed.", 405)
        refusal.headers = {"Allow": ", ".join(sorted(methods))}
        return _finish(error_answer(refusal))
    tokens = (
        recorder.transaction_id.set(recorder.LATER),
        recorder.request_address.set(request.address),
    )
    try:
        result = _guarded(endpoint, request)
    finally:
        recorder.transaction_id.reset(tokens[0])
        recorder.request_address.reset(tokens[1])
    if is_cross_origin:
        result.headers.extend(ANYWHERE)
    if request.path.startswith(authzen_metadata.API):
        result.headers.extend(authzen.request_id_of(request))
    return _finish(result)


def _route(path: str) -> tuple[frozenset[str], Endpoint] | None:
    route = ROUTES.get(path)
    if route is None:
        head, slash, tail = path.rpartition("/")
        route = BELOW.get(head + slash) if tail else None
    return route


def _guarded(endpoint: Endpoint, request: Request) -> Answer:
    if not request.path.startswith(settings.PATHS_WITHOUT_CLOCK) and clock.is_off():
        return error_answer(Refusal.unavailable())
    try:
        try:
            return endpoint(request)
        except StaleClient:  # cached before it was changed: once more, with a fresh one
            return endpoint(request)
    except Refusal as refusal:
        return error_answer(refusal)
    except StaleClient:
        return error_answer(Refusal.invalid_client())
    except (psycopg.OperationalError, DatabaseError, KeyUnavailable):
        logger.exception("a machine endpoint lacks what it needs")
        if not connection.in_atomic_block:
            connection.close()
        return error_answer(Refusal.unavailable())
    except RecursionError:
        return error_answer(Refusal.invalid_request("The request is nested too deeply."))
    except Exception:
        logger.exception("a machine endpoint failed")
        return error_answer(Refusal("server_error", "Something went wrong on our side.", 500))


def _read(environ: Mapping[str, Any]) -> Request:
    host = str(environ.get("HTTP_HOST", ""))
    is_at_alias = addresses.is_alias(host)
    if not (is_at_alias or _is_ours(host, tuple(settings.ALLOWED_HOSTS))):
        raise Refusal.invalid_request("The Host header is not one of ours.")
    try:
        length = int(environ.get("CONTENT_LENGTH") or 0)
    except ValueError as error:
        raise Refusal.invalid_request("Content-Length is not a number.") from error
    if not 0 <= length <= MAX_BODY_SIZE_BYTES:
        raise Refusal("invalid_request", "The body is too large.", 413)
    certificate = certificate_of(environ)
    return Request(
        method=environ["REQUEST_METHOD"],
        path=environ["PATH_INFO"],
        query=environ.get("QUERY_STRING", ""),
        content_type=environ.get("CONTENT_TYPE", ""),
        authorization=environ.get("HTTP_AUTHORIZATION", ""),
        address=address_from(
            environ.get("REMOTE_ADDR", ""), environ.get("HTTP_X_FORWARDED_FOR", "")
        ),
        body=environ["wsgi.input"].read(length) if length else b"",
        claimed=set(),
        dpop=environ.get("HTTP_DPOP", ""),
        user_agent=environ.get("HTTP_USER_AGENT", ""),
        accept=environ.get("HTTP_ACCEPT", ""),
        if_none_match=environ.get("HTTP_IF_NONE_MATCH", ""),
        request_id=environ.get("HTTP_X_REQUEST_ID", ""),
        is_at_alias=is_at_alias,
        certificate=certificate.der,
        is_certificate_verified=certificate.is_verified,
    )


@lru_cache(maxsize=256)
def _is_ours(host: str, allowed: tuple[str, ...]) -> bool:
    """Whether a Host header names one of these hosts."""
    domain, _ = split_domain_port(host)
    return bool(domain) and validate_host(domain, allowed)


def _finish(result: Answer) -> Answer:
    headers = result.headers
    names = dict(headers)
    if "Content-Length" not in names:
        headers.append(("Content-Length", str(len(result.body))))
    for header in INERT:
        if header[0] not in names:
            headers.append(header)
    if settings.SECURE_HSTS_SECONDS:
        headers.append(
            (
                "Strict-Transport-Security",
                f"max-age={settings.SECURE_HSTS_SECONDS}; includeSubDomains; preload",
            )
        )
    return result
