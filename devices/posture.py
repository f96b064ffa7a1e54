"""What devices sign: proofs that they hold their key, and reports of their posture.

A compact JWS by ES256 and nothing else (`typ` enrolment+jwt or posture+jwt). Strict throughout: the
header has no member that could lead to another key, base64url has one spelling, JSON is read by one
reading, and members that are not known are refused; `schema` says what there may be. Nothing here
reads the database: what may happen once (nonce, seq, jti) is claimed by `devices.flows`.
"""

import base64
import binascii
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from core import strict_json
from core.errors import Refusal
from devices.score import CHECK_IDS, OS_PATCH_AGE, Status

MAX_REPORT_BYTES = 16 * 1024
MAX_PROOF_BYTES = 2048
MAX_SKEW = timedelta(seconds=60)
MAX_NEST = 4
MAX_TEXT_LENGTH = 100
MAX_NONCE_LENGTH = 64
MAX_JTI_LENGTH = 128
MAX_SEQ = 2**53
MAX_CHECKS = 32
MAX_PATCH_DAYS = 36_500
SCHEMA = 1
ALGORITHM = "ES256"
COORDINATE_LENGTH = 43  # 32 bytes as base64url
HEADER = frozenset({"alg", "typ", "kid"})
PROOF_CLAIMS = frozenset({"aud", "iat", "jti"})
HARDWARE = frozenset({"serial", "uuid"})
REPORT_CLAIMS = frozenset({"iss", "aud", "iat", "jti", "nonce", "seq", "schema", "os", "checks"})
_PART = re.compile(r"[A-Za-z0-9_-]+")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


class _Registry(jws.JWSRegistry):
    max_header_length = 512
    max_payload_length = MAX_REPORT_BYTES


_REGISTRY = _Registry(algorithms=[ALGORITHM])


@dataclass(frozen=True)
class PublicKey:
    """jwk: kty, crv, x and y alone. thumbprint: RFC 7638, 43 base64url characters."""

    jwk: dict[str, Any]
    thumbprint: str


@dataclass(frozen=True)
class Proof:
    """issued_at: seconds since 1970, as the device's clock has it."""

    issued_at: int
    jti: str


@dataclass(frozen=True)
class Found:
    """One check as a report has it. observed_at is never later than the report's arrival."""

    check_id: str
    status: Status
    observed_at: datetime
    value: int | None = None


@dataclass(frozen=True)
class Report:
    """A report under a good signature. checks: as they were sent.

    hardware: what the machine says that it is called, by kind: a hint for administrators, no more.
    """

    jti: str
    nonce: str
    seq: int
    issued_at: datetime
    os_name: str
    os_version: str
    found: tuple[Found, ...]
    checks: list[dict[str, Any]]
    raw: str
    hardware: dict[str, str] = field(default_factory=dict)


def read_key(jwk: Any) -> PublicKey:
    """A public key on the curve P-256; refuses invalid_request."""
    if not isinstance(jwk, dict) or jwk.get("kty") != "EC" or jwk.get("crv") != "P-256":
        raise Refusal.invalid_request("public_jwk must be an EC key on P-256.")
    if jwk.keys() - {"kty", "crv", "x", "y", "kid", "alg", "use", "key_ops", "ext"}:
        raise Refusal.invalid_request("public_jwk holds members that a public key does not have.")
    if not all(_is_part(jwk.get(name), COORDINATE_LENGTH) for name in ("x", "y")):
        raise Refusal.invalid_request("x and y of public_jwk must be 32 bytes each.")
    plain: dict[str, Any] = {name: str(jwk[name]) for name in ("kty", "crv", "x", "y")}
    try:
        key = ECKey.import_key(plain)
        thumbprint: str = key.thumbprint()
        _ = key.public_key  # is the point on the curve?
    except (JoseError, ValueError, TypeError) as error:
        raise Refusal.invalid_request("public_jwk is no point on P-256.") from error
    return PublicKey(plain, thumbprint)


def read_proof(text: Any, key: PublicKey, *, now: datetime) -> Proof:
    """That whoever asks holds this key, now; refuses invalid_proof."""
    if not isinstance(text, str) or not text.isascii() or len(text) > MAX_PROOF_BYTES:
        raise _bad_proof("proof must be a compact JWS.")
    try:
        claims = _signed(text, typ="enrolment+jwt", key=key)
        if claims.keys() != PROOF_CLAIMS:
            raise _invalid("The claims of a proof are aud, iat and jti.")
        jti, issued_at = _jti(claims), _issued_at(claims, now)
        _check_audience(claims)
    except Refusal as refusal:
        raise _bad_proof(refusal.detail) from refusal
    return Proof(int(issued_at.timestamp()), jti)


def read_report(body: bytes, *, device_id: Any, key: PublicKey, now: datetime) -> Report:
    """A report that this device has just signed for us.

    Refuses too_large (413), wrong_key, stale (its clock is more than a minute off), and
    invalid_report for everything else.
    """
    if len(body) > MAX_REPORT_BYTES:
        raise too_large()
    try:
        text = body.decode("ascii")
    except UnicodeDecodeError as error:
        raise _invalid("A report is a compact JWS.") from error
    claims = _signed(text, typ="posture+jwt", key=key, needs_kid=True)
    if claims.keys() - {"hardware"} != REPORT_CLAIMS:
        expected = ", ".join(sorted(REPORT_CLAIMS))
        raise _invalid(f"The claims of a report are {expected}, and perhaps hardware.")
    if claims["schema"] != SCHEMA or isinstance(claims["schema"], bool):
        raise _invalid(f"schema must be {SCHEMA}.")
    if claims["iss"] != str(device_id):
        raise _invalid("iss must be the id of the device that this is sent for.")
    _check_audience(claims)
    issued_at = _issued_at(claims, now)
    nonce, seq = claims["nonce"], claims["seq"]
    if not isinstance(nonce, str) or not 0 < len(nonce) <= MAX_NONCE_LENGTH:
        raise _invalid("nonce must be one that this server gave.")
    if not _is_whole(seq) or not 0 < seq <= MAX_SEQ:
        raise _invalid("seq must be a whole number above 0.")
    os_name, os_version = _os(claims["os"])
    return Report(
        jti=_jti(claims),
        nonce=nonce,
        seq=seq,
        issued_at=issued_at,
        os_name=os_name,
        os_version=os_version,
        found=tuple(_found(claims["checks"], now)),
        checks=claims["checks"],
        raw=text,
        hardware=_hardware(claims.get("hardware", {})),
    )


def too_large(most: int = MAX_REPORT_BYTES) -> Refusal:
    return Refusal("too_large", f"The body has at most {most} bytes.", 413)


def _signed(text: str, *, typ: str, key: PublicKey, needs_kid: bool = False) -> dict[str, Any]:
    """The claims of a JWS of this type by this key; refuses invalid_report and wrong_key."""
    parts = text.split(".")
    if len(parts) != 3 or not all(map(_is_part, parts)):  # noqa: PLR2004 - RFC 7515 §7.1
        raise _invalid("A compact JWS has three parts of base64url without padding.")
    header = _object(_decoded(parts[0]))
    if not header.keys() <= HEADER or header.get("typ") != typ or header.get("alg") != ALGORITHM:
        raise _invalid(f"The header must have typ {typ}, alg {ALGORITHM}, and no more than kid.")
    if header.get("kid", None if needs_kid else key.thumbprint) != key.thumbprint:
        raise Refusal("wrong_key", "kid is not the thumbprint (RFC 7638) of the key enrolled.")
    try:
        verified = jws.deserialize_compact(text, ECKey.import_key(key.jwk), registry=_REGISTRY)
    except (JoseError, ValueError, TypeError) as error:
        raise Refusal("wrong_key", "The signature is not by the key enrolled.") from error
    return _object(verified.payload)


def _object(content: bytes) -> dict[str, Any]:
    try:
        members = strict_json.parse_object(content)
    except ValueError as error:
        raise _invalid("Header and claims must be plain JSON objects.") from error
    if _is_deep(members):
        raise _invalid("The JSON is nested too deeply.")
    return members


def _is_deep(value: Any, levels: int = MAX_NEST) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deep(one, levels - 1) for one in inner)


def _is_part(value: Any, length: int | None = None) -> bool:
    """Base64url, without padding, in its one spelling."""
    if not isinstance(value, str) or not _PART.fullmatch(value):
        return False
    if length is not None and len(value) != length:
        return False
    try:
        again = base64.urlsafe_b64encode(_decoded(value)).rstrip(b"=").decode()
    except (Refusal, ValueError):
        return False
    return again == value


def _decoded(part: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except binascii.Error as error:
        raise _invalid("A part is no base64url.") from error


def _check_audience(claims: dict[str, Any]) -> None:
    if claims["aud"] != settings.ISSUER:
        raise _invalid(f"aud must be {settings.ISSUER}.")


def _issued_at(claims: dict[str, Any], now: datetime) -> datetime:
    iat = claims["iat"]
    if not _is_whole(iat) or not 0 < iat < MAX_SEQ:
        raise _invalid("iat must be whole seconds since 1970.")
    off = iat - int(now.timestamp())
    if abs(off) > MAX_SKEW.total_seconds():
        where = "ahead of" if off > 0 else "behind"
        raise Refusal("stale", f"iat is {abs(off)} seconds {where} the clock of this server.")
    return datetime.fromtimestamp(iat, UTC)


def _jti(claims: dict[str, Any]) -> str:
    jti = claims["jti"]
    if not isinstance(jti, str) or not 0 < len(jti) <= MAX_JTI_LENGTH or not jti.isprintable():
        raise _invalid(f"jti must be 1 to {MAX_JTI_LENGTH} printable characters.")
    return jti


def _os(value: Any) -> tuple[str, str]:
    if (
        not isinstance(value, dict)
        or not {"name", "version"} <= value.keys() <= {"name", "version", "build"}
        or not all(_is_text(text) for text in value.values())
    ):
        raise _invalid("os has a name, a version, and perhaps a build, each a short text.")
    return value["name"], value["version"]


def _hardware(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not value.keys() <= HARDWARE:
        raise _invalid("hardware has a serial, a uuid, or both.")
    if not all(_is_text(text) for text in value.values()):
        raise _invalid("serial and uuid are short texts.")
    return value


def _found(checks: Any, now: datetime) -> list[Found]:
    if not isinstance(checks, list) or not 0 < len(checks) <= MAX_CHECKS:
        raise _invalid(f"checks must be a list of 1 to {MAX_CHECKS}.")
    found = [_check(check, now) for check in checks]
    if len({check.check_id for check in found}) != len(found):
        raise _invalid("A check is reported twice.")
    return found


def _check(check: Any, now: datetime) -> Found:
    name = check.get("id") if isinstance(check, dict) else None
    if not isinstance(name, str) or name not in CHECK_IDS:
        raise _invalid("A check has an id that this server knows.")
    needed = {"id", "status", "observed_at"}
    if not needed <= check.keys() <= {*needed, "value"}:
        raise _invalid(f"{name} has id, status, observed_at, and perhaps a value.")
    status, value = _status(name, check["status"]), check.get("value")
    if not (value is None or isinstance(value, bool | int | float) or _is_text(value)):
        raise _invalid(f"The value of {name} is a number or a short text.")
    observed_at = _instant(name, check["observed_at"])
    if observed_at > now + MAX_SKEW:
        raise _invalid(f"{name} was observed in the future.")
    days = None
    if name == OS_PATCH_AGE and status is not Status.MISSING:
        if not _is_whole(value) or not 0 <= value <= MAX_PATCH_DAYS:
            raise _invalid(f"The value of {name} is whole days.")
        days = value
    return Found(name, status, min(observed_at, now), days)


def _status(name: str, value: Any) -> Status:
    try:
        return Status(value)
    except ValueError as error:
        raise _invalid(f"The status of {name} is pass, fail or missing.") from error


def _instant(name: str, value: Any) -> datetime:
    try:
        if not isinstance(value, str) or not _INSTANT.fullmatch(value):
            raise ValueError(value)
        return datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise _invalid(f"observed_at of {name} is like 2026-11-30T09:00:00Z.") from error


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= MAX_TEXT_LENGTH and value.isprintable()


def _invalid(detail: str) -> Refusal:
    return Refusal("invalid_report", detail)


def _bad_proof(detail: str) -> Refusal:
    return Refusal("invalid_proof", detail)
