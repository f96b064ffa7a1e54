"""Client authentication by a signed assertion: private_key_jwt and client_secret_jwt.

RFC 7523 §2.2, §3; OpenID Connect Core 1.0 §9. Nothing in the header leads to a key: it only chooses
among the keys and algorithms that the client has registered. An assertion is good once: its
`jti` is claimed in the database, so that restarts and two processes at once help nobody.
"""

import base64
import binascii
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from audit import recorder
from audit.events import Event
from core import clock, strict_json
from core.errors import Refusal
from core.ids import digest
from idp.algorithms import ALGORITHMS, FAPI2_ALGORITHMS
from idp.clients import public_keys
from idp.machine import addresses
from idp.machine.wire import Request
from idp.models.client import Client
from idp.storage import database
from protection import envelope

if TYPE_CHECKING:
    from idp.clients.authentication import MachineClient

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SECRET_ALGORITHMS = ("HS256",)
HEADERS = frozenset({"alg", "kid", "typ", "x5t", "x5t#S256"})
TYPES = frozenset({"jwt", "client-authentication+jwt"})
MAX_LENGTH = 8192
MAX_HEADER_LENGTH = 512
MAX_JTI_LENGTH = 256
MAX_AUDIENCES = 10
MAX_LIFETIME = timedelta(minutes=10)
LEEWAY = timedelta(seconds=10)  # of a clock that is ahead of ours

CLAIM_ASSERTION = """
INSERT INTO idp_usedassertion (digest, expires_at) VALUES (%(digest)s, %(expires_at)s)
ON CONFLICT (digest) DO NOTHING RETURNING digest
"""


def claimed_client(text: str) -> str:
    """Whose assertion this claims to be (RFC 7523 §3: `sub`); refuses invalid_client.

    Nothing is verified: the name is good for finding the client's keys and nothing else.
    """
    payload = _json(_parts(text)[1])
    subject = payload.get("sub")
    if not isinstance(subject, str) or not (subject.isascii() and subject.isprintable()):
        raise Refusal.invalid_client()
    return subject


def authenticate(client: "MachineClient", request: Request, text: str) -> None:
    """Accept a client's assertion, once; refuses invalid_client. How it is signed is registered."""
    parts = _parts(text)
    header, _ = _json(parts[0]), _json(parts[1])
    alg = header.get("alg")
    if (
        not header.keys() <= HEADERS
        or not isinstance(alg, str)
        or alg not in algorithms_of(client)
        or str(header.get("typ", "JWT")).lower() not in TYPES
    ):
        raise Refusal.invalid_client("The assertion's header is not acceptable.")
    kid = header.get("kid")
    if kid is not None and not isinstance(kid, str):
        raise Refusal.invalid_client("The assertion's header is not acceptable.")
    claims = (
        _signed_by_secret(client, text)
        if alg in SECRET_ALGORITHMS
        else public_keys.verified(
            text, alg=alg, kid=kid, owner=client.client_id, metadata=client.metadata
        )
    )
    if not isinstance(claims, dict):
        raise Refusal.invalid_client("No key of the client fits the assertion.")
    expires_at = _check_claims(client, request, claims)
    _claim(client, request, claims["jti"], expires_at)


def algorithms_of(client: "MachineClient") -> tuple[str, ...]:
    """The algorithms by which this client may sign its assertions; none for other methods."""
    allowed: tuple[str, ...] = ()
    if client.token_endpoint_auth_method == Client.AuthMethod.PRIVATE_KEY_JWT:
        allowed = FAPI2_ALGORITHMS if client.metadata.is_fapi2 else ALGORITHMS
    elif client.token_endpoint_auth_method == Client.AuthMethod.SECRET_JWT:
        allowed = () if client.metadata.is_fapi2 else SECRET_ALGORITHMS
    registered = client.metadata.token_endpoint_auth_signing_alg
    return tuple(alg for alg in allowed if registered in {"", alg})


def _check_claims(client: "MachineClient", request: Request, claims: dict[str, Any]) -> datetime:
    """When the assertion ends; refuses invalid_client. The signature is good already."""
    if claims.get("iss") != client.client_id or claims.get("sub") != client.client_id:
        raise Refusal.invalid_client("iss and sub of the assertion must be the client_id.")
    if not _is_for_us(claims.get("aud"), request, is_strict=client.metadata.is_fapi2):
        raise Refusal.invalid_client("The assertion is not meant for this server (aud).")
    now = clock.now()
    expires_at = _instant(claims.get("exp"))
    if expires_at is None or not now < expires_at <= now + MAX_LIFETIME + LEEWAY:
        raise Refusal.invalid_client("exp of the assertion must be within the next ten minutes.")
    for name in ("nbf", "iat"):
        if name in claims:
            instant = _instant(claims[name])
            if instant is None or instant > now + LEEWAY:
                raise Refusal.invalid_client(f"{name} of the assertion is in the future.")
    if not is_jti(claims.get("jti")):
        raise Refusal.invalid_client("The assertion needs a jti.")
    return expires_at


def is_jti(value: Any) -> bool:
    """Printable leaves out half of a pair of surrogates, which JSON can hold and UTF-8 cannot."""
    return isinstance(value, str) and 0 < len(value) <= MAX_JTI_LENGTH and value.isprintable()


def _is_for_us(audience: Any, request: Request, *, is_strict: bool) -> bool:
    """is_strict: our issuer alone, as a text, which nobody else could use (FAPI 2.0 §5.3.2.1)."""
    if is_strict:
        return bool(audience == settings.ISSUER)
    ours = {settings.ISSUER}
    for base in addresses.bases():
        ours |= {f"{base}/oauth/token", f"{base}{request.path}"}
    named = audience if isinstance(audience, list) else [audience]
    if len(named) > MAX_AUDIENCES or not all(isinstance(name, str) for name in named):
        return False
    return not ours.isdisjoint(named)


def _claim(client: "MachineClient", request: Request, jti: str, expires_at: datetime) -> None:
    """Use the assertion up; refuses invalid_client."""
    if not claim_jti(client, request, jti, expires_at, event=Event.CLIENT_ASSERTION_REPLAYED):
        raise Refusal.invalid_client("The assertion was used before.")


def claim_jti(
    client: "MachineClient",
    request: Request,
    jti: str,
    expires_at: datetime,
    *,
    event: Event,
    kind: str = "",
) -> bool:
    """Use a client's jti up, outside of any transaction: a refused request has used it as well.

    False, and `event` is written down, if it was used before. kind: of JWT, "" for assertions.
    """
    key = digest(f"{kind}{client.id}|{jti}")
    if key in request.claimed:
        return True
    params = {"digest": key, "expires_at": expires_at}
    if database.one(CLAIM_ASSERTION, params) is None:
        with database.unit() as unit:
            recorder.insert(
                unit.cursor,
                event,
                organisation_id=client.organisation_id,
                actor=f"idp.Client:{client.id}",
                subject=f"idp.Client:{client.id}",
                address=request.address,
                now=clock.now(),
                facts={"jti": jti},
            )
        return False
    request.claimed.add(key)
    return True


def _signed_by_secret(client: "MachineClient", text: str) -> Any | None:
    if client.secret_sealed is None:
        return None
    context = f"{client.organisation_id}|{Client._meta.label}|secret_sealed|{client.id}"  # noqa: SLF001
    secret = envelope.unseal(client.secret_sealed, context=context)
    try:
        signed = jws.deserialize_compact(text, OctKey.import_key(secret), algorithms=["HS256"])
        return strict_json.parse_object(signed.payload)
    except (JoseError, ValueError, TypeError):
        return None


def _instant(value: Any) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _parts(text: str) -> list[str]:
    parts = text.split(".") if len(text) <= MAX_LENGTH and text.isascii() else []
    if len(parts) != 3 or len(parts[0]) > MAX_HEADER_LENGTH:  # noqa: PLR2004 - RFC 7515 §3.1
        raise Refusal.invalid_client("The assertion is malformed.")
    return parts


def _json(part: str) -> dict[str, Any]:
    try:
        raw = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
        value = json.loads(raw, object_pairs_hook=_once)
    except (binascii.Error, ValueError, RecursionError) as error:
        raise Refusal.invalid_client("The assertion is malformed.") from error
    if not isinstance(value, dict):
        raise Refusal.invalid_client("The assertion is malformed.")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object in which no name stands twice (RFC 7519 §4)."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found
