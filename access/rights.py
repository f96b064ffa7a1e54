"""Which roles grants give to workloads, as SQL for the statements that let one through.

As with people's it is pulled at use: the end, the address, locks, and what each role hangs on. That
the application itself stands is for the statement to say that this becomes a part of.
"""

from accounts.locks import is_locked
from accounts.models import LockTarget
from accounts.rights import CONDITION_HOLDS, SEEN_BY_CONDITIONS
from core.clock import SQL_NOW as NOW

_GRANT_LOCKED = is_locked(
    LockTarget.GRANT, "CAST(wr.grant_id AS text)", organisation="wr.organisation_id"
)


def elevated_roles(workload: str, *, address: str) -> str:
    """role_id, ends_at, grant_id, address, rules and requester of what counts now.

    But for its rules: those are for whoever uses it to judge (`WorkloadRole.rules`). requester:
    what they see of whom it was asked by, where there are any. workload: an expression for its id.

    address: a condition on `wr.address`, since each use knows by other means from where it comes.
    """
    return f"""
    SELECT wr.role_id, wr.ends_at, CAST(wr.grant_id AS text) AS grant_id,
           host(wr.address) AS address, wr.rules,
           CASE WHEN wr.rules IS NOT NULL THEN (
             SELECT {SEEN_BY_CONDITIONS}
               FROM access_grant g JOIN accounts_user p ON p.id = g.requester_id
              WHERE g.id = wr.grant_id) END AS requester
      FROM access_workloadrole wr
     WHERE wr.workload_id = {workload} AND wr.ended_at IS NULL AND wr.suspended_at IS NULL
       AND wr.starts_at <= {NOW} AND wr.ends_at > {NOW}
       AND (wr.address IS NULL OR {address})
       AND NOT {_GRANT_LOCKED}
       AND NOT EXISTS (
           SELECT 1 FROM access_workloadcondition ac
            WHERE ac.workload_role_id = wr.id AND NOT {CONDITION_HOLDS})"""
