"""Requests that a client polls about: device authorization and backchannel authentication."""

from audit import recorder
from audit.events import Event
from core.clock import SQL_NOW as NOW
from idp.storage.parts import AUTHORIZED, AUTHORIZED_JOINS, BY_CLIENT, STANDS, TOUCH

_DEVICE_STARTED = recorder.branch(
    Event.DEVICE_AUTHORIZATION_STARTED,
    source="new",
    actor="'idp.Client:' || new.client_id",
    subject="'idp.Client:' || new.client_id",
    facts="jsonb_build_object('scope', new.scope, 'user_agent', new.user_agent)",
    now=NOW,
)

# RFC 8628 §3.2: what a device asks for, if its client is still the one that was authenticated and
# no other device has this user code.
START_DEVICE = f"""
WITH c AS (
  SELECT c.id, c.organisation_id
    FROM idp_client c JOIN accounts_organisation o ON o.id = c.organisation_id
   WHERE c.id = %(client)s AND c.changed_at = %(changed_at)s AND {STANDS}),
new AS (
  INSERT INTO idp_deviceauthorization
    (digest, user_code_digest, user_code_head, organisation_id, client_id, scope, address,
     user_agent, interval_seconds, wrong_tries, created_at, expires_at)
  SELECT %(digest)s, %(user_code_digest)s, %(user_code_head)s, organisation_id, id, %(scope)s,
         CAST(%(address)s AS inet), %(user_agent)s, %(interval)s, 0, {NOW}, {NOW} + %(lifetime)s
    FROM c
  ON CONFLICT (user_code_digest) DO NOTHING
  RETURNING organisation_id, client_id, session_id, scope, user_agent),
written AS ({_DEVICE_STARTED})
SELECT EXISTS (SELECT 1 FROM new) AS is_new FROM c
"""


def _poll(table: str) -> str:
    """One poll. Whoever asks too soon while nobody has answered has to wait longer."""
    return f"""
UPDATE {table} d
   SET last_polled_at = {NOW},
       interval_seconds = CASE
         WHEN d.approved_at IS NULL
              AND o.last_polled_at > {NOW} - o.interval_seconds * interval '1 second'
         THEN LEAST(o.interval_seconds + %(slow_down)s, 600)
         ELSE o.interval_seconds END
  FROM (SELECT digest, last_polled_at, interval_seconds FROM {table}
         WHERE digest = %(digest)s AND client_id = %(client)s FOR UPDATE) o
 WHERE d.digest = o.digest
RETURNING d.approved_at, d.denied_at, d.used_at, d.expires_at, {NOW} AS now,
          o.last_polled_at AS polled_before, o.interval_seconds AS asked_interval
"""


def _redeem_approved(table: str, event: Event, *, terms: str) -> str:
    """Single use, client, approval and expiry in one statement. terms: jsonb over the row."""
    redeemed = recorder.branch(
        event, facts="jsonb_build_object('family', a.family_id, 'scope', a.scope)", **BY_CLIENT
    )
    return f"""
WITH used AS (
  UPDATE {table}
     SET used_at = {NOW}, family_id = %(family)s
   WHERE digest = %(digest)s AND client_id = %(client)s AND approved_at IS NOT NULL
     AND denied_at IS NULL AND used_at IS NULL AND expires_at > {NOW}
  RETURNING organisation_id, client_id, user_id, session_id, scope, {terms} AS terms),
born AS (
  INSERT INTO idp_refreshfamily
    (id, organisation_id, client_id, user_id, session_id, scope, terms, issues_refresh, current,
     generation, created_at, expires_at, revoke_reason)
  SELECT %(family)s, organisation_id, client_id, user_id, session_id, scope,
         terms || CAST(%(bound_to)s AS jsonb), %(issues_refresh)s,
         %(current)s, 0, {NOW}, {NOW} + %(lifetime)s, ''
    FROM used),
a AS (
  SELECT used.*, CAST(%(family)s AS uuid) AS family_id,
         {NOW} + %(lifetime)s AS family_expires_at
    FROM used),
written AS ({redeemed}),
{TOUCH}
SELECT {AUTHORIZED} FROM a {AUTHORIZED_JOINS}
"""


def _find_polled(table: str) -> str:
    return f"""
SELECT client_id, organisation_id, user_id, session_id, used_at, family_id
  FROM {table} WHERE digest = %(digest)s
"""


# RFC 8628 §3.4, §3.5.
POLL_DEVICE = _poll("idp_deviceauthorization")
REDEEM_DEVICE = _redeem_approved(
    "idp_deviceauthorization", Event.DEVICE_AUTHORIZATION_REDEEMED, terms="CAST('{}' AS jsonb)"
)
FIND_DEVICE = _find_polled("idp_deviceauthorization")

# CIBA Core 1.0 §10.1, §11.
POLL_BACKCHANNEL = _poll("idp_backchannelauthentication")
REDEEM_BACKCHANNEL = _redeem_approved(
    "idp_backchannelauthentication", Event.BACKCHANNEL_AUTHENTICATION_REDEEMED, terms="terms"
)
FIND_BACKCHANNEL = _find_polled("idp_backchannelauthentication")
