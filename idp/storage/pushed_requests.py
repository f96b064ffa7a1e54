"""Pushed authorization requests."""

from core.clock import SQL_NOW as NOW
from idp.storage.parts import STANDS

# RFC 9126: kept if the client is still the one that was authenticated.
_PUSH = f"""
WITH c AS (
  SELECT c.id, c.organisation_id, c.changed_at
    FROM idp_client c JOIN accounts_organisation o ON o.id = c.organisation_id
   WHERE c.id = %(client)s AND c.changed_at = %(changed_at)s AND {STANDS}),
{{used}}
kept AS (
  INSERT INTO idp_pushedrequest
    (digest, organisation_id, client_id, parameters, created_at, expires_at)
  SELECT %(digest)s, organisation_id, id, CAST(%(parameters)s AS jsonb), {{now}},
         {{now}} + %(lifetime)s
    FROM {{source}}
  RETURNING 1)
SELECT changed_at, EXISTS (SELECT 1 FROM kept) AS is_kept FROM c
"""
PUSH_REQUEST = _PUSH.format(now=NOW, used="", source="c")
# It came in a request object that is good once: used up by the same statement, or not kept either.
PUSH_REQUEST_ONCE = _PUSH.format(
    now=NOW,
    used="""used AS (
  INSERT INTO idp_usedassertion (digest, expires_at)
  SELECT %(used)s, %(used_until)s FROM c
  ON CONFLICT (digest) DO NOTHING RETURNING 1),""",
    source="c CROSS JOIN used",
)
