"""Applications behind proxies: what a request stands on, and how a browser comes to be known there.

A check is one statement and always finds the application, if there is one: with the login session
of the cookie that was shown, all that policy looks at, and what is told of the person; or alone.
"""

from audit import recorder
from audit.events import Event
from core.clock import SQL_NOW as NOW
from idp.storage.parts import STANDS
from sessions import rights
from sessions.evaluation import FACT_COLUMNS, session

# By the names of roles, what they allow to resources of the types that the rules name.
_PERMISSIONS = """CASE WHEN c.resource_types = '{}' THEN NULL ELSE (
    SELECT jsonb_object_agg(held.name, held.permissions) FROM (
     SELECT allowed.name, jsonb_object_agg(allowed.type, allowed.actions) AS permissions FROM (
       SELECT r.name, rp.resource_type AS type, jsonb_agg(rp.action) AS actions
         FROM accounts_rolepermission rp JOIN accounts_role r ON r.id = rp.role_id
        WHERE rp.organisation_id = c.organisation_id
          AND rp.resource_type = ANY (c.resource_types || CAST('{*}' AS varchar[]))
        GROUP BY r.name, rp.resource_type) allowed
      GROUP BY allowed.name) held) END"""

# An application by its host; and of a session all that policy looks at, and what is told of it.
_APPLICATION = f"""
  SELECT c.id, c.client_id, c.organisation_id, c.signing_alg, c.required_acr, c.required_tier,
         {STANDS} AS client_is_active, h.origin, h.rules, h.resource_types
    FROM idp_proxiedhost h
    JOIN idp_client c ON c.id = h.client_id
    JOIN accounts_organisation o ON o.id = c.organisation_id"""
_TOLD_OF_APPLICATION = f"""
  c.id AS proxied_client_id, c.client_id AS client_name, c.signing_alg, c.required_acr,
  c.required_tier, c.client_is_active, c.rules, {_PERMISSIONS} AS permissions"""
_TOLD_OF_PERSON = f"""
  u.email, u.name,
  (SELECT o.slug FROM accounts_organisation o WHERE o.id = s.organisation_id) AS organisation,
  ARRAY(SELECT g.name FROM accounts_groupmember gm JOIN accounts_group g ON g.id = gm.group_id
         WHERE gm.user_id = u.id ORDER BY g.name) AS groups,
  dated.*, {FACT_COLUMNS}"""
_PERSON = """JOIN accounts_user u ON u.id = s.user_id
  LEFT JOIN devices_browser b ON b.id = s.browser_id"""

FIND_PROXIED = f"""
WITH c AS ({_APPLICATION} WHERE h.origin = %(origin)s)
SELECT {_TOLD_OF_APPLICATION}, found.*
  FROM c LEFT JOIN LATERAL (
    SELECT f.id AS forward_id, f.ends_at AS forward_ends_at, f.seen_from,
           COALESCE(f.last_used_at, f.created_at) AS forward_last_used_at, {_TOLD_OF_PERSON}
      FROM idp_forwardsession f
     CROSS JOIN LATERAL {session("s.id = f.session_id")}
      {_PERSON}
     CROSS JOIN LATERAL ({rights.DATED}) dated
     WHERE f.digest = %(digest)s AND f.client_id = c.id AND f.origin = c.origin
       AND f.ended_at IS NULL AND f.ends_at > {NOW}) found ON true
"""

# The same before there is a cookie, of a session of the application's own organisation.
FIND_FOR_SIGN_IN = f"""
WITH c AS ({_APPLICATION} WHERE h.id = %(host)s)
SELECT {_TOLD_OF_APPLICATION}, {_TOLD_OF_PERSON}
  FROM c CROSS JOIN LATERAL
       {session("s.id = %(session)s AND s.organisation_id = c.organisation_id")}
  {_PERSON}
 CROSS JOIN LATERAL ({rights.DATED}) dated
"""

# Which application is at an origin; no more of it than a sign-in needs.
FIND_PROXIED_HOST = f"""
SELECT c.id AS client_id, c.client_id AS client_name, {STANDS} AS client_is_active
  FROM idp_proxiedhost h
  JOIN idp_client c ON c.id = h.client_id
  JOIN accounts_organisation o ON o.id = c.organisation_id
 WHERE h.origin = %(origin)s
"""

_BY_PERSON = {
    "source": "a",
    "actor": "'accounts.User:' || a.user_id",
    "subject": "'idp.Client:' || a.client_id",
    "now": NOW,
}
_SIGNED_IN = recorder.branch(
    Event.FORWARD_AUTH_SIGNED_IN,
    facts="jsonb_build_object('origin', a.origin, 'forward_session', a.id)",
    **_BY_PERSON,
)
_SIGNED_OUT = recorder.branch(
    Event.FORWARD_AUTH_SIGNED_OUT,
    facts="jsonb_build_object('origin', a.origin, 'forward_session', a.id)",
    **_BY_PERSON,
)
_REFUSED = recorder.branch(
    Event.FORWARD_AUTH_REFUSED,
    facts="jsonb_build_object('origin', a.origin, 'forward_session', a.id,"
    " 'reasons', CAST(%(reasons)s AS jsonb), 'decision_id', CAST(%(decision_id)s AS text),"
    " 'policy_revision', CAST(%(revision)s AS text))",
    **_BY_PERSON,
)

# Since the person took the access back, for `s`: nobody comes in again by an older proof.
_WITHDRAWN = """EXISTS (
    SELECT 1 FROM idp_forwardsession w
      JOIN idp_sessions_loginsession ws ON ws.id = w.session_id
     WHERE w.client_id = used.client_id AND ws.user_id = s.user_id
       AND w.withdrawn_at >= s.auth_time)"""

# Single use, browser, host and expiry in one statement, which makes the session of that host and
# ends the one whose cookie the browser had there before.
REDEEM_FORWARD_CODE = f"""
WITH used AS (
  UPDATE idp_forwardcode
     SET used_at = {NOW}
   WHERE digest = %(digest)s AND origin = %(origin)s AND challenge = %(challenge)s
     AND used_at IS NULL AND expires_at > {NOW}
  RETURNING organisation_id, client_id, session_id, origin, return_path),
former AS (
  UPDATE idp_forwardsession f SET ended_at = {NOW}
    FROM used
   WHERE f.digest = %(former)s AND f.client_id = used.client_id AND f.ended_at IS NULL),
a AS (
  SELECT used.*, CAST(%(id)s AS uuid) AS id, s.user_id,
         LEAST({NOW} + %(lifetime)s, s.expires_at) AS ends_at
    FROM used JOIN idp_sessions_loginsession s ON s.id = used.session_id
   WHERE s.ended_at IS NULL AND s.expires_at > {NOW} AND NOT {_WITHDRAWN}),
born AS (
  INSERT INTO idp_forwardsession
    (id, digest, organisation_id, client_id, session_id, origin, seen_from, created_at, ends_at)
  SELECT id, %(cookie)s, organisation_id, client_id, session_id, origin, %(seen_from)s, {NOW},
         ends_at
    FROM a),
written AS ({_SIGNED_IN})
SELECT return_path FROM a
"""

END_FORWARD_SESSION = f"""
WITH ended AS (
  UPDATE idp_forwardsession SET ended_at = {NOW}
   WHERE digest = %(digest)s AND origin = %(origin)s AND ended_at IS NULL
  RETURNING id, organisation_id, client_id, session_id, origin),
a AS (
  SELECT ended.*, s.user_id
    FROM ended JOIN idp_sessions_loginsession s ON s.id = ended.session_id),
written AS ({_SIGNED_OUT})
SELECT id FROM a
"""

# Once a minute at most: a browser that asks on and on leaves a line, not thousands.
NOTE_FORWARD_REFUSAL = f"""
WITH noted AS (
  UPDATE idp_forwardsession SET refused_at = {NOW}
   WHERE id = %(id)s
     AND (refused_at IS NULL OR refused_at <= {NOW} - interval '1 minute')
  RETURNING id, organisation_id, client_id, session_id, origin),
a AS (
  SELECT noted.*, s.user_id
    FROM noted JOIN idp_sessions_loginsession s ON s.id = noted.session_id),
written AS ({_REFUSED})
SELECT id FROM a
"""

# Both that the application was used, and that the person is there.
TOUCH_FORWARDED = f"""
WITH used AS (
  UPDATE idp_forwardsession SET last_used_at = {NOW}
   WHERE id = %(id)s AND ended_at IS NULL
     AND COALESCE(last_used_at, created_at) < {NOW} - interval '60 seconds')
UPDATE idp_sessions_loginsession SET last_used_at = {NOW}
 WHERE id = %(session)s AND ended_at IS NULL
   AND last_used_at < {NOW} - interval '60 seconds'
RETURNING id
"""
