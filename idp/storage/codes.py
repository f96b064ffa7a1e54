"""Authorization codes."""

from audit import recorder
from audit.events import Event
from core.clock import SQL_NOW as NOW
from idp.storage.parts import AUTHORIZED, AUTHORIZED_JOINS, BY_CLIENT, TOUCH

_REDEEMED = recorder.branch(
    Event.CODE_REDEEMED,
    facts="jsonb_build_object('family', a.family_id, 'scope', a.scope)",
    **BY_CLIENT,
)

# RFC 6749 §4.1.2, RFC 7636 §4.6: single use, client, redirect_uri and verifier in one statement,
# which counts a wrong verifier as well: under the row's lock nobody gets one guess more.
MAX_WRONG_VERIFIERS = 3
REDEEM_CODE = f"""
WITH tried AS (
  UPDATE idp_authorizationcode
     SET used_at = CASE WHEN challenge = %(challenge)s THEN {NOW} END,
         family_id = CASE WHEN challenge = %(challenge)s THEN CAST(%(family)s AS uuid) END,
         wrong_verifiers = wrong_verifiers + CASE WHEN challenge = %(challenge)s THEN 0 ELSE 1 END
   WHERE digest = %(digest)s AND client_id = %(client)s AND redirect_uri = %(redirect_uri)s
     AND used_at IS NULL AND expires_at > {NOW}
     AND wrong_verifiers < {MAX_WRONG_VERIFIERS}
  RETURNING organisation_id, client_id, user_id, session_id, scope, terms, nonce, family_id,
            used_at),
a AS (
  SELECT organisation_id, client_id, user_id, session_id, scope, terms, nonce, family_id,
         used_at + %(lifetime)s AS family_expires_at
    FROM tried WHERE used_at IS NOT NULL),
born AS (
  INSERT INTO idp_refreshfamily
    (id, organisation_id, client_id, user_id, session_id, scope, terms, issues_refresh, current,
     generation, created_at, expires_at, revoke_reason)
  SELECT family_id, organisation_id, client_id, user_id, session_id, scope,
         (terms - 'dpop_jkt') || CAST(%(bound_to)s AS jsonb), %(issues_refresh)s,
         %(current)s, 0, {NOW}, family_expires_at, ''
    FROM a),
written AS ({_REDEEMED}),
{TOUCH}
SELECT {AUTHORIZED}, a.nonce FROM a {AUTHORIZED_JOINS}
"""

FIND_CODE = """
SELECT client_id, organisation_id, user_id, session_id, used_at, family_id, wrong_verifiers
  FROM idp_authorizationcode WHERE digest = %(digest)s
"""
