"""All of OpenID Connect that this client speaks: sign in, refresh, userinfo, sign out.

The order of checks is the point. Whatever comes from the browser is a claim by a stranger until
state and issuer have been compared; whatever comes from the token endpoint is used only after the
ID token's signature and claims have been.
"""

import base64
import hashlib
import hmac
import logging
import secrets
import ssl
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx
from authlib.common.errors import AuthlibBaseError
from authlib.deprecate import AuthlibDeprecationWarning
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from examples.demo_client.settings import Settings

with warnings.catch_warnings():
    # Authlib speaks both httpx and its successor httpx2, and says which it would rather have.
    warnings.simplefilter("ignore", AuthlibDeprecationWarning)
    from authlib.integrations.httpx_client import OAuth2Client

logger = logging.getLogger(__name__)

# Only these, whatever a token's header asks for: `none` and the HS family stay out.
SIGNING_ALGORITHMS = ["ES256", "RS256"]
CLOCK_SKEW_SECONDS = 30
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
TIMEOUT_SECONDS = 10


class SignInError(Exception):
    """Something a person should be told kindly: what happened, and what to do next."""

    def __init__(self, title: str, advice: str, *, status: int = 400) -> None:
        super().__init__(title)
        self.title = title
        self.advice = advice
        self.status = status


class SessionOverError(SignInError):
    """The provider gives no more tokens for this sign-in."""


@dataclass(frozen=True, kw_only=True)
class Pending:
    """A sign-in that has begun: what the answer must match."""

    state: str
    nonce: str
    code_verifier: str = field(repr=False)
    max_age: int | None = None
    leads_to: str = "/"


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """What the provider gave for one sign-in. Expiry is by this process's monotonic clock."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    id_token: str = field(repr=False)
    claims: Mapping[str, Any]
    scope: str
    lifetime_seconds: int
    expires_at: float
    refreshed: int = 0

    @property
    def roles(self) -> list[str]:
        """What the person may do, as of this token; none outlives it."""
        return list(self.claims.get("roles", ()))

    @property
    def expires_in(self) -> int:
        return max(0, round(self.expires_at - time.monotonic()))


def fingerprint(token: str | None) -> str:
    """Enough of a digest to see that a token changed, and nothing to sign in with."""
    if token is None:
        return "none"
    digest = hashlib.sha256(token.encode()).hexdigest()
    return f"{digest[:4]} {digest[4:8]} {digest[8:12]}"


class RelyingParty:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._metadata: dict[str, Any] | None = None
        self._keys: KeySet | None = None
        self._tls = ssl.create_default_context()

    def begin(
        self, *, prompt: str | None = None, acr: str | None = None, max_age: int | None = None,
        leads_to: str = "/",
    ) -> tuple[str, Pending]:  # fmt: skip
        """The address to send the browser to, and what to remember meanwhile.

        acr: how strongly the person has to prove who they are; max_age: how recently, in seconds.
        leads_to: our own page for afterwards.
        Sources: RFC 6749 §4.1.1, RFC 7636 §4.3 (S256), OpenID Connect Core §3.1.2.1.
        """
        pending = Pending(
            state=secrets.token_urlsafe(32),
            nonce=secrets.token_urlsafe(32),
            code_verifier=secrets.token_urlsafe(64),
            max_age=max_age,
            leads_to=leads_to,
        )
        wanted = {"nonce": pending.nonce, "prompt": prompt, "acr_values": acr, "max_age": max_age}
        extra = {name: value for name, value in wanted.items() if value is not None}
        with self._client() as client:
            url, _ = client.create_authorization_url(
                self.metadata()["authorization_endpoint"],
                state=pending.state,
                code_verifier=pending.code_verifier,
                **extra,
            )
        return str(url), pending

    def complete(self, answer: Mapping[str, str], pending: Pending | None) -> Tokens:
        """Turn the browser's answer into tokens. Raises SignInError.

        Sources: RFC 6749 §10.12 (state), RFC 9207 §2.4 (iss), OpenID Connect Core §3.1.3.7.
        """
        if pending is None:
            raise SignInError(
                "This sign-in is not one we began",
                "It may have been finished already, or been open for too long. Start it again.",
            )
        self._check_issuer_of_answer(answer)
        if "error" in answer:
            raise explain(answer["error"])
        if not answer.get("code"):
            raise SignInError("The answer was incomplete", "Please start signing in again.")
        with self._client() as client:
            granted = self._ask(
                client.fetch_token,
                self.metadata()["token_endpoint"],
                grant_type="authorization_code",
                code=answer["code"],
                redirect_uri=self.settings.redirect_uri,
                code_verifier=pending.code_verifier,
            )
        claims = self._verify_id_token(granted, nonce=pending.nonce)
        if pending.max_age is not None and not is_recent(claims, pending.max_age):
            raise SignInError("That was too long ago", "Please prove again that it is you.")
        return self._tokens(granted, id_token=granted["id_token"], claims=claims)

    def refresh(self, tokens: Tokens) -> Tokens:
        """Exchange the refresh token; the old one is spent. Raises SessionOverError.

        An ID token that comes along must speak of the same person (Core §12.2).
        """
        if tokens.refresh_token is None:
            raise SessionOverError("There is no refresh token", "Sign in again to go on.")
        with self._client() as client:
            client.token = {"refresh_token": tokens.refresh_token}
            granted = self._ask(
                client.refresh_token,
                self.metadata()["token_endpoint"],
                refresh_token=tokens.refresh_token,
            )
        id_token, claims = tokens.id_token, tokens.claims
        if "id_token" in granted:
            claims = self._verify_id_token(granted, nonce=None)
            if claims["sub"] != tokens.claims["sub"]:
                raise SessionOverError("The tokens are another person's", "Sign in again.")
            id_token = granted["id_token"]
        return self._tokens(
            granted, id_token=id_token, claims=claims, refreshed=tokens.refreshed + 1
        )

    def userinfo(self, tokens: Tokens) -> dict[str, Any]:
        """Ask the provider who this is, with the access token. Raises SignInError."""
        answer = self._get(
            self.metadata()["userinfo_endpoint"],
            headers={"Authorization": f"Bearer {tokens.access_token}"},
        )
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            raise SignInError(
                "The access token is no longer accepted",
                "It has expired or was revoked. Refresh now, or sign in again.",
                status=401,
            )
        if not answer.is_success:
            raise unreachable(self.settings.issuer, f"userinfo answered {answer.status_code}")
        claims: dict[str, Any] = answer.json()
        if claims.get("sub") != tokens.claims["sub"]:  # OpenID Connect Core §5.3.2
            raise SignInError("Userinfo spoke of somebody else", "Its answer was not used.")
        return claims

    def forget(self, tokens: Tokens) -> None:
        """Hand the refresh token back (RFC 7009). Signing out goes on if that fails."""
        endpoint = self.metadata().get("revocation_endpoint")
        if endpoint is None or tokens.refresh_token is None:
            return
        with self._client() as client:
            client.revoke_token(
                endpoint,
                token=tokens.refresh_token,
                token_type_hint="refresh_token",
            )

    def logout_url(self, tokens: Tokens, *, state: str) -> str | None:
        """Where to send the browser to end the session at the provider too.

        Source: OpenID Connect RP-Initiated Logout 1.0 §2.
        """
        endpoint = self.metadata().get("end_session_endpoint")
        if endpoint is None:
            return None
        query = urlencode(
            {
                "id_token_hint": tokens.id_token,
                "client_id": self.settings.client_id,
                "post_logout_redirect_uri": self.settings.post_logout_redirect_uri,
                "state": state,
            }
        )
        return f"{endpoint}?{query}"

    def ended_session(self, logout_token: str) -> str:
        """Which session (`sid`) the provider says has ended. Raises SignInError.

        Source: OpenID Connect Back-Channel Logout 1.0 §2.6. The type keeps ID tokens out, and a
        nonce would say that this is one.
        """
        expected: dict[str, jwt.ClaimsOption] = {
            "iss": {"essential": True, "value": self.settings.issuer},
            "aud": {"essential": True, "value": self.settings.client_id},
            "iat": {"essential": True},
            "exp": {"essential": True},
            "jti": {"essential": True},
            "sid": {"essential": True},
        }
        try:
            token = self._decode(logout_token)
            jwt.JWTClaimsRegistry(None, CLOCK_SKEW_SECONDS, **expected).validate(token.claims)
        except (JoseError, ValueError) as error:
            raise SignInError("This logout token does not check out", "Nothing ended.") from error
        events = token.claims.get("events")
        if (
            token.header.get("typ") != "logout+jwt"
            or not isinstance(events, dict)
            or events.get(LOGOUT_EVENT) != {}
            or "nonce" in token.claims
        ):
            raise SignInError("This is no logout token", "Nothing ended.")
        return str(token.claims["sid"])

    def access_request_url(self, entitlement: str) -> str:
        """Where a person may ask for what they lack; the provider's page is filled in already."""
        wanted = {"entitlement": entitlement, "client_id": self.settings.client_id}
        return f"{self.settings.issuer}/access/request/?{urlencode(wanted)}"

    def metadata(self) -> dict[str, Any]:
        """The discovery document, fetched once (OpenID Connect Discovery §4)."""
        if self._metadata is None:
            answer = self._get(f"{self.settings.issuer}/.well-known/openid-configuration")
            if not answer.is_success:
                raise unreachable(self.settings.issuer, f"discovery answered {answer.status_code}")
            document: dict[str, Any] = answer.json()
            if document.get("issuer") != self.settings.issuer:
                raise SignInError(
                    "The provider calls itself by another name",
                    f"We trust {self.settings.issuer}; it said {document.get('issuer')}. "
                    "Whoever runs this application must correct its settings.",
                    status=502,
                )
            self._metadata = document
        return self._metadata

    def _check_issuer_of_answer(self, answer: Mapping[str, str]) -> None:
        """Refuse an answer that another provider made (mix-up; RFC 9207)."""
        promised = self.metadata().get("authorization_response_iss_parameter_supported", False)
        if answer.get("iss", None if promised else self.settings.issuer) != self.settings.issuer:
            raise SignInError(
                "The answer came from another provider",
                "It was not used. If you did not expect this, close the page that sent you here.",
            )

    def _verify_id_token(self, granted: Mapping[str, Any], *, nonce: str | None) -> dict[str, Any]:
        """Signature first, then every claim that ties the token to us and to this sign-in."""
        expected: dict[str, jwt.ClaimsOption] = {
            "iss": {"essential": True, "value": self.settings.issuer},
            "aud": {"essential": True, "value": self.settings.client_id},
            "sub": {"essential": True},
            "exp": {"essential": True},
            "iat": {"essential": True},
        }
        if nonce is not None:
            expected["nonce"] = {"essential": True, "value": nonce}
        rules = jwt.JWTClaimsRegistry(None, CLOCK_SKEW_SECONDS, **expected)
        try:
            claims = self._decode(str(granted["id_token"])).claims
            rules.validate(claims)
        except (JoseError, ValueError, KeyError) as error:
            raise SignInError(
                "The identity we were given did not check out",
                "It was not used, and you are not signed in. Please start again.",
            ) from error
        audience = claims["aud"]
        several = isinstance(audience, list) and len(audience) > 1
        if claims.get("azp", None if several else self.settings.client_id) != (
            self.settings.client_id
        ):
            raise SignInError("The identity was made for another application", "Start again.")
        if "at_hash" in claims and not hmac.compare_digest(
            claims["at_hash"], at_hash(str(granted["access_token"]))
        ):
            raise SignInError("The two tokens do not belong together", "Please start again.")
        return dict(claims)

    def _decode(self, id_token: str) -> jwt.Token:
        """Verify by the provider's keys; fetch them anew once if it signed with a new one."""
        try:
            return jwt.decode(id_token, self._key_set(), algorithms=SIGNING_ALGORITHMS)
        except InvalidKeyIdError:
            self._keys = None
            return jwt.decode(id_token, self._key_set(), algorithms=SIGNING_ALGORITHMS)

    def _key_set(self) -> KeySet:
        if self._keys is None:
            answer = self._get(self.metadata()["jwks_uri"])
            if not answer.is_success:
                raise unreachable(self.settings.issuer, f"its keys answered {answer.status_code}")
            self._keys = KeySet.import_key_set(answer.json())
        return self._keys

    def _tokens(
        self, granted: Mapping[str, Any], *, id_token: str, claims: Mapping[str, Any],
        refreshed: int = 0,
    ) -> Tokens:  # fmt: skip
        lifetime = int(granted.get("expires_in", 0))
        return Tokens(
            access_token=str(granted["access_token"]),
            refresh_token=granted.get("refresh_token"),
            id_token=id_token,
            claims=claims,
            scope=str(granted.get("scope", self.settings.scope)),
            lifetime_seconds=lifetime,
            expires_at=time.monotonic() + lifetime,
            refreshed=refreshed,
        )

    def _client(self) -> OAuth2Client:
        return OAuth2Client(
            client_id=self.settings.client_id,
            client_secret=self.settings.client_secret,
            token_endpoint_auth_method="client_secret_basic",
            redirect_uri=self.settings.redirect_uri,
            scope=self.settings.scope,
            code_challenge_method="S256",
            timeout=TIMEOUT_SECONDS,
            verify=self._tls,
        )

    def _ask(self, request: Any, url: str, **parameters: Any) -> Mapping[str, Any]:
        """Call the token endpoint; its refusals become sentences."""
        try:
            granted: Mapping[str, Any] = request(url, **parameters)
        except AuthlibBaseError as error:
            raise explain(error.error) from error
        except (httpx.HTTPError, ValueError) as error:
            raise unreachable(self.settings.issuer, str(error)) from error
        return granted

    def _get(self, url: str, *, headers: dict[str, str] | None = None) -> httpx.Response:
        try:
            return httpx.get(url, headers=headers, timeout=TIMEOUT_SECONDS, verify=self._tls)
        except httpx.HTTPError as error:
            raise unreachable(self.settings.issuer, str(error)) from error


def is_recent(claims: Mapping[str, Any], max_age: int) -> bool:
    """Whether the person proved to be there within so many seconds (Core §3.1.3.7, 13)."""
    at = claims.get("auth_time")
    return isinstance(at, int) and time.time() - at <= max_age + CLOCK_SKEW_SECONDS


def at_hash(access_token: str) -> str:
    """The left half of the token's SHA-256, base64url (OpenID Connect Core §3.1.3.6)."""
    half = hashlib.sha256(access_token.encode("ascii")).digest()[:16]
    return base64.urlsafe_b64encode(half).rstrip(b"=").decode()


def unreachable(issuer: str, reason: str) -> SignInError:
    """A sentence for the person; the reason for whoever reads the log."""
    logger.warning("%s: %s", issuer, reason)
    return SignInError(
        "We cannot reach the sign-in service",
        f"We tried {issuer}. It may be starting up; wait a moment and try again.",
        status=502,
    )


def explain(code: str) -> SignInError:
    """A sentence for an error code of OAuth or OpenID Connect."""
    if code == "access_denied":
        return SignInError(
            "Nothing was shared",
            "You declined, or you are not allowed to use this application. You can try again.",
            status=403,
        )
    if code in {"login_required", "consent_required", "interaction_required"}:
        return SignInError("Your sign-in is needed", "Choose “Sign in” to go on.", status=401)
    if code == "invalid_grant":
        return SessionOverError(
            "This sign-in is over",
            "It ended at the sign-in service: signed out, expired, or stopped for safety. "
            "Sign in again to go on.",
            status=401,
        )
    if code == "temporarily_unavailable":
        return SignInError("The sign-in service is busy", "Try again in a moment.", status=503)
    return SignInError(
        "The sign-in service refused",
        f"It said “{code[:60]}”. Try again; if it stays, tell whoever runs this application.",
        status=502,
    )
