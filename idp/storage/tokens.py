"""Access tokens: what they stand on, and that one was revoked."""

from core.clock import SQL_NOW as NOW
from idp.storage.parts import (
    CALLER,
    CLIENT_COLUMNS,
    FAMILY,
    HELD_COLUMNS,
    PERSON_JOIN,
    PROFILE_COLUMNS,
    PROFILE_JOIN,
    STANDING,
    STANDING_JOINS,
    STANDS,
    held,
)
from sessions.evaluation import FACT_COLUMNS

FIND_PROFILE = f"""
SELECT {PROFILE_COLUMNS} FROM accounts_user u {PROFILE_JOIN} WHERE u.id = %(user)s
"""

FIND_GROUPS = """
SELECT ARRAY(
  SELECT g.name FROM accounts_groupmember gm JOIN accounts_group g ON g.id = gm.group_id
   WHERE gm.user_id = %(user)s ORDER BY g.name) AS groups
"""

# What the authorization endpoint's own tokens stand on: as if a family of this id were there.
FIND_SESSION = f"""
WITH a AS (
  SELECT s.organisation_id, CAST(%(client)s AS uuid) AS client_id, s.user_id, s.id AS session_id,
         CAST(%(scope)s AS text) AS scope, CAST(%(terms)s AS jsonb) AS terms,
         CAST(%(family)s AS uuid) AS family_id, {NOW} + %(lifetime)s AS family_expires_at
    FROM idp_sessions_loginsession s WHERE s.id = %(session)s)
SELECT {STANDING}, {PROFILE_COLUMNS} FROM a {STANDING_JOINS} {PERSON_JOIN}
"""

# All that an access token of a user stands on, in one statement.
FIND_TOKEN = FAMILY.format(
    columns=STANDING,
    joins=f"{STANDING_JOINS} {PERSON_JOIN}",
    more=f"""a.revoked_at,
  {PROFILE_COLUMNS}, c.metadata ->> 'security_profile' AS security_profile,
  c.metadata ?| ARRAY['userinfo_signed_response_alg', 'userinfo_encrypted_response_alg']
    AS userinfo_is_jwt,
  EXISTS (SELECT 1 FROM idp_revokedtoken r WHERE r.jti = %(jti)s) AS is_revoked,
  {CALLER}""",
)

# The same for introspection (RFC 7662), which is asked most often and tells little: neither what
# the client asked for nor who the person is.
FIND_TOKEN_TO_TELL = FAMILY.format(
    columns=f"""
  a.organisation_id, a.scope, a.family_id, a.family_expires_at,
  (SELECT u.email FROM accounts_user u WHERE u.id = s.user_id) AS email,
  {CLIENT_COLUMNS}, {FACT_COLUMNS}""",
    joins=STANDING_JOINS,
    more=f"""a.current, a.revoked_at,
  c.metadata -> 'claim_mappings' AS claim_mappings,
  EXISTS (SELECT 1 FROM idp_revokedtoken r WHERE r.jti = %(jti)s) AS is_revoked,
  {CALLER}""",
)

# What counts from one address only was given to a token from there, which says so itself.
_HELD = held(address="CAST(wr.grant_id AS text) = ANY (CAST(%(grants)s AS text[]))")
FIND_MACHINE_TOKEN = f"""
SELECT c.client_id AS client_name, {STANDS} AS client_is_active,
       c.scopes AS client_scopes, c.organisation_id, {HELD_COLUMNS},
       c.metadata ->> 'security_profile' AS security_profile,
       c.metadata -> 'claim_mappings' AS claim_mappings,
       EXISTS (SELECT 1 FROM idp_revokedtoken r WHERE r.jti = %(jti)s) AS is_revoked,
       {CALLER}
  FROM idp_client c JOIN accounts_organisation o ON o.id = c.organisation_id {_HELD}
 WHERE c.id = %(client)s
"""

REVOKE_TOKEN = """
INSERT INTO idp_revokedtoken (jti, expires_at) VALUES (%(jti)s, %(expires_at)s)
ON CONFLICT (jti) DO NOTHING RETURNING jti
"""
