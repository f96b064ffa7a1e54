"""What a client that follows the policy stands on, and which revision counts."""

from core.clock import SQL_NOW as NOW
from idp.storage.parts import STANDS
from policy.versions import ACTIVE_REVISION as _ACTIVE_REVISION

FIND_ACTIVE_POLICY = f"""
SELECT c.client_id AS client_name, {STANDS} AS client_is_active, c.scopes AS client_scopes,
       c.metadata ->> 'security_profile' AS security_profile,
       EXISTS (SELECT 1 FROM idp_revokedtoken r WHERE r.jti = %(jti)s) AS is_revoked,
       {_ACTIVE_REVISION} AS policy_revision, {NOW} AS now
  FROM idp_client c JOIN accounts_organisation o ON o.id = c.organisation_id
 WHERE c.id = %(client)s
"""
