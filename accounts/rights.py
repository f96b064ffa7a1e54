"""Whether a role that ends counts, as SQL for the statements that let somebody through.

Whether an elevated role counts is pulled at use: its end, its session, its device, what it hangs
on. Those without an end are standing, and need none of this.
"""

from accounts.locks import is_locked
from accounts.models import LockTarget
from core.clock import SQL_NOW as NOW

_HOLDS_ROLE = f"""EXISTS (
    SELECT 1 FROM accounts_roleassignment sa
     WHERE sa.user_id = p.id AND sa.role_id = ac.role_id AND sa.grant_id IS NULL
       AND sa.ended_at IS NULL AND sa.starts_at <= {NOW}
       AND (sa.ends_at IS NULL OR sa.ends_at > {NOW})
    UNION ALL
    SELECT 1 FROM accounts_groupmember pm JOIN accounts_grouprole pr ON pr.group_id = pm.group_id
     WHERE pm.user_id = p.id AND pr.role_id = ac.role_id)"""
# Whether a condition `ac` (`AssignmentCondition`) holds.
CONDITION_HOLDS = f"""EXISTS (
    SELECT 1 FROM accounts_user p
     WHERE p.id = ac.user_id AND p.organisation_id = ac.organisation_id AND p.is_active
       AND NOT {is_locked(LockTarget.USER, "CAST(p.id AS text)", organisation="p.organisation_id")}
       AND (ac.group_id IS NULL OR EXISTS (
            SELECT 1 FROM accounts_groupmember gm
             WHERE gm.group_id = ac.group_id AND gm.user_id = p.id))
       AND (ac.role_id IS NULL OR {_HOLDS_ROLE}))"""

# What conditions of access see of a person `p`, as JSON: no grant counted.
SEEN_BY_CONDITIONS = f"""jsonb_build_object(
    'name', p.email,
    'roles', ARRAY(
      SELECT r.name FROM accounts_role r WHERE r.id IN (
        SELECT sa.role_id FROM accounts_roleassignment sa
         WHERE sa.user_id = p.id AND sa.grant_id IS NULL AND sa.ended_at IS NULL
           AND sa.starts_at <= {NOW} AND (sa.ends_at IS NULL OR sa.ends_at > {NOW})
        UNION ALL
        SELECT pr.role_id FROM accounts_groupmember pm
          JOIN accounts_grouprole pr ON pr.group_id = pm.group_id
         WHERE pm.user_id = p.id)
       ORDER BY r.name COLLATE "C"),
    'groups', ARRAY(
      SELECT g.name FROM accounts_groupmember pm JOIN accounts_group g ON g.id = pm.group_id
       WHERE pm.user_id = p.id ORDER BY g.name COLLATE "C"))"""


def counts(assignment: str, *, session: str, device: str, address: str, organisation: str) -> str:
    """A condition: whether an assignment counts for this session, on this device, from there.

    assignment: its alias; the others SQL expressions, constants of ours.
    """
    ra = assignment
    grant_locked = is_locked(
        LockTarget.GRANT, f"CAST({ra}.grant_id AS text)", organisation=organisation
    )
    return f"""({ra}.ended_at IS NULL AND {ra}.suspended_at IS NULL
      AND {ra}.starts_at <= {NOW} AND ({ra}.ends_at IS NULL OR {ra}.ends_at > {NOW})
      AND ({ra}.session_id IS NULL OR {ra}.session_id = {session})
      AND ({ra}.device_id IS NULL OR {ra}.device_id = {device})
      AND ({ra}.address IS NULL OR {ra}.address = {address})
      AND ({ra}.grant_id IS NULL OR NOT {grant_locked} AND NOT EXISTS (
           SELECT 1 FROM accounts_assignmentcondition ac
            WHERE ac.assignment_id = {ra}.id AND NOT {CONDITION_HOLDS})))"""
