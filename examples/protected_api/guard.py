"""What a resource server checks of an access token: copy this file into your own API.

Signature by the provider's published keys (cached, asked anew for a key that is not known yet),
type, issuer, audience, time, scope (RFC 9068 §4); proof of possession where the token is bound to a
key (RFC 9449 §7); whether it has been revoked, if the token names a status list and you want to
know (draft-ietf-oauth-status-list); and whether the sign-in behind it is strong and recent enough
(RFC 9470). It needs joserfc and httpx. What it refuses, it says in the header that the client needs
to go on, with the address of what the API says of itself (RFC 9728).
"""

import base64
import hashlib
import threading
import time
import zlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, KeySet
from joserfc.jws import JWSRegistry

ALGORITHMS = ["ES256", "RS256", "PS256", "Ed25519", "EdDSA"]
PROOF_ALGORITHMS = ["ES256", "PS256", "Ed25519"]
CLOCK_SKEW_SECONDS = 10
PROOF_LIFETIME_SECONDS = 60
KEYS_LIFETIME_SECONDS = 300
SECONDS_BETWEEN_FETCHES = 10
MAX_TOKEN_LENGTH = 8192
WELL_KNOWN = "/.well-known/oauth-protected-resource"
REMEMBERED_PROOFS = 10_000
STATUS_LIST_TYPE = "application/statuslist+jwt"
MAX_LIST_BYTES = 131_072  # unpacked: a million tokens of one bit
MAX_LISTS = 100
MIN_TTL_SECONDS, MAX_TTL_SECONDS = 5, 900


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """The answer to a request without a good enough token. status: 401 or 403."""

    def __init__(self, error: str, description: str, *, status: int = 401, **more: str) -> None:
        super().__init__(description)
        self.status, self.scheme = status, "Bearer"
        self.error, self.description, self.more = error, description, more

    def challenge(self) -> str:
        """The WWW-Authenticate header (RFC 6750 §3, RFC 9449 §7.1, RFC 9470 §3, RFC 9728 §5.1)."""
        said = {"error": self.error, "error_description": self.description, **self.more}
        parts = [f'{name}="{value}"' for name, value in said.items() if value]
        return " ".join([self.scheme, ", ".join(parts)]).strip()


@dataclass(frozen=True)
class Demand:
    """What one operation asks for. acr: any of these classes will do. max_age: whole seconds."""

    scope: str = ""
    acr: tuple[str, ...] = ()
    max_age: int | None = None


@dataclass
class Keys:
    """The provider's keys. fetch: asks for them; replaced in tests of this file alone."""

    jwks_uri: str
    fetch: Callable[[str], Any] = field(
        default=lambda uri: httpx.get(uri, timeout=5).raise_for_status().json()
    )
    _keys: KeySet | None = None
    _fetched_at: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def find(self, kid: str) -> Any:
        """The key of this id; an unknown id asks once more, but not for every forged token."""
        key = self._known(kid, KEYS_LIFETIME_SECONDS)
        if key is None:
            key = self._known(kid, SECONDS_BETWEEN_FETCHES)
        if key is None:
            raise Refused("invalid_token", "The token is signed by a key that is not known.")
        return key

    def _known(self, kid: str, age: float) -> Any:
        with self._lock:
            if self._keys is None or time.monotonic() - self._fetched_at > age:
                self._keys = KeySet.import_key_set(self.fetch(self.jwks_uri))
                self._fetched_at = time.monotonic()
            return next((key for key in self._keys.keys if key.kid == kid), None)


@dataclass
class StatusLists:
    """Whether a token has been revoked: the issuer's lists, each kept for its `ttl`.

    at: where the issuer's addresses are reached from here, if elsewhere than they say.
    fetch: asks for one; replaced in tests of this file alone.
    """

    issuer: str
    keys: Keys
    at: str = ""
    fetch: Callable[[str], str] = field(
        default=lambda uri: (
            httpx.get(uri, timeout=5, headers={"Accept": STATUS_LIST_TYPE}).raise_for_status().text
        )
    )
    _lists: "OrderedDict[str, tuple[float, bytes]]" = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def check(self, claims: dict[str, Any]) -> None:
        """Refuse a token whose place says so, or whose list cannot be had (§8.3).

        A token without a place is one of a client that has none: whoever verified its signature
        knows that nobody took it out.
        """
        if "status" not in claims:
            return
        try:
            place = claims["status"]["status_list"]
            uri, idx = place["uri"], place["idx"]
            places = self._places(uri)
            if not isinstance(idx, int) or not 0 <= idx < 8 * len(places):
                raise ValueError
        except (httpx.HTTPError, JoseError, LookupError, TypeError, ValueError) as error:
            raise Refused("invalid_token", "The status of the token is not known.") from error
        if places[idx // 8] >> idx % 8 & 1:
            raise Refused("invalid_token", "The token has been revoked.")

    def _places(self, uri: str) -> bytes:
        """The bits of a list, fetched by one thread at a time."""
        if not uri.startswith(f"{self.issuer}/"):
            raise ValueError
        with self._lock:
            until, places = self._lists.get(uri, (0.0, b""))
            if until <= time.monotonic():
                address = (self.at or self.issuer) + uri.removeprefix(self.issuer)
                ttl, places = self._read(self.fetch(address), uri)
                self._lists[uri] = (time.monotonic() + ttl, places)
                self._lists.move_to_end(uri)
                while len(self._lists) > MAX_LISTS:
                    self._lists.popitem(last=False)
        return places

    def _read(self, text: str, uri: str) -> tuple[int, bytes]:
        """How long a list is good for, and its bits; raises ValueError for what is no list."""
        header = jws.extract_compact(text.encode()).headers()
        if header.get("typ") != "statuslist+jwt":
            raise ValueError
        key = self.keys.find(str(header.get("kid", "")))
        said = jwt.decode(text, key, algorithms=ALGORITHMS).claims
        if said["iss"] != self.issuer or said["sub"] != uri or said["status_list"]["bits"] != 1:
            raise ValueError
        if said.get("exp", time.time() + 1) <= time.time():
            raise ValueError
        packed = said["status_list"]["lst"]
        raw = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4))
        unpacking = zlib.decompressobj()
        try:
            places = unpacking.decompress(raw, MAX_LIST_BYTES)
        except zlib.error as error:
            raise ValueError from error
        if not unpacking.eof:
            raise ValueError
        return min(max(int(said.get("ttl", 60)), MIN_TTL_SECONDS), MAX_TTL_SECONDS), places


@dataclass
class Guard:
    """issuer, audience: exactly as in the token. base_url: where clients see this API.

    statuses: asks whether tokens were revoked; without it they are good until they expire.
    """

    issuer: str
    audience: str
    base_url: str
    keys: Keys
    statuses: StatusLists | None = None
    _proofs: "OrderedDict[str, float]" = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def metadata(self, path: str, demand: Demand) -> dict[str, Any]:
        """What clients should know of the operation at `path`, to publish at WELL_KNOWN + path.

        `resource` is the very address that was asked (RFC 9728 §3.3).
        """
        return {
            "resource": self.base_url + path,
            "authorization_servers": [self.issuer],
            "scopes_supported": [demand.scope] if demand.scope else [],
            "bearer_methods_supported": ["header"],
            "dpop_signing_alg_values_supported": PROOF_ALGORITHMS,
        }

    def check(
        self,
        demand: Demand,
        *,
        method: str,
        path: str,
        authorization: str,
        proof: str | None = None,
    ) -> dict[str, Any]:
        """The claims of a token that is good for this; raises Refused.

        authorization, proof: the headers Authorization and DPoP as they came.
        """
        scheme, _, text = authorization.partition(" ")
        scheme, text = scheme.lower(), text.strip()
        try:
            if scheme not in {"bearer", "dpop"} or not text:
                raise Refused("", "Send an access token.")
            claims = self._token(text)
            url = self.base_url + path
            self._possession(claims, scheme, text, proof, method=method, url=url)
            if self.statuses is not None:
                self.statuses.check(claims)
            self._judge(claims, demand)
        except Refused as refused:
            refused.scheme = "DPoP" if scheme == "dpop" else "Bearer"
            refused.more["resource_metadata"] = f"{self.base_url}{WELL_KNOWN}{path}"
            raise
        return claims

    def _judge(self, claims: dict[str, Any], demand: Demand) -> None:
        if demand.scope and demand.scope not in str(claims.get("scope", "")).split():
            raise Refused(
                "insufficient_scope", "The token lacks the scope.", status=403, scope=demand.scope
            )
        self._strength(claims, demand)

    def _token(self, text: str) -> dict[str, Any]:
        if len(text) > MAX_TOKEN_LENGTH or text.count(".") != 2:  # noqa: PLR2004 - a compact JWS
            raise Refused("invalid_token", "This is not an access token.")
        try:
            header = jws.extract_compact(text.encode()).headers()
            if str(header.get("typ", "")).lower().removeprefix("application/") != "at+jwt":
                raise Refused("invalid_token", "This is not an access token.")
            key = self.keys.find(str(header.get("kid", "")))
            claims = jwt.decode(text, key, algorithms=ALGORITHMS).claims
        except (JoseError, ValueError, RecursionError) as error:
            raise Refused("invalid_token", "The signature does not fit.") from error
        now = time.time()
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        if claims.get("iss") != self.issuer or self.audience not in audiences:
            raise Refused("invalid_token", "The token is not for this API.")
        if not isinstance(claims.get("exp"), int) or claims["exp"] <= now:
            raise Refused("invalid_token", "The token has expired.")
        if not isinstance(claims.get("iat"), int) or claims["iat"] > now + CLOCK_SKEW_SECONDS:
            raise Refused("invalid_token", "The token is not valid yet.")
        return claims

    def _possession(
        self,
        claims: dict[str, Any],
        scheme: str,
        token: str,
        proof: str | None,
        *,
        method: str,
        url: str,
    ) -> None:
        """A token that is bound to a key is good only with a fresh proof by this key."""
        bound_to = (claims.get("cnf") or {}).get("jkt")
        if bound_to is None:
            if scheme == "dpop" or claims.get("cnf"):
                raise Refused("invalid_token", "The token is not bound in a way known here.")
            return
        if scheme != "dpop" or not proof or "," in proof:
            raise Refused("invalid_token", "The token needs one DPoP proof.")
        try:
            headers = jws.extract_compact(proof.encode()).headers()
            jwk = headers.get("jwk")
            if headers.get("typ") != "dpop+jwt" or not isinstance(jwk, dict) or "d" in jwk:
                raise ValueError
            key: Any = JWKRegistry.import_key(jwk)
            if key.thumbprint() != bound_to:
                raise ValueError
            said = jwt.decode(proof, key, registry=_ProofRegistry(algorithms=PROOF_ALGORITHMS))
        except (JoseError, ValueError, TypeError, RecursionError) as error:
            raise Refused("invalid_dpop_proof", "The proof does not verify.") from error
        self._proof(said.claims, token, method=method, url=url)

    def _proof(self, said: dict[str, Any], token: str, *, method: str, url: str) -> None:
        now = time.time()
        issued, jti = said.get("iat"), said.get("jti")
        digest = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest())
        is_good = (
            said.get("htm") == method
            and str(said.get("htu", "")).partition("?")[0].partition("#")[0] == url
            and said.get("ath") == digest.rstrip(b"=").decode()
            and isinstance(issued, int | float)
            and -PROOF_LIFETIME_SECONDS <= issued - now <= CLOCK_SKEW_SECONDS
            and isinstance(jti, str)
        )
        if not is_good or not self._is_new(str(jti), now):
            raise Refused("invalid_dpop_proof", "The proof is not for this request, or was used.")

    def _is_new(self, jti: str, now: float) -> bool:
        """Whether this proof comes for the first time to this process."""
        with self._lock:
            while self._proofs and (
                len(self._proofs) >= REMEMBERED_PROOFS
                or next(iter(self._proofs.values())) < now - 2 * PROOF_LIFETIME_SECONDS
            ):
                self._proofs.popitem(last=False)
            return self._proofs.setdefault(jti, now) == now

    def _strength(self, claims: dict[str, Any], demand: Demand) -> None:
        """RFC 9470 §3: say which sign-in would do, and the client asks for it."""
        is_strong = not demand.acr or claims.get("acr") in demand.acr
        auth_time = claims.get("auth_time")
        is_recent = demand.max_age is None or (
            isinstance(auth_time, int) and time.time() - auth_time <= demand.max_age
        )
        if is_strong and is_recent:
            return
        raise Refused(
            "insufficient_user_authentication",
            "A stronger or more recent sign-in is needed.",
            acr_values=" ".join(demand.acr),
            max_age="" if demand.max_age is None else str(demand.max_age),
        )


class _ProofRegistry(JWSRegistry):
    max_header_length = 4096  # a proof carries its public key
