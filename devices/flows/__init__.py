"""What happens to devices: browsers are recognised, machines are enrolled, reports are judged."""

from devices.flows.browsers import Recognised, describe, recognise
from devices.flows.enrolment import (
    Started,
    Wish,
    allow,
    deny,
    enrol_browser,
    find,
    find_by_code,
    look_up,
    poll,
    purge_enrolments,
    start,
)
from devices.flows.inventory import count_tiers
from devices.flows.reports import (
    Judged,
    forget_source,
    give_nonce,
    judge,
    note_faded,
    purge_reports,
    take_report,
    take_results,
)
from devices.flows.states import (
    approve,
    rename,
    report_lost,
    resume,
    retire,
    revoke,
    suspend,
)

__all__ = [
    "Judged",
    "Recognised",
    "Started",
    "Wish",
    "allow",
    "approve",
    "count_tiers",
    "deny",
    "describe",
    "enrol_browser",
    "find",
    "find_by_code",
    "forget_source",
    "give_nonce",
    "judge",
    "look_up",
    "note_faded",
    "poll",
    "purge_enrolments",
    "purge_reports",
    "recognise",
    "rename",
    "report_lost",
    "resume",
    "retire",
    "revoke",
    "start",
    "suspend",
    "take_report",
    "take_results",
]
