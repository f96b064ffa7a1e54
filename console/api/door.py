"""Who calls, by an access token alone, and whether they may: judged at every call.

A token is good here if it is meant for the API, has the scope, and all that stands behind it is
still good (`idp.endpoints.standing`), with a proof where it is bound to a key (RFC 9449). No cookie
counts. Every caller is a person: a client's own token does nothing here, but to ask for what it may
have itself (`ByItself`), and one that was handed on (RFC 8693) neither answers nor administers.

What administrators do is about their own organisation, unless they administer every one and name
another (`organisation`). It is read here, once; `lookup` finds rows of that organisation alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, ClassVar
from uuid import UUID

import psycopg
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from ninja.security.base import AuthBase
from redis.exceptions import RedisError

from access.administering import may_administer
from access.models import Workload
from access.workloads import OnBehalf
from accounts.models import Organisation, User
from console.api import limits, problems
from console.api.paging import Listing, Place
from console.limits import ADMINISTERING
from core import clock
from core.assurance import Assurance, Level
from core.errors import Refusal
from core.http import client_address
from core.limits import spend
from idp.clients.certificates import certificate_of
from idp.endpoints import presented
from idp.endpoints.standing import judge, row_behind
from idp.machine import addresses, protected_resource
from idp.machine.wire import Request as WireRequest
from idp.models.client import ACCESS, ACCESS_REQUEST, ACCOUNT, ADMIN
from idp.registration.metadata import FAPI2
from idp.tokens import dpop, verify
from mfa.flows import reachable_level
from policy.decision import Decision, Outcome
from policy.facts import Trigger
from protection.keyring import KeyUnavailable
from sessions.current import current_session_id

MAX_BODY_SIZE_BYTES = 262_144  # as settings.DATA_UPLOAD_MAX_MEMORY_SIZE
READS = frozenset({"GET"})
JSON = "application/json"
ORGANISATION, EVERY = "organisation", "*"
MISSING_PARTS = (
    psycopg.OperationalError, OperationalError, InterfaceError, RedisError, KeyUnavailable,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Caller:
    """A person, by an application. session_id: the login session that the token is of.

    assurance: what that session has proven by now, whatever the token says of it.
    """

    user: User
    client_id: str
    session_id: UUID
    scopes: tuple[str, ...]
    assurance: Assurance
    is_handed_on: bool
    now: datetime

    def demand(self, level: Level, max_age: timedelta) -> None:
        """Refuses insufficient_user_authentication unless that was proven, and not longer ago."""
        if not self.assurance.satisfies(level, max_age, self.now):
            age = int(max_age.total_seconds())
            raise Refusal.insufficient_user_authentication(acr=level.acr, max_age=age)

    def demand_recent(self, max_age: timedelta) -> None:
        """The same for as much as this person can prove, as the pages ask it."""
        self.demand(reachable_level(self.user), max_age)


@dataclass(frozen=True, slots=True)
class AdministratorCaller(Caller):
    """Somebody who administers, and what: not to be taken for the organisation that is theirs.

    named: the organisation that the call is about. is_about_all: it reads of every one instead.
    """

    named: Organisation
    is_about_all: bool

    @property
    def organisation(self) -> Organisation:
        """The one that this is about; refuses invalid_request where that is every one."""
        if self.is_about_all:
            raise Refusal.invalid_request("This is about one organisation: name it.")
        return self.named

    def listing(self, name: str, place: Place, **filters: Any) -> Listing:
        """A list of what the call is about."""
        about = EVERY if self.is_about_all else str(self.named.pk)
        return Listing(name, self.user.pk, place, self.now, filters | {ORGANISATION: about})


@dataclass(frozen=True, slots=True)
class Machine:
    """A workload, by a token of its own. address: from where it calls."""

    workload: Workload
    address: str
    now: datetime

    @property
    def session_id(self) -> None:
        """It has none."""

    @property
    def behalf(self) -> OnBehalf:
        return OnBehalf(self.workload, by_itself=True, address=self.address)


class Request(HttpRequest):
    """As endpoints get it."""

    auth: Caller


class Administration(HttpRequest):
    """As endpoints of the administration get it."""

    auth: AdministratorCaller


class MachineRequest(HttpRequest):
    """As endpoints for workloads get it."""

    auth: Machine


class Token(AuthBase):
    """An access token with a scope. personally: by the person, and by nobody in their name."""

    openapi_type = "http"
    openapi_scheme = "bearer"
    scope: ClassVar[str]
    trigger: ClassVar[Trigger]
    parameters: ClassVar[frozenset[str]] = frozenset()  # of every operation behind it

    def __init__(self, *, personally: bool = False) -> None:
        super().__init__()
        self.personally = personally

    def __call__(self, request: HttpRequest) -> Caller:
        caller = _admit(request, self.scope, self.trigger)
        if self.personally and caller.is_handed_on:
            raise Refusal.not_allowed("Nobody does this in another's name.")
        self.judge(caller)
        current_session_id.set(caller.session_id)
        _check_shape(request, self.parameters)
        return caller

    def judge(self, caller: Caller) -> None:
        """What else is asked."""


class Own(Token):
    """For whoever has access, asks for it or answers."""

    openapi_description = f"scope: {ACCESS}"
    scope, trigger = ACCESS, Trigger.REQUEST


class Account(Token):
    """For whoever looks after their own account: its sign-ins, devices, profile, applications."""

    openapi_description = f"scope: {ACCOUNT}"
    scope, trigger = ACCOUNT, Trigger.REQUEST

    def __init__(self) -> None:
        super().__init__(personally=True)


class Administrator(Token):
    """For administrators by what they are: no role makes one, nor what was won for a time."""

    openapi_description = f"scope: {ADMIN}"
    scope, trigger = ADMIN, Trigger.ADMIN
    parameters = frozenset({ORGANISATION})

    def __init__(self) -> None:
        super().__init__(personally=True)

    def __call__(self, request: HttpRequest) -> AdministratorCaller:
        caller = super().__call__(request)
        said = request.GET.get(ORGANISATION)
        is_about_all = said == EVERY and caller.user.is_superuser
        if is_about_all and request.method not in READS:
            raise Refusal.invalid_request("What is changed is of one organisation: name it.")
        return AdministratorCaller(
            **{each.name: getattr(caller, each.name) for each in fields(Caller)},
            named=_find_named(caller.user, None if is_about_all else said),
            is_about_all=is_about_all,
        )

    def judge(self, caller: Caller) -> None:
        if not may_administer(caller.user, caller.user.organisation_id, now=caller.now):
            raise Refusal.not_allowed("This is for administrators.")
        caller.demand(Level.AAL2, ADMINISTERING)


class Everywhere(Administrator):
    """For administrators of every organisation: about what counts for the whole installation."""

    openapi_description = f"scope: {ADMIN}, as an administrator of every organisation"
    parameters = frozenset()

    def judge(self, caller: Caller) -> None:
        super().judge(caller)
        if not caller.user.is_superuser:
            raise Refusal.not_allowed("This is for administrators of every organisation.")


class ByItself(AuthBase):
    """For clients that act for themselves, and that somebody answers for."""

    openapi_type = "http"
    openapi_scheme = "bearer"
    openapi_description = f"scope: {ACCESS_REQUEST}, by client_credentials"

    def __call__(self, request: HttpRequest) -> Machine:
        caller = _admit_machine(request)
        _check_shape(request, frozenset())
        return caller


def knowing_what_is_asked(run: Callable[..., Any]) -> Callable[..., Any]:
    """Tells the door which operation it is that is called."""
    operation = run.__self__  # type: ignore[attr-defined]

    @wraps(run)
    def ran(request: Any, **parts: Any) -> Any:
        request.operation = operation
        return run(request, **parts)

    return ran


def guarded(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Whatever happens behind it has the form of a problem, and nothing of it is kept."""

    @wraps(view)
    def answered(request: HttpRequest, **parts: Any) -> HttpResponse:
        try:
            spend(limits.FROM_AN_ADDRESS, client_address(request), now=clock.now())
            _check_size(request)
            response = view(request, **parts)
        except Refusal as refusal:
            response = problems.answer(refusal)
        if response.status_code == 405:  # noqa: PLR2004 - Ninja's own has no body
            allow = {"Allow": response.get("Allow", "")}
            response = problems.answer(
                Refusal("method_not_allowed", "The method is not allowed here.", 405, allow)
            )
        response["Cache-Control"] = "no-store"
        for name, value in dpop.nonce_headers(wire_request(request)):
            response[name] = value
        return response

    return answered


def refused(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """A refusal as a problem; challenges lead to what the API says of itself (RFC 9728 §5.1)."""
    path = protected_resource.API
    pointed = protected_resource.pointed(refusal, wire_request(request), path)
    more = {}
    if refusal.code == "insufficient_user_authentication":
        more["step_up_uri"] = f"{settings.ISSUER}/step-up/"
    return problems.answer(pointed, **more)


def is_lacking(error: Exception) -> bool:
    """Whether a server that we need is away."""
    return isinstance(error, MISSING_PARTS)


def wire_request(request: HttpRequest) -> WireRequest:
    """The request as what judges tokens reads it; its body holds no token."""
    certificate = certificate_of(request.META)
    return WireRequest(
        method=request.method or "",
        path=request.path,
        query=request.META.get("QUERY_STRING", ""),
        content_type="",
        authorization=request.headers.get("Authorization", ""),
        address=client_address(request),
        body=b"",
        claimed=set(),
        dpop=request.headers.get("DPoP", ""),
        user_agent=request.headers.get("User-Agent", ""),
        is_at_alias=addresses.is_alias(request.get_host()),
        certificate=certificate.der,
        is_certificate_verified=certificate.is_verified,
    )


def _admit(request: HttpRequest, scope: str, trigger: Trigger) -> Caller:
    """The caller, if all that is behind the token is good.

    Refuses invalid_token, insufficient_scope, insufficient_user_authentication where policy asks
    for more, and too_many_attempts.
    """
    wire, now = wire_request(request), clock.now()
    shown, claims = _read(wire)
    if "sid" not in claims:
        raise Refusal.not_allowed("This is for people: no application does it by itself.")
    scopes = str(claims.get("scope", ""))
    if scope not in scopes.split():
        raise Refusal.insufficient_scope(scope)
    row = row_behind(claims)
    decision = None if row is None else judge(claims, row, trigger)
    if row is None or decision is None or not decision.is_allowed:
        raise _unfit(decision)
    scopes = decision.scope_of(scopes)
    if scope not in scopes.split():
        raise Refusal.insufficient_scope(scope)
    is_fapi2 = row["security_profile"] == FAPI2
    presented.check_sender(wire, shown, claims, is_fapi2=is_fapi2)
    _spend(row["user_id"], request, now)
    return Caller(
        user=User.objects.within_id(row["organisation_id"])
        .select_related("organisation")
        .get(pk=row["user_id"]),
        client_id=claims["client_id"],
        session_id=row["session_id"],
        scopes=tuple(scopes.split()),
        assurance=Assurance(Level.from_acr(row["acr"]), tuple(row["amr"]), row["auth_time"]),
        is_handed_on="act" in claims or row["client_name"] != claims["client_id"],
        now=now,
    )


def _admit_machine(request: HttpRequest) -> Machine:
    """The workload, by the same rules. Refuses not_allowed where nobody answers for it."""
    wire, now = wire_request(request), clock.now()
    shown, claims = _read(wire)
    if "sid" in claims or "act" in claims:
        raise Refusal.not_allowed("This is for applications that act for themselves.")
    if ACCESS_REQUEST not in str(claims.get("scope", "")).split():
        raise Refusal.insufficient_scope(ACCESS_REQUEST)
    row = row_behind(claims)
    decision = None if row is None else judge(claims, row, Trigger.REQUEST)
    if row is None or decision is None or not decision.is_allowed:
        raise _unfit(decision)
    if ACCESS_REQUEST in decision.withheld_scopes:
        raise Refusal.insufficient_scope(ACCESS_REQUEST)
    if row["client_name"] != claims["client_id"]:
        raise Refusal.not_allowed("This is for applications that act for themselves.")
    presented.check_sender(wire, shown, claims, is_fapi2=row["security_profile"] == FAPI2)
    spend(limits.BY_AN_APPLICATION, claims["client_id"], now=now)
    workload = (
        Workload.objects.within_id(row["organisation_id"])
        .filter(name=claims["client_id"], ended_at=None)
        .select_related("responsible")
        .first()
    )
    if workload is None:
        raise Refusal.not_allowed("Nobody answers for this application: it asks for nothing.")
    return Machine(workload, wire.address, now)


def _read(wire: WireRequest) -> tuple[presented.Presented, dict[str, Any]]:
    """The token and its claims, if it is one of ours, and meant for here."""
    shown = _shown(wire)
    claims = verify.access_token(shown.text)
    audience = claims["aud"]
    if protected_resource.api() not in (audience if isinstance(audience, list) else [audience]):
        raise Refusal.invalid_token("The access token is not meant for this API.")
    return shown, claims


def _shown(wire: WireRequest) -> presented.Presented:
    scheme, _, text = wire.authorization.partition(" ")
    if scheme.lower() not in {presented.BEARER, presented.DPOP} or not text.strip():
        challenge = {"WWW-Authenticate": f"{dpop.challenge()}, Bearer"}
        raise Refusal("invalid_token", "An access token is needed.", 401, challenge)
    return presented.read(wire)


def _unfit(decision: Decision | None) -> Refusal:
    if decision is None or decision.outcome is not Outcome.STEP_UP:
        return Refusal.invalid_token("The access token is no longer good.")
    level = Level(max(decision.required_level, Level.AAL1))
    return Refusal.insufficient_user_authentication(acr=level.acr, max_age=decision.max_age)


def _find_named(user: User, said: str | None) -> Organisation:
    """Whose administration is meant: their own, unless who administers every one names another.

    To anybody else no other is there, whether or not it is: not_found, before anything is asked.
    """
    own = user.organisation
    if said is None or said in {own.slug, str(own.pk)}:
        return own
    if not user.is_superuser:
        raise Refusal.not_found()
    found = Organisation.objects.filter(**{"pk" if _is_id(said) else "slug": said}).first()
    if found is None:
        raise Refusal.not_found()
    return found


def _is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _spend(user_id: UUID, request: HttpRequest, now: datetime) -> None:
    spend(limits.BY_A_PERSON, str(user_id), now=now)
    if request.method not in READS:
        spend(limits.CHANGES_BY_A_PERSON, str(user_id), now=now)


def _check_size(request: HttpRequest) -> None:
    try:
        length = int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError as error:
        raise Refusal.invalid_request("Content-Length is not a number.") from error
    if not 0 <= length <= MAX_BODY_SIZE_BYTES:
        raise Refusal("invalid_request", "The body is too large.", 413)


def _check_shape(request: Any, parameters: frozenset[str]) -> None:
    """Nothing is sent that the operation does not take: neither a body nor a parameter."""
    takes = set(parameters)
    takes_body = False
    for model in request.operation.models:
        source = model.__ninja_param_source__
        takes_body = takes_body or source == "body"
        if source == "query":
            takes |= set(model.__ninja_flatten_map__)
    query = request.GET
    if unknown := sorted(set(query) - takes):
        raise Refusal.invalid_request(f"There is no parameter {unknown[0][:40]}.")
    if any(len(query.getlist(name)) > 1 for name in query):
        raise Refusal.invalid_request("A parameter appears more than once.")
    if any("\0" in value for value in query.values()):
        raise Refusal.invalid_request("A parameter has an impossible value.")
    if not request.body:
        return
    if not takes_body:
        raise Refusal.invalid_request("This takes no body.")
    if request.content_type != JSON:
        raise Refusal("invalid_request", f"The body must be {JSON}.", 415)
