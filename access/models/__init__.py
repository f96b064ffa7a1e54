"""What may be asked for, by whom, what was asked, and what became of it."""

from access.chat.models import ChatDelivery, ChatWebhook
from access.models.approvals import Approval, EventKind, GrantEvent, Verdict
from access.models.eligibilities import Eligibility, EligibilityQuerySet, Workload
from access.models.entitlements import (
    MAX_DURATION,
    Entitlement,
    EntitlementRole,
    Kind,
    Stage,
    StageApprover,
)
from access.models.grants import (
    LIVE,
    MAX_REASON_LENGTH,
    MAX_TICKET_LENGTH,
    OPEN,
    TRANSITIONS,
    Grant,
    GrantQuerySet,
    State,
    WorkloadCondition,
    WorkloadRole,
)
from access.models.reviews import AccessReview, AccessReviewItem, Need

__all__ = [
    "LIVE",
    "MAX_DURATION",
    "MAX_REASON_LENGTH",
    "MAX_TICKET_LENGTH",
    "OPEN",
    "TRANSITIONS",
    "AccessReview",
    "AccessReviewItem",
    "Approval",
    "ChatDelivery",
    "ChatWebhook",
    "Eligibility",
    "EligibilityQuerySet",
    "Entitlement",
    "EntitlementRole",
    "EventKind",
    "Grant",
    "GrantEvent",
    "GrantQuerySet",
    "Kind",
    "Need",
    "Stage",
    "StageApprover",
    "State",
    "Verdict",
    "Workload",
    "WorkloadCondition",
    "WorkloadRole",
]
