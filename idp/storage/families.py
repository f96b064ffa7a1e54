"""Refresh families: found, rotated, kept, revoked."""

from datetime import timedelta

from audit import recorder
from audit.events import Event
from core.clock import SQL_NOW as NOW
from idp.storage.parts import AUTHORIZED, AUTHORIZED_JOINS, BY_CLIENT, FAMILY, TOUCH

_ROTATED = recorder.branch(
    Event.REFRESH_TOKEN_ROTATED,
    facts="jsonb_build_object("
    "'family', a.family_id, 'generation', a.generation, 'is_retry', false)",
    **BY_CLIENT,
)
_USED = recorder.branch(
    Event.REFRESH_TOKEN_USED,
    facts="jsonb_build_object('family', a.family_id, 'generation', a.generation)",
    **BY_CLIENT,
)

# RFC 6749 §6, RFC 9700 §4.14.2: rotation, expiry, client binding and revocation in one statement,
# which is a transaction by itself. What policy judged was read a moment before (FIND_FAMILY): a
# session that ends in between is found at the next use, as if it had ended a moment later. What it
# gives is the moment in the audit trail, if the token was the live one, and whether it was a use of
# the session that was written down.
_ROTATE = """
WITH a AS (
  UPDATE idp_refreshfamily
     SET previous = current, current = %(new)s, successor_sealed = %(sealed)s,
         generation = generation + 1, rotated_at = {now}
   WHERE id = %(family)s AND current = %(presented)s AND client_id = %(client)s
     AND issues_refresh AND revoked_at IS NULL AND expires_at > {now} {only_if}
  RETURNING organisation_id, client_id, user_id, session_id, id AS family_id, generation){touched}
{written} RETURNING at AS now, {is_touched} AS is_touched"""


def _rotation(*, only_if: str = "", touches: bool = False) -> str:
    return _ROTATE.format(
        now=NOW,
        only_if=only_if,
        touched=f", {TOUCH}" if touches else "",
        written=_ROTATED,
        is_touched="EXISTS (SELECT FROM touched)" if touches else "FALSE",
    )


ROTATE, ROTATE_AND_TOUCH = _rotation(), _rotation(touches=True)

# FAPI 2.0 Security Profile §5.3.2.1: no rotation. The same conditions and audit row, and the token
# stays.
_KEEP = f"""
WITH a AS (
  UPDATE idp_refreshfamily
     SET rotated_at = {NOW}
   WHERE id = %(family)s AND current = %(presented)s AND client_id = %(client)s
     AND issues_refresh AND revoked_at IS NULL AND expires_at > {NOW}
  RETURNING organisation_id, client_id, user_id, session_id, id AS family_id, generation)"""
KEEP = f"{_KEEP} {_USED} RETURNING id"
KEEP_AND_TOUCH = f"{_KEEP}, {TOUCH} {_USED} RETURNING id"

# What may change of that on which a family stands, in the order of the text `standing`. Two moments
# only move on, and nothing gets worse by it: they may be later (`_IS_AS_SEEN`).
STANDS_ON = (
    "scope", "terms", "client_changed_at", "policy_revision", "user_is", "session_is_ended",
    "session_started_at", "session_expires_at", "acr", "amr", "auth_time", "binding", "risk_level",
    "user_risk", "device", "address_has_changed", "locks", "held_roles",
)  # fmt: skip
MOVES_ON = ("last_used_at", "proven_at")
_STANDING = f"CAST(ROW({', '.join(f'f.{name}' for name in STANDS_ON)}) AS text)"
_FAMILY = FAMILY.format(
    columns=AUTHORIZED,
    joins=f"{AUTHORIZED_JOINS} WHERE a.revoked_at IS NULL",
    more="a.current, a.previous, a.successor_sealed, a.generation, a.rotated_at",
)

# The family of a refresh token, unless it is revoked, and all that it stands on. It locks nothing:
# what is done about it is a conditional update of its own, and many may ask for a lost answer.
FIND_FAMILY = f"SELECT f.*, {_STANDING} AS standing FROM ({_FAMILY} OFFSET 0) f"

# The same rotation where policy has judged what was read at an earlier use: it is done only if all
# of that is so still, and it was judged as of a moment that has not come yet: at most twice the
# leeway away, half of which is what a clock may be late (`idp.grants.seen`).
LEEWAY = timedelta(seconds=1)
_IS_AS_SEEN = f"""
     AND {NOW} <= %(judged_as_of)s
     AND {NOW} >= %(judged_as_of)s - interval '{2 * LEEWAY.seconds} seconds'
     AND %(standing)s = (
       SELECT {_STANDING} FROM ({_FAMILY} OFFSET 0) f
        WHERE f.last_used_at >= %(last_used_at)s
          AND (f.proven_at >= %(proven_at)s OR (
               f.proven_at IS NULL AND CAST(%(proven_at)s AS timestamptz) IS NULL)))"""
ROTATE_AS_SEEN = _rotation(only_if=_IS_AS_SEEN)
ROTATE_AS_SEEN_AND_TOUCH = _rotation(only_if=_IS_AS_SEEN, touches=True)

REVOKE_FAMILY = f"""
UPDATE idp_refreshfamily SET revoked_at = {NOW}, revoke_reason = %(reason)s
 WHERE id = %(family)s AND revoked_at IS NULL
RETURNING organisation_id, user_id, session_id, client_id
"""
