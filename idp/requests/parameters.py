"""Requests of the browser-side endpoints as frozen values, parsed once.

After this module the HTTP request's parameters are not read again. Everything here refuses before
it is known whether there is anybody to redirect to, so a refusal ends as a page.
RFC 6749 §3.1, §4.1.1 and appendix A; RFC 7636 §4.3; OpenID Connect Core 1.0 §3.1.2.1.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self
from urllib.parse import quote, urlencode

from django.http import HttpRequest, QueryDict

from core.errors import Refusal
from idp.requests.claims_request import scopes_of

MAX_VALUE_LENGTH = 2_000
MAX_TOTAL_LENGTH = 8_192
# An ID token is longer than other values, and is never kept.
LONGER = {
    "id_token_hint": 4_000, "authorization_details": 6_000, "claims": 4_000,
    "binding_message": 16_384,  # judged by whoever reads it, who has an error of its own for it
}  # fmt: skip
MAX_RESOURCES = 10
FORM = "application/x-www-form-urlencoded"

# Read here, and therefore held to the characters of RFC 6749 appendix A (VSCHAR). Those that name
# people are not: an unknown or foreign login_hint must never be an error (Core §3.1.2.1).
PROTOCOL = (
    "client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce",
    "code_challenge", "code_challenge_method", "prompt", "max_age", "acr_values", "id_token_hint",
    "dpop_jkt",
)  # fmt: skip
TEXT = ("login_hint",)
# JSON may be laid out on lines; what it says is judged by whoever reads it.
STRUCTURED = ("authorization_details", "claims")
BACKCHANNEL_PROTOCOL = (
    "scope", "acr_values", "id_token_hint", "login_hint_token", "client_notification_token",
    "requested_expiry",
)  # fmt: skip
BACKCHANNEL_STRUCTURED = ("authorization_details", "binding_message")
BACKCHANNEL = (*BACKCHANNEL_PROTOCOL, *TEXT, *BACKCHANNEL_STRUCTURED, "resource")
LOGOUT = ("id_token_hint", "client_id", "post_logout_redirect_uri", "state")


@dataclass(frozen=True, slots=True)
class AuthorizationParams:
    """An authorization request as it was sent; None means that a parameter was absent.

    Lists are split at spaces, each word once, in order. `max_age` stays text until it is checked.
    hinted_subject: `sub` of the verified id_token_hint; the token itself is not kept.
    claims: JSON as `claims_request` keeps it, once it is checked. required_acr: one of these
    `acr` values, or nothing (Core §5.5.1.1).
    authorization_details: a JSON array (RFC 9396 §2). has_agreed_details: the user has allowed it.
    pushed: which pushed request this is (`pushed_requests`), None if it was not pushed.
    once: digest of the request object's `jti` and until when to remember it, `<hex>:<seconds>`;
    None where nothing has to be used up (`request_objects`).
    """

    client_id: str
    redirect_uri: str
    response_type: str | None = None
    response_mode: str | None = None
    scope: tuple[str, ...] = ()
    state: str | None = None
    nonce: str | None = None
    code_challenge: str | None = None
    code_challenge_method: str | None = None
    prompt: tuple[str, ...] = ()
    max_age: str | None = None
    acr_values: tuple[str, ...] = ()
    login_hint: str = ""
    id_token_hint: str | None = None
    hinted_subject: str | None = None
    claims: str | None = None
    resource: tuple[str, ...] = ()
    authorization_details: str | None = None
    dpop_jkt: str | None = None
    required_acr: tuple[str, ...] = ()
    has_agreed_details: bool = False
    pushed: str | None = None
    once: str | None = None

    @classmethod
    def parse(cls, parameters: QueryDict) -> Self:
        """Read the parameters; refuses INVALID_REQUEST for what no client would send.

        That is: a parameter twice (but `resource`, RFC 8707 §2), NUL, characters outside VSCHAR in
        protocol parameters, values over 2,000 characters, no client_id, no redirect_uri. Unknown
        parameters are ignored.
        """
        values = _read(parameters, PROTOCOL, TEXT, STRUCTURED)
        return cls(
            client_id=_required(values, "client_id"),
            redirect_uri=_required(values, "redirect_uri"),
            response_type=values.get("response_type"),
            response_mode=values.get("response_mode"),
            scope=_words(values, "scope"),
            state=values.get("state"),
            nonce=values.get("nonce"),
            code_challenge=values.get("code_challenge"),
            code_challenge_method=values.get("code_challenge_method"),
            prompt=_words(values, "prompt"),
            max_age=values.get("max_age"),
            acr_values=_words(values, "acr_values"),
            login_hint=values.get("login_hint", ""),
            id_token_hint=values.get("id_token_hint"),
            resource=_resources(parameters),
            authorization_details=values.get("authorization_details"),
            dpop_jkt=values.get("dpop_jkt"),
            claims=values.get("claims"),
        )

    @property
    def max_age_seconds(self) -> int | None:
        return None if self.max_age is None else int(self.max_age)

    @property
    def response_words(self) -> frozenset[str]:
        """The words of response_type, which have no order."""
        return frozenset((self.response_type or "").split())

    @property
    def asked_claims(self) -> dict[str, dict[str, Any]]:
        """What the checked `claims` parameter asks for; empty without one."""
        return {} if self.claims is None else json.loads(self.claims)

    @property
    def consent_scopes(self) -> tuple[str, ...]:
        """What the user allows: the scopes, and those that would give the claims asked for."""
        return tuple(dict.fromkeys((*self.scope, *sorted(scopes_of(self.asked_claims)))))

    @property
    def is_silent(self) -> bool:
        """Whether no page may be shown (`prompt=none`)."""
        return "none" in self.prompt

    @property
    def asks_consent(self) -> bool:
        """Whether the user is asked whatever was allowed before: details count once each."""
        has_new_details = self.authorization_details is not None and not self.has_agreed_details
        return has_new_details or "consent" in self.prompt

    def with_subject(self, subject: str | None) -> Self:
        """The same request with its hint verified; the token is dropped."""
        return replace(self, id_token_hint=None, hinted_subject=subject)

    def answered(self, prompt: str) -> Self:
        """The same request after the user has answered one of its prompts."""
        return replace(
            self,
            prompt=tuple(word for word in self.prompt if word != prompt),
            has_agreed_details=self.has_agreed_details or prompt == "consent",
        )

    def to_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value not in (None, "", ())}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        known = {field.name for field in fields(cls)}
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in stored.items()
            if name in known
        }
        return cls(**values)


@dataclass(frozen=True, slots=True)
class BackchannelParams:
    """A backchannel authentication request (CIBA Core 1.0 §7.1); None: a parameter was absent.

    requested_expiry, binding_message: any text; judged by whoever uses them.
    """

    scope: tuple[str, ...] = ()
    acr_values: tuple[str, ...] = ()
    login_hint: str | None = None
    id_token_hint: str | None = None
    login_hint_token: str | None = None
    client_notification_token: str | None = None
    requested_expiry: str | None = None
    binding_message: str = ""
    resource: tuple[str, ...] = ()
    authorization_details: str | None = None

    @classmethod
    def parse(cls, parameters: QueryDict) -> Self:
        """Read the parameters; refuses INVALID_REQUEST as `AuthorizationParams.parse` does."""
        values: dict[str, Any] = dict(
            _read(parameters, BACKCHANNEL_PROTOCOL, TEXT, BACKCHANNEL_STRUCTURED)
        )
        lists = {name: _words(values, name) for name in ("scope", "acr_values")}
        return cls(**(values | lists), resource=_resources(parameters))


@dataclass(frozen=True, slots=True)
class LogoutParams:
    """A logout request (RP-Initiated Logout 1.0 §2); None means that a parameter was absent."""

    id_token_hint: str | None = None
    client_id: str | None = None
    post_logout_redirect_uri: str | None = None
    state: str | None = None

    @classmethod
    def parse(cls, parameters: QueryDict) -> Self:
        return cls(**_read(parameters, LOGOUT, ()))

    def fields(self) -> list[tuple[str, str]]:
        """What a confirmation form sends back."""
        return [(name, value) for name, value in asdict(self).items() if value is not None]


def parameters_of(request: HttpRequest) -> QueryDict:
    """The query and, on POST, the form together, so that a value given in both counts as double.

    Refuses INVALID_REQUEST over 8 kB in all, and for any body but a form.
    """
    query = request.META.get("QUERY_STRING", "")
    if len(query) > MAX_TOTAL_LENGTH:
        raise Refusal.invalid_request("The request is too long.")
    parameters = request.GET.copy()
    if request.method == "POST":
        if request.content_type != FORM:
            raise Refusal.invalid_request(f"A request by POST is {FORM}.")
        if len(request.body) + len(query) > MAX_TOTAL_LENGTH:
            raise Refusal.invalid_request("The request is too long.")
        for name, values in request.POST.lists():
            parameters.setlist(name, [*parameters.getlist(name), *values])
    return parameters


def with_query(uri: str, values: dict[str, str]) -> str:
    """Add to the query of a registered URI; what stands there already survives byte for byte."""
    if not values:
        return uri
    separator = "&" if "?" in uri else "?"
    if uri.endswith(("?", "&")):
        separator = ""
    return f"{uri}{separator}{urlencode(values, quote_via=quote)}"


def client_id_of(parameters: QueryDict) -> str:
    """Who asks, before anything else is read; refuses INVALID_REQUEST."""
    return _required(_read(parameters, ("client_id",), ()), "client_id")


def only(parameters: QueryDict, name: str) -> str | None:
    """The one value of a parameter, None if there is none; refuses INVALID_REQUEST for two."""
    given = parameters.getlist(name)
    if len(given) > 1:
        raise Refusal.invalid_request(f"{name} was sent more than once.")
    return given[0] or None if given else None


def _resources(parameters: QueryDict) -> tuple[str, ...]:
    given = tuple(dict.fromkeys(value for value in parameters.getlist("resource") if value))
    if len(given) > MAX_RESOURCES:
        raise Refusal.invalid_request("Too many resources were named.")
    for value in given:
        if len(value) > MAX_VALUE_LENGTH or not all("!" <= letter <= "~" for letter in value):
            raise Refusal.invalid_request("resource holds characters that are not allowed.")
    return given


def _read(
    parameters: QueryDict,
    protocol: tuple[str, ...],
    text: tuple[str, ...],
    structured: tuple[str, ...] = (),
) -> dict[str, str]:
    values = {}
    for name in (*protocol, *text, *structured):
        given = parameters.getlist(name)
        if len(given) > 1:
            raise Refusal.invalid_request(f"{name} was sent more than once.")
        if not given or given[0] == "":  # a parameter without a value counts as absent (§3.1)
            continue
        value = given[0]
        if len(value) > LONGER.get(name, MAX_VALUE_LENGTH):
            raise Refusal.invalid_request(f"{name} is too long.")
        if name in protocol and not all(" " <= letter <= "~" for letter in value):
            raise Refusal.invalid_request(f"{name} holds characters that are not allowed.")
        if name not in structured and not value.isprintable():
            raise Refusal.invalid_request(f"{name} holds characters that are not allowed.")
        values[name] = value
    return values


def _required(values: Mapping[str, str], name: str) -> str:
    try:
        return values[name]
    except KeyError:
        raise Refusal.invalid_request(f"{name} is missing.") from None


def _words(values: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values.get(name, "").split()))
