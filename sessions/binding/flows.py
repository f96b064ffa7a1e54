"""Binding a session to a key, and proving that the key is still there.

Nothing here makes a session live longer: a proof is no activity of its user.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Least
from django.utils.crypto import salted_hmac

from audit.events import Event
from audit.recorder import record
from core import clock, prepared
from core.clock import SQL_NOW as NOW
from core.errors import Refusal
from core.ids import digest, equal, new_token
from sessions.binding import challenges, cookie
from sessions.binding.challenges import Purpose
from sessions.binding.cookie import Shown
from sessions.binding.proof import Expected, Signed, read_proof, read_registration
from sessions.models import Binding, BindingChallenge, BoundKey, LoginSession

REGISTRATION_WINDOW = timedelta(minutes=10)
FIRST_COOKIE_WINDOW = timedelta(seconds=30)
ON_ITS_WAY = timedelta(seconds=10)
ANSWER_WINDOW = timedelta(seconds=2)
REFUSALS_WRITTEN = timedelta(minutes=1)


# A proof in one statement: its challenge is used up, the cookie changes, the session is proven now.
# A cookie that was never shown leaves the one before it: the browser may still have that.
PROVE = f"""
WITH claimed AS (
  UPDATE idp_sessions_bindingchallenge c SET used_at = {NOW}
   WHERE c.digest = %(challenge)s AND c.session_id = %(session)s AND c.purpose = 'proof'
     AND c.used_at IS NULL AND c.expires_at > {NOW}
  RETURNING c.session_id),
rotated AS (
  UPDATE idp_sessions_boundkey k
     SET former_digest =
           CASE WHEN k.cookie_seen_at IS NULL THEN k.former_digest ELSE k.cookie_digest END,
         former_ends_at =
           CASE WHEN k.cookie_seen_at IS NULL THEN k.former_ends_at ELSE k.cookie_ends_at END,
         cookie_digest = %(cookie)s, cookie_ends_at = %(cookie_ends_at)s,
         cookie_seen_at = NULL, cookie_seen_from = %(seen_from)s
    FROM claimed
   WHERE k.id = %(key)s AND k.session_id = claimed.session_id
  RETURNING k.session_id)
UPDATE idp_sessions_loginsession s SET proven_at = %(now)s
  FROM rotated
 WHERE s.id = rotated.session_id AND s.ended_at IS NULL
RETURNING s.id
"""


# What a refresh needs of the key and of its session: columns in the order of their models.
_OF_KEY = ("id", "organisation_id", "session_id", "kind", "public_jwk")
_OF_SESSION = (
    "id", "organisation_id", "user_id", "last_used_at", "expires_at", "ended_at", "outcome",
    "evaluated_at",
)  # fmt: skip
FIND_KEY = f"""
SELECT {", ".join(f"k.{name} AS k_{name}" for name in _OF_KEY)},
       {", ".join(f"s.{name} AS s_{name}" for name in _OF_SESSION)}
  FROM idp_sessions_boundkey k JOIN idp_sessions_loginsession s ON s.id = k.session_id
 WHERE k.id = %(key)s AND k.kind = %(kind)s
"""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a browser needs in order to register a key for DBSC."""

    challenge: str
    authorization: str


def may_register(session: LoginSession, now: datetime) -> bool:
    """Whether a browser may be asked to register a key: soon after signing in or step-up.

    Later, whoever has copied the cookies meanwhile could bind the session to a key of their own.
    """
    return (
        settings.SESSION_BINDING != "off"
        and session.ended_at is None
        and now - session.auth_time <= REGISTRATION_WINDOW
    )


def offer_registration(*, session: LoginSession, now: datetime) -> Offer | None:
    """An offer for a session that is not bound yet, unless it has just had one.

    One that is being answered counts as well: a page that began before would offer it again.
    """
    if session.binding or not may_register(session, now):
        return None
    if challenges.is_recent(session=session, purpose=Purpose.REGISTRATION, now=now):
        return None
    challenge = challenges.issue(session=session, purpose=Purpose.REGISTRATION, now=now)
    return Offer(challenge, authorization_of(session, challenge))


def was_just_offered(*, session: LoginSession, now: datetime) -> bool:
    """Whether a browser that speaks DBSC may be about to answer."""
    latest = BindingChallenge.unscoped.filter(
        session=session, purpose=Purpose.REGISTRATION, used_at=None
    ).order_by("-expires_at")
    ends_at = latest.values_list("expires_at", flat=True).first()
    return ends_at is not None and ends_at - challenges.LIFETIME > now - ANSWER_WINDOW


def find_key(identifier: str, *, kind: Binding) -> BoundKey | None:
    """The key of a session identifier, with its session; both only as far as a refresh needs them.

    By a prepared statement, since browsers ask every few minutes. What else of the two is asked
    for is read then.
    """
    try:
        key_id = UUID(identifier)
    except ValueError:
        return None
    row = prepared.first(FIND_KEY, {"key": key_id, "kind": kind.value})
    if row is None:
        return None
    key = BoundKey.from_db(None, _OF_KEY, [row[f"k_{name}"] for name in _OF_KEY])
    key.session = LoginSession.from_db(
        None, _OF_SESSION, [row[f"s_{name}"] for name in _OF_SESSION]
    )
    return key


def authorization_of(session: LoginSession, challenge: str) -> str:
    """What an answer to this offer repeats: 64 hexadecimal digits that only we can make."""
    told = f"{session.id}:{challenge}"
    return salted_hmac("sessions.binding.registration", told, algorithm="sha256").hexdigest()


def bind_session(
    *,
    session: LoginSession,
    text: str,
    kind: Binding,
    audience: str,
    shown: Shown,
    now: datetime,
    seen_from: bytes = b"",
) -> tuple[BoundKey, str]:
    """Bind a session to the key that has signed its registration; gives its first bound cookie.

    shown: what the request shows of a bound cookie. seen_from: as for `prove_key`. A session that
    is bound stays with its key, but that a key of DBSC may follow upon one of WebCrypto, in the
    browser that has that. To register the same key again is to prove it.
    Refuses invalid_proof, stale_challenge, not_allowed and conflict.
    """
    try:
        signed = read_registration(text, Expected(kind, audience))
        if kind == Binding.DBSC:
            _check_authorization(session, signed)
        challenges.claim(signed.challenge, session=session, purpose=Purpose.REGISTRATION)
        return _bind(
            session=session,
            signed=signed,
            kind=kind,
            shown=shown,
            now=now,
            seen_from=seen_from,
        )
    except Refusal as refusal:
        refuse(session=session, kind=kind, step="registration", reason=refusal.code, now=now)
        raise


def prove_key(
    *, key: BoundKey, text: str, audience: str, now: datetime, seen_from: bytes = b""
) -> str:
    """Take a proof by the session's key; gives the new bound cookie, which ends the former one.

    seen_from: a digest of whence the page came that asks for it, and shows it from now on. Empty:
    the browser itself asks, and the first request that shows it says so.

    The former value ends when the new one is first shown, but for requests on their way: an answer
    that is lost on the way leaves the browser with what it has. Refuses invalid_proof and
    stale_challenge.
    """
    session = key.session
    value = new_token()
    try:
        expected = Expected(Binding(key.kind), audience, str(key.id))
        signed = read_proof(text, key.public_jwk, expected)
        params: dict[str, Any] = {
            "challenge": digest(signed.challenge),
            "session": session.id,
            "key": key.id,
            "cookie": digest(value),
            "cookie_ends_at": now + cookie.LIFETIME,
            "seen_from": seen_from,
            "now": now,
            "clock_offset": clock.offset(),
        }
        if prepared.one(PROVE, params) is None:
            raise challenges.stale()
    except Refusal as refusal:
        refuse(session=session, kind=key.kind, step="proof", reason=refusal.code, now=now)
        raise
    return value


def see_cookie(*, key: BoundKey, seen_from: bytes, now: datetime) -> None:
    """Note that the browser has the current cookie, and whence: the former one ends now.

    seen_from: a digest of whence the request came. Only the first request that shows it counts,
    and none from elsewhere where that is known from the proof.
    """
    if key.cookie_seen_at is not None or bytes(key.cookie_seen_from) not in {b"", seen_from}:
        return
    first = BoundKey.unscoped.filter(
        id=key.id,
        cookie_digest=key.cookie_digest,
        cookie_seen_at=None,
        cookie_seen_from__in=[b"", seen_from],
    ).update(
        cookie_seen_at=now,
        cookie_seen_from=seen_from,
        former_ends_at=Least(F("former_ends_at"), now + ON_ITS_WAY),
    )
    if first:
        key.cookie_seen_at, key.cookie_seen_from = now, seen_from
    else:
        key.refresh_from_db(fields=["cookie_seen_at", "cookie_seen_from"])


@transaction.atomic
def refuse_cookie(*, key: BoundKey, reason: str, now: datetime) -> None:
    """Write down that a request was refused for its bound cookie, at most once a minute."""
    unwritten = Q(refused_at=None) | Q(refused_at__lt=now - REFUSALS_WRITTEN)
    if BoundKey.unscoped.filter(unwritten, id=key.id).update(refused_at=now):
        refuse(session=key.session, kind=key.kind, step="request", reason=reason, now=now)


def refuse(*, session: LoginSession, kind: str, step: str, reason: str, now: datetime) -> None:
    record(
        Event.BINDING_REFUSED,
        organisation_id=session.organisation_id,
        actor=f"accounts.User:{session.user_id}",
        subject=session,
        session_id=session.id,
        now=now,
        kind=kind,
        step=step,
        reason=reason,
    )


def judge_cookie(key: BoundKey, value: str, now: datetime) -> Shown:
    """What a bound cookie, "" for none, is to this key."""
    return cookie.judge(
        value,
        current=bytes(key.cookie_digest),
        former=bytes(key.former_digest),
        is_current=now < key.cookie_ends_at,
        is_former=now < key.former_ends_at,
    )


def _check_authorization(session: LoginSession, signed: Signed) -> None:
    if not equal(signed.authorization, authorization_of(session, signed.challenge)):
        raise Refusal.not_allowed("The registration answers no offer of this session.")


@transaction.atomic
def _bind(
    *,
    session: LoginSession,
    signed: Signed,
    kind: Binding,
    shown: Shown,
    now: datetime,
    seen_from: bytes,
) -> tuple[BoundKey, str]:
    locked = LoginSession.unscoped.select_for_update().get(id=session.id)
    if locked.ended_at is not None:
        raise Refusal.not_allowed("The session is over.")
    former, former_ends_at = digest(""), now + FIRST_COOKIE_WINDOW
    before = BoundKey.unscoped.filter(session=locked).first()
    if before is not None:
        is_same = before.thumbprint == signed.thumbprint  # whose first answer was lost
        is_its_browser = shown in {Shown.CURRENT, Shown.FORMER}
        follows = is_its_browser and (before.kind, kind) == (Binding.WEBCRYPTO, Binding.DBSC)
        if not (is_same and before.kind == kind) and not follows:
            raise Refusal.conflict("The session is bound to a key.")
        former, former_ends_at = bytes(before.cookie_digest), before.cookie_ends_at
        before.delete()
    value = new_token()
    key = BoundKey.objects.create(
        organisation_id=locked.organisation_id,
        session=locked,
        kind=kind,
        public_jwk=signed.public_jwk,
        thumbprint=signed.thumbprint,
        registered_at=now,
        cookie_digest=digest(value),
        cookie_ends_at=now + cookie.LIFETIME,
        former_digest=former,
        former_ends_at=former_ends_at,
        cookie_seen_from=seen_from,
    )
    locked.binding, locked.proven_at = kind, now
    locked.save(update_fields=["binding", "proven_at"])
    record(
        Event.BINDING_REGISTERED,
        organisation_id=locked.organisation_id,
        actor=f"accounts.User:{locked.user_id}",
        subject=locked,
        session_id=locked.id,
        now=now,
        kind=kind,
        thumbprint=signed.thumbprint,
    )
    return key, value
