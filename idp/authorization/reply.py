"""How an answer of the authorization endpoint travels back to the client.

OAuth 2.0 Multiple Response Type Encoding Practices §2.1, §5: what holds tokens is never put into a
query. Form Post Response Mode 1.0. JWT Secured Authorization Response Mode (JARM) §2.3.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote, urlencode, urlsplit

from django.conf import settings

from idp.models import Client
from idp.registration.metadata import ClientMetadata
from idp.requests.parameters import AuthorizationParams, with_query
from idp.tokens import mint

QUERY, FRAGMENT, FORM_POST, JWT = "query", "fragment", "form_post", "jwt"
# "jwt" alone is the signed form of the response type's default.
MODES = (QUERY, FRAGMENT, FORM_POST, JWT, "query.jwt", "fragment.jwt", "form_post.jwt")
TOKEN_WORDS = frozenset({"id_token", "token"})
# A form's target stands in the content security policy: nothing but a plain place may.
PLACE = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?")
JWT_LIFETIME = timedelta(minutes=5)  # JARM §2.1: at most ten
# Not "JWT", by which it could pass for an ID token (RFC 8725 §3.11).
JWT_TYPE = "oauth-authz-resp+jwt"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer on its way. mode: query, fragment or form_post."""

    redirect_uri: str
    mode: str
    values: dict[str, str]

    @property
    def location(self) -> str:
        """Where the browser goes; for form_post, where the form is sent."""
        if self.mode == QUERY:
            return with_query(self.redirect_uri, self.values)
        if self.mode == FRAGMENT:
            return f"{self.redirect_uri}#{urlencode(self.values, quote_via=quote)}"
        return self.redirect_uri


def make(
    params: AuthorizationParams, values: dict[str, str], *, client: Client, now: datetime
) -> Reply:
    """The answer with `state` and `iss` (RFC 9207 §2), signed where that was asked for.

    `iss` comes from settings, never from the request. Not to be called inside a transaction that
    may fail: a signing key could be made on the way.
    """
    if params.state is not None:
        values = values | {"state": params.state}
    values = values | {"iss": settings.ISSUER}
    mode, is_signed = _transport(mode_of(params), params)
    if is_signed:
        values = {"response": _signed(values, client, now)}
    return Reply(params.redirect_uri, mode, values)


def mode_of(params: AuthorizationParams) -> str:
    """The response_mode that was asked for if it may be had, else the default."""
    mode = params.response_mode
    return mode if mode is not None and may_have(params) else default_of(params)


def default_of(params: AuthorizationParams) -> str:
    """The query for a code alone, the fragment for anything with a token (§5)."""
    return FRAGMENT if has_tokens(params) else QUERY


def has_tokens(params: AuthorizationParams) -> bool:
    return not TOKEN_WORDS.isdisjoint((params.response_type or "").split())


def may_have(params: AuthorizationParams) -> bool:
    """Whether the response_mode exists, suits what it carries, and the address can take it."""
    mode = params.response_mode
    if mode is None or mode not in MODES:
        return False
    if mode in {QUERY, "query.jwt"} and has_tokens(params):
        return False
    return not mode.startswith(FORM_POST) or place_of(params.redirect_uri) is not None


def place_of(uri: str) -> str | None:
    """Scheme, host and port of a web address, as a content security policy names it."""
    parts = urlsplit(uri)
    place = f"{parts.scheme}://{parts.netloc}"
    return place if PLACE.fullmatch(place) else None


def _transport(mode: str, params: AuthorizationParams) -> tuple[str, bool]:
    if mode == JWT:
        return default_of(params), True
    plain, dot, _ = mode.partition(".")
    return plain, bool(dot)


def _signed(values: dict[str, str], client: Client, now: datetime) -> str:
    """The answer as one JWT (JARM §2.1)."""
    registered = ClientMetadata.from_json(client.metadata)
    seconds = int(now.timestamp())
    claims = {
        **values,
        "aud": client.client_id,
        "iat": seconds,
        "exp": seconds + int(JWT_LIFETIME.total_seconds()),
    }
    alg = registered.authorization_signed_response_alg or client.signing_alg
    return mint.sign(claims, typ=JWT_TYPE, alg=alg)
