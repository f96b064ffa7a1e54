"""All of the API together."""

import logging
from functools import lru_cache
from typing import Any

import orjson
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.operation import Operation
from ninja.parser import Parser

from console.api import (
    alerts,
    all_grants,
    assignments,
    audit,
    clients,
    connectors,
    decisions,
    devices,
    door,
    eligibilities,
    entitlements,
    grants,
    groups,
    holdings,
    identifiers,
    inbox,
    invitations,
    locks,
    me,
    offers,
    organisations,
    own_account,
    own_devices,
    own_sessions,
    policies,
    problems,
    proxied_hosts,
    registration,
    resources,
    reviews,
    roles,
    rooms,
    sessions,
    sign_ins,
    users,
    workloads,
)
from core import strict_json
from core.errors import Refusal
from idp.machine.protected_resource import API

VERSION = "1"
UNREADABLE = 422
AS_TEXT = (
    orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS | orjson.OPT_APPEND_NEWLINE
)
ABOUT_WHOM = {
    "name": door.ORGANISATION,
    "in": "query",
    "required": False,
    "description": "The organisation that the call is about, by its slug or id: the caller's own"
    " where none is named. Another is there only for administrators of every organisation, who may"
    f" also read of all of them ({door.EVERY}).",
    "schema": {"type": "string"},
}
logger = logging.getLogger(__name__)


class StrictParser(Parser):
    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        return strict_json.parse_object(request.body)


class Api(NinjaAPI):
    def get_openapi_operation_id(self, operation: Operation) -> str:
        return operation.view_func.__name__


api = Api(
    title="Sallyport",
    version=VERSION,
    description="Access for a time, and administration, in the name of a person.",
    docs_url=None,
    openapi_url=None,
    urls_namespace="api",
    parser=StrictParser(),
)
api.add_decorator(door.knowing_what_is_asked, mode="view")
for at, router, tag in (
    ("/me", me.router, "access"),
    ("/me", own_account.router, "account"),
    ("/me", own_sessions.router, "account"),
    ("/me/devices", own_devices.router, "account"),
    ("/access", offers.router, "access"),
    ("/access/inbox", inbox.router, "access"),
    ("/access/grants", grants.router, "access"),
    ("/workload", workloads.router, "access of applications"),
    ("/entitlements", entitlements.router, "administration of access"),
    ("/eligibilities", eligibilities.router, "administration of access"),
    ("/grants", all_grants.router, "administration of access"),
    ("/holdings", holdings.router, "administration of access"),
    ("/reviews", reviews.router, "administration of access"),
    ("/chat-rooms", rooms.router, "administration of access"),
    ("/alerts", alerts.router, "administration of access"),
    ("/organisations", organisations.router, "people"),
    ("/users", users.router, "people"),
    ("/roles", roles.router, "people"),
    ("/assignments", assignments.router, "people"),
    ("/groups", groups.router, "people"),
    ("/invitations", invitations.router, "people"),
    ("/clients", clients.router, "applications"),
    ("/proxied-hosts", proxied_hosts.router, "applications"),
    ("/initial-access-tokens", registration.router, "applications"),
    ("/resources", resources.router, "resources"),
    ("/devices", devices.router, "devices and sessions"),
    ("/device-identifiers", identifiers.router, "devices and sessions"),
    ("/connectors", connectors.router, "devices and sessions"),
    ("/sessions", sessions.router, "devices and sessions"),
    ("", sign_ins.router, "devices and sessions"),
    ("/locks", locks.router, "devices and sessions"),
    ("/audit", audit.router, "audit"),
    ("/decisions", decisions.router, "audit"),
    ("/policy", policies.router, "policy"),
):
    api.add_router(at, router, tags=[tag])


@lru_cache(maxsize=1)
def document() -> bytes:
    """The API as OpenAPI 3.1 describes it; the same at every installation."""
    schema = api.get_openapi_schema(path_prefix=API.lstrip("/"))
    schema["components"]["schemas"]["Problem"] = problems.Problem.model_json_schema()
    schema["components"]["parameters"] = {door.ORGANISATION: ABOUT_WHOM}
    for operations in schema["paths"].values():
        for operation in operations.values():
            if {"Administrator": []} in operation["security"]:
                operation["parameters"].append(
                    {"$ref": f"#/components/parameters/{door.ORGANISATION}"}
                )
            operation["responses"]["default"] = {
                "description": "A refusal (RFC 9457)",
                "content": {
                    problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}
                },
            }
    return orjson.dumps(schema, option=AS_TEXT)


@api.exception_handler(Refusal)
def _refused(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    return door.refused(request, refusal)


@api.exception_handler(ValidationError)
def _unfit(request: HttpRequest, error: ValidationError) -> HttpResponse:  # noqa: ARG001
    """Which members do not fit, and why; never what was sent."""
    errors = [
        {"name": ".".join(str(part) for part in _place(each["loc"])), "reason": each["msg"]}
        for each in error.errors
    ]
    names = ", ".join(dict.fromkeys(each["name"] for each in errors))
    detail = f"This does not fit: {names}."[:500]
    return problems.answer(Refusal("invalid_request", detail, UNREADABLE), errors=errors[:20])


@api.exception_handler(HttpError)
def _unread(request: HttpRequest, error: HttpError) -> HttpResponse:  # noqa: ARG001
    """Ninja raises it for a body alone."""
    refusal = Refusal.invalid_request("The body is not a plain JSON object.")
    return problems.answer(refusal if error.status_code == 400 else _fault(error))  # noqa: PLR2004


@api.exception_handler(Http404)
def _unknown(request: HttpRequest, error: Http404) -> HttpResponse:  # noqa: ARG001
    return problems.answer(Refusal.not_found())


@api.exception_handler(Exception)
def _failed(request: HttpRequest, error: Exception) -> HttpResponse:  # noqa: ARG001
    return problems.answer(_fault(error))


def _fault(error: Exception) -> Refusal:
    if door.is_lacking(error):
        logger.error("the API lacks what it needs", exc_info=error)
        return Refusal.unavailable()
    logger.error("the API failed", exc_info=error)
    return Refusal("server_error", "Something went wrong on our side.", 500)


def _place(location: tuple[Any, ...]) -> tuple[Any, ...]:
    """Where a member stands in what was sent: without the source, and our name of the body."""
    source, *rest = location
    return tuple(rest[1:]) if source == "body" and len(rest) > 1 else tuple(rest)
