"""What happens to entitlements and grants: one transaction each, ending in audit.

Split by noun; import from here.
"""

from access.flows.activation import activate_grant
from access.flows.answers import approve_grant, deny_grant
from access.flows.emergency import break_glass, review_break_glass
from access.flows.endings import cancel_grant, drop_grant, revoke_grant
from access.flows.entitlements import (
    add_eligibility,
    create_entitlement,
    end_eligibility,
    retire_entitlement,
    update_entitlement,
)
from access.flows.publications import (
    approved_for,
    ask_to_publish,
    publication_entitlement,
)
from access.flows.requests import extend_grant, request_grant
from access.flows.reviews import close_review, decide_item, open_due_reviews, open_review
from access.flows.rooms import add_room, remove_room, send_test, update_room
from access.flows.standing import judge_standing, resume_grant, suspend_grant
from access.flows.sweeps import (
    activate_due,
    deny_due,
    escalate_due,
    expire_due,
    judge_due,
    remind_due,
)
from access.flows.workloads import appoint_responsible

__all__ = [
    "activate_due",
    "activate_grant",
    "add_eligibility",
    "add_room",
    "appoint_responsible",
    "approve_grant",
    "approved_for",
    "ask_to_publish",
    "break_glass",
    "cancel_grant",
    "close_review",
    "create_entitlement",
    "decide_item",
    "deny_due",
    "deny_grant",
    "drop_grant",
    "end_eligibility",
    "escalate_due",
    "expire_due",
    "extend_grant",
    "judge_due",
    "judge_standing",
    "open_due_reviews",
    "open_review",
    "publication_entitlement",
    "remind_due",
    "remove_room",
    "request_grant",
    "resume_grant",
    "retire_entitlement",
    "review_break_glass",
    "revoke_grant",
    "send_test",
    "suspend_grant",
    "update_entitlement",
    "update_room",
]
