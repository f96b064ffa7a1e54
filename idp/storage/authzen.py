"""Facts for questions to policy: of a whole batch by one statement, or of a page of candidates.

Everything is of the organisation of the client that asks. Names are as they are stored
(`idp.authzen.names`).
"""

from accounts.locks import is_locked
from accounts.models import LockTarget
from core.clock import SQL_NOW as NOW
from idp.storage.parts import STANDS, held
from policy.versions import ACTIVE_REVISION as _ACTIVE_REVISION
from sessions.evaluation import FACT_COLUMNS, session

_USER_LOCKED = is_locked(LockTarget.USER, "CAST(u.id AS text)", organisation="u.organisation_id")
_WORKLOAD_LOCKED = is_locked(LockTarget.CLIENT, "w.client_id", organisation="w.organisation_id")
_ROLE_LOCKED = is_locked(LockTarget.ROLE, "CAST(r.id AS text)", organisation="u.organisation_id")
_ROLES = f"""ARRAY(
  SELECT r.name FROM accounts_role r
   WHERE NOT {_ROLE_LOCKED} AND r.id IN (
     SELECT ra.role_id FROM accounts_roleassignment ra
      WHERE ra.user_id = u.id AND ra.grant_id IS NULL AND ra.ended_at IS NULL
        AND ra.starts_at <= {NOW} AND (ra.ends_at IS NULL OR ra.ends_at > {NOW})
      UNION ALL
     SELECT gr.role_id FROM accounts_groupmember gm
       JOIN accounts_grouprole gr ON gr.group_id = gm.group_id
      WHERE gm.user_id = u.id)
   ORDER BY r.name)"""
_GROUPS = """ARRAY(
  SELECT g.name FROM accounts_groupmember gm JOIN accounts_group g ON g.id = gm.group_id
   WHERE gm.user_id = u.id ORDER BY g.name)"""
# Roles that somebody may ask for, with the entitlements that give them, and for which resources.
_MAY_ASK = f"""COALESCE((
  SELECT jsonb_agg(jsonb_build_object(
           'role', r.name, 'entitlement', e.name, 'resources', e.resources))
    FROM access_eligibility el
    JOIN access_entitlement e ON e.id = el.entitlement_id AND e.is_active
    JOIN access_entitlementrole er ON er.entitlement_id = e.id
    JOIN accounts_role r ON r.id = er.role_id
   WHERE el.organisation_id = u.organisation_id AND el.ended_at IS NULL AND el.starts_at <= {NOW}
     AND (el.ends_at IS NULL OR el.ends_at > {NOW})
     AND (el.user_id = u.id OR el.group_id IN (
       SELECT gm.group_id FROM accounts_groupmember gm WHERE gm.user_id = u.id))),
  CAST('[]' AS jsonb))"""
# From where it acts is not known here but by what whoever asks has seen.
_HELD = held(
    address="wr.address = ANY (CAST(%(addresses)s AS inet[]))", bound="had.address IS NOT NULL"
)
_WORKLOAD_ROLES = f"""(
  SELECT jsonb_build_object(
           'roles', COALESCE(held.roles, CAST('{{}}' AS text[])), 'conditional', held.conditional)
    FROM (SELECT w.id) c {_HELD})"""

# Who was named. Each name leads to one user, and each user may be named in several ways.
_NAMED = """
  SELECT CAST(u.id AS text) AS name, u.id
    FROM c JOIN accounts_user u ON u.organisation_id = c.organisation_id
   WHERE u.id = ANY (CAST(%(ids)s AS uuid[]))
   UNION ALL
  SELECT u.email, u.id
    FROM c JOIN accounts_user u ON u.organisation_id = c.organisation_id
   WHERE u.email = ANY (CAST(%(emails)s AS text[]))
   UNION ALL
  SELECT lower(p.preferred_username), p.user_id
    FROM c JOIN accounts_profile p ON p.organisation_id = c.organisation_id
   WHERE p.preferred_username <> ''
     AND lower(p.preferred_username) = ANY (CAST(%(usernames)s AS text[]))"""
_WORKLOADS = """
  SELECT w.* FROM c JOIN idp_client w ON w.organisation_id = c.organisation_id
   WHERE w.client_id = ANY (CAST(%(workloads)s AS text[]))"""
_THINGS = """
  SELECT x.* FROM c
   CROSS JOIN unnest(CAST(%(types)s AS text[]), CAST(%(names)s AS text[])) asked (type, name)
    JOIN accounts_resource x ON x.organisation_id = c.organisation_id
     AND x.type = asked.type AND x.name = asked.name"""


def _facts(*, named: str = _NAMED, workloads: str = _WORKLOADS, things: str = _THINGS) -> str:
    return f"""
WITH c AS (
  SELECT c.id, c.client_id AS client_name, c.organisation_id, c.scopes AS client_scopes,
         o.is_active AS organisation_is_active, {STANDS} AS client_is_active,
         c.metadata ->> 'security_profile' AS security_profile,
         EXISTS (SELECT 1 FROM idp_revokedtoken r WHERE r.jti = %(jti)s) AS is_revoked
    FROM idp_client c JOIN accounts_organisation o ON o.id = c.organisation_id
   WHERE c.id = %(client)s),
named AS ({named}),
workloads AS ({workloads}),
things AS ({things})
SELECT c.*, {NOW} AS now, {_ACTIVE_REVISION} AS policy_revision,
  (SELECT jsonb_object_agg(n.name, jsonb_build_object(
            'id', u.id, 'is_active', u.is_active, 'roles', {_ROLES}, 'groups', {_GROUPS},
            'may_ask', {_MAY_ASK},
            'locks', CASE WHEN {_USER_LOCKED} THEN ARRAY['user'] ELSE CAST('{{}}' AS text[]) END,
            'risk_level', COALESCE((
              SELECT k.level FROM risk_userrisk k
               WHERE k.user_id = u.id AND k.ends_at > {NOW}), 0)))
     FROM named n JOIN accounts_user u ON u.id = n.id) AS users,
  (SELECT jsonb_object_agg(w.client_id, jsonb_build_object(
            'id', w.id, 'is_active', w.is_active,
            'groups', CAST('{{}}' AS text[]), 'may_ask', CAST('[]' AS jsonb), 'risk_level', 0,
            'locks', CASE WHEN {_WORKLOAD_LOCKED} THEN ARRAY['client']
                          ELSE CAST('{{}}' AS text[]) END) || {_WORKLOAD_ROLES})
     FROM workloads w) AS clients,
  (SELECT jsonb_agg(jsonb_build_object(
            'type', x.type, 'name', x.name, 'classification', x.classification,
            'owner', COALESCE(CAST(x.owner_id AS text), ''), 'properties', x.properties))
     FROM things x) AS resources,
  (SELECT jsonb_object_agg(held.name, held.permissions) FROM (
     SELECT allowed.name, jsonb_object_agg(allowed.type, allowed.actions) AS permissions FROM (
       SELECT r.name, rp.resource_type AS type, jsonb_agg(rp.action) AS actions
         FROM accounts_rolepermission rp JOIN accounts_role r ON r.id = rp.role_id
        WHERE rp.organisation_id = c.organisation_id
          AND rp.resource_type = ANY (CAST(%(wanted_types)s AS text[]))
        GROUP BY r.name, rp.resource_type) allowed
      GROUP BY allowed.name) held) AS roles
  FROM c
"""


FACTS = _facts()

# Candidates of a search: the next ones in the order of their names, with their facts.
FIND_USERS = _facts(
    named="""
  SELECT CAST(u.id AS text) AS name, u.id
    FROM c JOIN accounts_user u ON u.organisation_id = c.organisation_id
   WHERE u.id > CAST(%(after)s AS uuid) ORDER BY u.id LIMIT %(most)s"""
)
FIND_USERS_BY_EMAIL = _facts(
    named="""
  SELECT u.email AS name, u.id
    FROM c JOIN accounts_user u ON u.organisation_id = c.organisation_id
   WHERE u.email COLLATE "C" > %(after)s ORDER BY u.email COLLATE "C" LIMIT %(most)s"""
)
FIND_USERS_BY_USERNAME = _facts(
    named="""
  SELECT lower(p.preferred_username) AS name, p.user_id AS id
    FROM c JOIN accounts_profile p ON p.organisation_id = c.organisation_id
   WHERE p.preferred_username <> ''
     AND lower(p.preferred_username) COLLATE "C" > %(after)s
   ORDER BY lower(p.preferred_username) COLLATE "C" LIMIT %(most)s"""
)
FIND_WORKLOADS = _facts(
    workloads="""
  SELECT w.* FROM c JOIN idp_client w ON w.organisation_id = c.organisation_id
   WHERE w.client_id COLLATE "C" > %(after)s ORDER BY w.client_id COLLATE "C" LIMIT %(most)s"""
)
FIND_RESOURCES = _facts(
    things="""
  SELECT x.* FROM c JOIN accounts_resource x ON x.organisation_id = c.organisation_id
   WHERE x.type = %(type)s AND x.name COLLATE "C" > %(after)s
   ORDER BY x.name COLLATE "C" LIMIT %(most)s"""
)

# Sessions that questions name, as every use of a session reads them. The address is not that of
# whoever uses the session, so it is nobody's.
_NAMED_SESSIONS = """s.id = ANY (CAST(%(sessions)s AS uuid[]))
     AND s.organisation_id = %(organisation)s"""
FIND_SESSIONS = f"""
SELECT {FACT_COLUMNS}
  FROM {session(_NAMED_SESSIONS)} CROSS JOIN (SELECT CAST(NULL AS text) AS client_id) c
"""
