"""Token status lists."""

from access.rights import elevated_roles
from accounts.locks import LIVE
from accounts.rights import counts
from core.clock import SQL_NOW as NOW

# draft-ietf-oauth-status-list: the first free of the places that were drawn, in the open list.
ENLIST_TOKEN = f"""
INSERT INTO idp_listedtoken (list_id, idx, jti, stem, grants, client_id, expires_at)
SELECT l.id, drawn.idx, %(jti)s, %(stem)s, CAST(%(grants)s AS uuid[]), c.id,
       to_timestamp(%(expires)s)
  FROM idp_statuslist l
  JOIN idp_client c ON c.client_id = %(client_id)s
 CROSS JOIN unnest(CAST(%(candidates)s AS int[])) AS drawn (idx)
 WHERE l.alg = %(alg)s AND l.closed_at IS NULL AND l.created_at > {NOW} - %(open_for)s
   AND NOT EXISTS (
     SELECT 1 FROM idp_listedtoken t WHERE t.list_id = l.id AND t.idx = drawn.idx)
 LIMIT 1
ON CONFLICT (list_id, idx) DO NOTHING
RETURNING list_id, idx
"""

# One that is too old, or has none of these places left.
CLOSE_STATUS_LIST = f"""
UPDATE idp_statuslist l SET closed_at = {NOW}
 WHERE l.alg = %(alg)s AND l.closed_at IS NULL
   AND (l.created_at <= {NOW} - %(open_for)s
        OR (SELECT count(*) FROM idp_listedtoken t
             WHERE t.list_id = l.id AND t.idx = ANY(CAST(%(candidates)s AS int[])))
           = cardinality(CAST(%(candidates)s AS int[])))
RETURNING l.id
"""

# The constraint lets one list of an algorithm be open: whoever comes second waits for the first.
OPEN_STATUS_LIST = f"""
INSERT INTO idp_statuslist (id, alg, created_at) VALUES (%(list)s, %(alg)s, {NOW})
ON CONFLICT (alg) WHERE closed_at IS NULL DO NOTHING RETURNING id
"""

_NOTHING_LOCKED = f"""NOT EXISTS (
       SELECT 1 FROM accounts_lock l
        WHERE l.organisation_id = c.organisation_id AND {LIVE}
          AND l.target_type NOT IN ('address', 'role')
          AND l.target = ANY (
            ARRAY[c.client_id, fc.client_id, CAST(f.user_id AS text), CAST(s.id AS text),
                  CAST(d.id AS text)] || CAST(s.credentials AS text[])))"""
_COUNTS = counts(
    "ra",
    session="s.id",
    device="b.device_id",
    address="s.address",
    organisation="ra.organisation_id",
)
# A grant that was taken back before its end, is suspended, or no longer counts for this session.
_NO_GRANT_OVER = f"""(t.grants IS NULL OR NOT EXISTS (
       SELECT 1 FROM unnest(t.grants) AS g (id)
        WHERE NOT EXISTS (
              SELECT 1 FROM accounts_roleassignment ra
               WHERE ra.grant_id = g.id AND ra.user_id = f.user_id AND {_COUNTS})
          AND NOT EXISTS (
              SELECT 1 FROM ({elevated_roles("t.stem", address="TRUE")}) e
               WHERE e.grant_id = CAST(g.id AS text))))"""
# Every place whose token is revoked, by whatever it stands on. An expired one says nothing.
FIND_STATUS_LIST = f"""
SELECT l.alg, {NOW} AS now, ARRAY(
  SELECT t.idx
    FROM idp_listedtoken t
    LEFT JOIN idp_client c ON c.id = t.client_id
    LEFT JOIN accounts_organisation o ON o.id = c.organisation_id
    LEFT JOIN idp_refreshfamily f ON f.id = t.stem
    LEFT JOIN idp_client fc ON fc.id = f.client_id
    LEFT JOIN idp_sessions_loginsession s ON s.id = f.session_id
    LEFT JOIN accounts_user u ON u.id = f.user_id
    LEFT JOIN devices_browser b ON b.id = s.browser_id
    LEFT JOIN devices_device d ON d.id = b.device_id
   WHERE t.list_id = l.id AND t.expires_at > {NOW}
     AND (c.is_active AND o.is_active AND {_NOTHING_LOCKED} AND {_NO_GRANT_OVER}
          AND (t.stem = t.client_id OR (
            f.revoked_at IS NULL AND f.expires_at > {NOW} AND fc.is_active
            AND s.ended_at IS NULL AND s.expires_at > {NOW}
            AND (d.state IN ('lost', 'revoked')) IS NOT TRUE
            AND u.is_active AND u.security_stamp = s.security_stamp))) IS NOT TRUE
   UNION ALL
  SELECT t.idx FROM idp_listedtoken t JOIN idp_revokedtoken r ON r.jti = t.jti
   WHERE t.list_id = l.id AND t.expires_at > {NOW}) AS revoked
  FROM idp_statuslist l WHERE l.id = %(list)s
"""

FIND_STATUS_LISTS = f"""
SELECT ARRAY(
  SELECT id FROM idp_statuslist
   WHERE created_at > {NOW} - %(open_for)s - %(kept_for)s
     AND (closed_at IS NULL OR closed_at > {NOW} - %(kept_for)s)
   ORDER BY created_at) AS ids
"""
