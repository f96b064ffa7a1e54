"""What statements share: the client, the session and the family that a token stands on."""

from datetime import timedelta

from access.rights import elevated_roles
from accounts.locks import is_locked
from accounts.models import LockTarget
from core.clock import SQL_NOW as NOW
from core.prepared import Row
from sessions.evaluation import FACT_COLUMNS, session

# A client that is locked gets and asks nothing. Where a person stands behind the token, policy says
# so (`sessions.evaluation`); these are for the client itself, by its alias.
_CLIENT_LOCKED = is_locked(LockTarget.CLIENT, "c.client_id", organisation="c.organisation_id")
STANDS = f"c.is_active AND o.is_active AND NOT {_CLIENT_LOCKED}"
CALLER = f"""(SELECT c.changed_at FROM idp_client c
    WHERE c.id = %(caller)s AND NOT {_CLIENT_LOCKED}) AS caller_changed_at"""

# Roles of a workload, by its alias `c`: those that it holds, and those that grants give it. A role
# that is had twice is the one that lasts longer. What only people can hold is nothing for it.
_ROLE_LOCKED = is_locked(LockTarget.ROLE, "CAST(r.id AS text)", organisation="r.organisation_id")


def held(*, address: str, bound: str = "FALSE") -> str:
    """What it holds as `held`: roles, and when the first of them ends.

    grants, grants_end_at: of those roles that grants give. live_grants: all that count.
    conditional: what else it holds where its conditions do, for `idp.clients.elevated` to judge.
    address: as `access.rights.elevated_roles` takes it. bound: which rows `had` are for him to hold
    against an address as well.
    """
    is_free = f"(had.rules IS NULL AND NOT {bound})"
    return f"""
  CROSS JOIN LATERAL (
    SELECT array_agg(h.name ORDER BY h.name) FILTER (WHERE h.nth = 1) AS roles,
           min(h.ends_at) FILTER (WHERE h.nth = 1) AS ends_at,
           array_agg(h.grant_id) FILTER (WHERE h.nth = 1 AND h.grant_id IS NOT NULL) AS grants,
           min(h.ends_at) FILTER (WHERE h.nth = 1 AND h.grant_id IS NOT NULL) AS grants_end_at,
           array_agg(h.grant_id) FILTER (WHERE h.nth > 0 AND h.grant_id IS NOT NULL)
             AS live_grants,
           jsonb_agg(jsonb_build_object(
             'role', h.name, 'grant', h.grant_id, 'ends_at', h.ends_at,
             'address', h.address, 'rules', h.rules, 'requester', h.requester))
             FILTER (WHERE h.nth = 0) AS conditional
      FROM (
        SELECT r.name, had.*, CASE WHEN {is_free} THEN row_number() OVER (
                 PARTITION BY r.id, {is_free}
                     ORDER BY had.ends_at DESC NULLS FIRST) ELSE 0 END AS nth
          FROM (
            SELECT cr.role_id, cr.ends_at, CAST(NULL AS text) AS grant_id,
                   CAST(NULL AS text) AS address, CAST(NULL AS jsonb) AS rules,
                   CAST(NULL AS jsonb) AS requester
              FROM idp_clientrole cr
             WHERE cr.client_id = c.id AND cr.ended_at IS NULL AND cr.starts_at <= {NOW}
               AND (cr.ends_at IS NULL OR cr.ends_at > {NOW})
             UNION ALL {elevated_roles("c.id", address=address)}) had
          JOIN accounts_role r ON r.id = had.role_id
         WHERE r.required_acr = '' AND r.required_tier = 0 AND NOT {_ROLE_LOCKED}) h) held
"""


HELD_COLUMNS = """held.roles, held.ends_at AS roles_end_at, held.grants, held.grants_end_at,
       held.live_grants, held.conditional"""

_GRANTED = """a.organisation_id, a.scope, a.terms, a.family_id,
  a.family_expires_at"""

# For a client that has authenticated. What it asks of people it brings along (`demand_params`);
# client_changed_at is NULL where its row says otherwise by now, and once it was switched off.
AUTHORIZED = f"""
  {_GRANTED},
  (SELECT c.changed_at FROM idp_client c
    WHERE c.id = a.client_id AND c.is_active AND c.required_acr = %(required_acr)s
      AND c.required_tier = %(required_tier)s AND c.scope_tiers = CAST(%(scope_tiers)s AS jsonb))
    AS client_changed_at,
  {FACT_COLUMNS}
"""

_SESSION = f"CROSS JOIN LATERAL {session('s.id = a.session_id')}"
AUTHORIZED_JOINS = f"""
 {_SESSION}
 CROSS JOIN (SELECT CAST(%(client_name)s AS text) AS client_id) c
"""

# For everybody else who shows or asks for a token: with the client that it is of.
CLIENT_COLUMNS = """
  c.client_id AS client_name, c.is_active AS client_is_active, c.required_acr, c.required_tier,
  c.scope_tiers, c.scopes AS client_scopes
"""
STANDING = f"""
  {_GRANTED}, c.changed_at AS client_changed_at, {CLIENT_COLUMNS}, {FACT_COLUMNS}
"""

STANDING_JOINS = f"""
 {_SESSION}
 CROSS JOIN LATERAL (
  SELECT c.client_id, c.changed_at, c.is_active, c.required_acr, c.required_tier, c.scope_tiers,
         c.scopes, c.metadata
    FROM idp_client c WHERE c.id = a.client_id OFFSET 0) c
"""

# Using an application is using the session: its idle time begins anew, at most once a minute.
TOUCH_INTERVAL = timedelta(minutes=1)
TOUCH = f"""
touched AS (
  UPDATE idp_sessions_loginsession t SET last_used_at = {NOW}
   WHERE t.id = (SELECT a.session_id FROM a) AND t.ended_at IS NULL
     AND t.last_used_at < {NOW} - interval '{TOUCH_INTERVAL.seconds} seconds'
  RETURNING t.id)
"""

BY_CLIENT = {
    "source": "a",
    "actor": "'accounts.User:' || a.user_id",
    "subject": "'idp.Client:' || a.client_id",
    "now": NOW,
}

FAMILY = """
WITH a AS (
  SELECT f.organisation_id, f.client_id, f.user_id, f.session_id, f.scope, f.terms,
         f.id AS family_id,
         f.expires_at AS family_expires_at, f.current, f.previous, f.successor_sealed,
         f.generation, f.rotated_at, f.revoked_at
    FROM idp_refreshfamily f WHERE f.id = %(family)s)
SELECT {columns}, a.client_id, {more}
  FROM a {joins}
"""

# Who a person is, and what they say of themselves, as JSON by the names of Core §5.1; NULL where
# nothing was said yet.
PROFILE_COLUMNS = """
  u.name, u.email,
  (SELECT o.slug FROM accounts_organisation o WHERE o.id = u.organisation_id) AS organisation,
  to_jsonb(p) AS profile, COALESCE(p.changed_at, u.created_at) AS profile_changed_at
"""
PROFILE_JOIN = "LEFT JOIN accounts_profile p ON p.user_id = u.id"
PERSON_JOIN = f"JOIN accounts_user u ON u.id = s.user_id {PROFILE_JOIN}"


def is_touch_due(row: Row, column: str = "last_used_at") -> bool:
    """Whether the session that was read has not been touched for a while."""
    since: timedelta = row["now"] - row[column]
    return since > TOUCH_INTERVAL
