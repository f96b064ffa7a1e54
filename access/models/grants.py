"""What was asked for, and what became of it.

What an approver sees of a request is its **terms**. They are written once, digested, and the
database refuses to change them; an approval names the digest that it is for.
"""

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from access.models.eligibilities import Workload
from access.models.entitlements import MAX_DURATION, Entitlement
from core.ids import new_id
from core.scope import ScopedModel

MAX_REASON_LENGTH = 1000
MAX_TICKET_LENGTH = 100


class State(models.TextChoices):
    """Those of Google's Privileged Access Manager, and what it has no word for."""

    APPROVAL_AWAITED = "approval_awaited", "waiting for approval"
    SCHEDULED = "scheduled", "approved, not begun"
    ACTIVE = "active", "active"
    SUSPENDED = "suspended", "suspended"
    ENDED = "ended", "over"
    DENIED = "denied", "denied"
    EXPIRED = "expired", "expired unused"
    CANCELLED = "cancelled", "withdrawn"
    REVOKED = "revoked", "revoked"
    ACTIVATION_FAILED = "activation_failed", "could not begin"
    PUBLISHED = "published", "published"


TRANSITIONS: dict[State, frozenset[State]] = {
    State.APPROVAL_AWAITED: frozenset(
        {State.SCHEDULED, State.DENIED, State.EXPIRED, State.CANCELLED}
    ),
    State.SCHEDULED: frozenset(
        {
            State.ACTIVE,
            State.ACTIVATION_FAILED,
            State.PUBLISHED,
            State.EXPIRED,
            State.CANCELLED,
            State.REVOKED,
        }
    ),
    State.ACTIVE: frozenset({State.SUSPENDED, State.ENDED, State.REVOKED}),
    State.SUSPENDED: frozenset({State.ACTIVE, State.ENDED, State.REVOKED}),
}
OPEN = tuple(TRANSITIONS)
LIVE = (State.ACTIVE, State.SUSPENDED)


class GrantQuerySet(models.QuerySet["Grant"]):
    def open(self) -> "GrantQuerySet":
        return self.filter(state__in=OPEN)

    def going_on(self, now: datetime) -> "GrantQuerySet":
        """Those that time has not ended, whether or not that was written down."""
        return self.waiting(now) | self.live(now)

    def waiting(self, now: datetime) -> "GrantQuerySet":
        """Those that wait for an answer, or for their owner to begin."""
        return self.filter(
            Q(state=State.APPROVAL_AWAITED, pending_until__gt=now)
            | Q(state=State.SCHEDULED, activate_by__gt=now)
        )

    def live(self, now: datetime) -> "GrantQuerySet":
        """Those that give something at `now`, unless they are suspended."""
        return self.filter(state__in=LIVE, ends_at__gt=now)

    def of(self, requester: Any, workload: Workload | None = None) -> "GrantQuerySet":
        """Those of a person, or of a workload, whoever asked for it."""
        if workload is not None:
            return self.filter(workload=workload)
        return self.filter(requester=requester, workload=None)


class Grant(ScopedModel):
    """One asking for an entitlement, and what came of it. Pages call it a request until it begins.

    requester: who asked. workload: for which, None where it is for the requester; where it asked by
    itself, the requester is who answers for it.
    terms: everything that an approver sees; terms_digest: SHA-256 of it as canonical JSON.
    policy_version: that it is asked to publish, None where roles are asked for.
    starts_at: wished for. pending_until: for answers. activate_by: for its owner, once approved.
    stage, stage_since: whose answers are awaited, and since when. approved_at: of a reused
    approval, when that was given. ends_at: counted from the activation.
    session_id, device_id, address: of the activation; requested_*: of the request.
    suspended_because: kinds of causes, "administrator" or whatever `flows.suspension` finds.
    end_cause: why it is over, in a word. reviewed_*: of a break-glass, afterwards.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    entitlement = models.ForeignKey(Entitlement, models.PROTECT, related_name="grants")
    entitlement_version = models.PositiveIntegerField()
    requester = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="access_grants"
    )
    workload = models.ForeignKey(Workload, models.PROTECT, null=True, related_name="grants")
    state = models.CharField(max_length=20, choices=State.choices)
    reason = models.CharField(max_length=MAX_REASON_LENGTH, blank=True)
    ticket = models.CharField(max_length=MAX_TICKET_LENGTH, blank=True)
    duration = models.DurationField()
    terms = models.JSONField()
    terms_digest = models.BinaryField(max_length=32)
    policy_version = models.ForeignKey(
        "policy.PolicyVersion", models.PROTECT, null=True, related_name="+"
    )
    is_break_glass = models.BooleanField(default=False)
    extends = models.ForeignKey("self", models.PROTECT, null=True, related_name="extensions")
    reused_from = models.ForeignKey("self", models.PROTECT, null=True, related_name="reuses")
    starts_at = models.DateTimeField()
    requested_at = models.DateTimeField()
    requested_session_id = models.UUIDField(null=True)
    requested_address = models.GenericIPAddressField(null=True)
    pending_until = models.DateTimeField()
    stage = models.PositiveSmallIntegerField(default=0)
    stage_since = models.DateTimeField()
    approved_at = models.DateTimeField(null=True)
    activate_by = models.DateTimeField(null=True)
    activated_at = models.DateTimeField(null=True)
    ends_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    end_cause = models.CharField(max_length=32, blank=True)
    session_id = models.UUIDField(null=True)
    device_id = models.UUIDField(null=True)
    address = models.GenericIPAddressField(null=True)
    suspended_because = models.CharField(max_length=32, blank=True)
    escalated_stage = models.PositiveSmallIntegerField(null=True)
    start_told_at = models.DateTimeField(null=True)
    end_told_at = models.DateTimeField(null=True)
    reviewed_at = models.DateTimeField(null=True)
    reviewed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )

    unscoped: ClassVar = models.Manager.from_queryset(GrantQuerySet)()

    class Meta(ScopedModel.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["id", "organisation"], name="access_grant_organisation"
            ),
            models.UniqueConstraint(fields=["id", "requester"], name="access_grant_requester"),
            models.UniqueConstraint(
                fields=["entitlement", "requester"],
                condition=Q(state__in=OPEN, extends=None, workload=None),
                name="access_one_open_grant",
            ),
            models.UniqueConstraint(
                fields=["entitlement", "workload"],
                condition=Q(state__in=OPEN, extends=None, workload__isnull=False),
                name="access_one_open_grant_of_a_workload",
            ),
            models.CheckConstraint(  # it has no sign-in and no device, and no emergencies
                condition=Q(workload=None)
                | Q(session_id=None, device_id=None, is_break_glass=False),
                name="access_workload_is_no_person",
            ),
            models.UniqueConstraint(
                fields=["extends"],
                condition=Q(state__in=OPEN),
                name="access_one_open_extension",
            ),
            models.CheckConstraint(
                condition=Q(duration__gt=timedelta(0), duration__lte=MAX_DURATION),
                name="access_grant_duration",
            ),
            models.CheckConstraint(
                condition=Q(starts_at__gte=F("requested_at")), name="access_no_start_in_the_past"
            ),
            models.CheckConstraint(
                condition=Q(activated_at=None, ends_at=None)
                | Q(
                    activated_at__gte=F("starts_at"),
                    approved_at__isnull=False,
                    ends_at__gt=F("activated_at"),
                    ends_at__lte=F("activated_at") + F("duration"),
                ),
                name="access_grant_period",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=[*LIVE, State.ENDED]) | Q(activated_at__isnull=False),
                name="access_live_is_activated",
            ),
            models.CheckConstraint(
                condition=Q(policy_version=None) & ~Q(state=State.PUBLISHED)
                | Q(policy_version__isnull=False, activated_at=None, is_break_glass=False),
                name="access_published_or_begun",
            ),
            models.CheckConstraint(
                condition=Q(state__in=OPEN, ended_at=None)
                | (~Q(state__in=OPEN) & Q(ended_at__isnull=False)),
                name="access_over_is_ended",
            ),
            models.CheckConstraint(
                condition=Q(reviewed_by=None) | ~Q(reviewed_by=F("requester")),
                name="access_reviewed_by_another",
            ),
        ]
        indexes = [
            models.Index(fields=["requester", "-requested_at"], name="access_by_requester"),
            models.Index(
                fields=["organisation", "state"],
                condition=Q(state__in=OPEN),
                name="access_open_grants",
            ),
            models.Index(
                fields=["session_id"], condition=Q(state__in=LIVE), name="access_by_session"
            ),
            models.Index(
                fields=["workload", "-requested_at"],
                condition=Q(workload__isnull=False),
                name="access_by_workload",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.terms['entitlement']['name']} for {self.beneficiary}"

    def is_live(self, now: datetime) -> bool:
        return self.state in LIVE and self.ends_at is not None and now < self.ends_at

    @property
    def workload_name(self) -> str:
        """The client_id of the workload that it is for; "" for a person's."""
        told = self.terms.get("workload")
        return told["name"] if told else ""

    @property
    def workload_title(self) -> str:
        """What people called the workload when it was asked for."""
        told = self.terms.get("workload")
        return told.get("title") or told["name"] if told else ""

    @property
    def beneficiary(self) -> str:
        """Whose roles these are, by address or by client_id."""
        return self.workload_name or str(self.terms["requester"]["email"])

    @property
    def role_names(self) -> list[str]:
        return [role["name"] for role in self.terms["roles"]]

    @property
    def author(self) -> Any:
        """Who wrote the policy that it is asked to publish; None where roles are asked for."""
        return None if self.policy_version is None else self.policy_version.author


class WorkloadRole(ScopedModel):
    """A role that a grant gives to a workload: what `RoleAssignment` is for people, elevated.

    It counts until its end, from its address where it has one, while it is not suspended and each
    of its conditions holds: compared at every use (`access.rights`). Roles that a workload holds
    without a grant are `idp`'s. rules: as `RoleAssignment.rules`, and `address`, from where the
    grant was begun.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    grant = models.ForeignKey(Grant, models.PROTECT, related_name="workload_roles")
    workload = models.ForeignKey(Workload, models.CASCADE, related_name="roles")
    role = models.ForeignKey("accounts.Role", models.CASCADE, related_name="+")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    suspended_at = models.DateTimeField(null=True)
    address = models.GenericIPAddressField(null=True)
    rules = models.JSONField(null=True)

    class Meta(ScopedModel.Meta):
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["grant", "role"], name="access_workload_role_once"),
            models.UniqueConstraint(
                fields=["id", "organisation"], name="access_workload_role_organisation"
            ),
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")), name="access_workload_role_period"
            ),
        ]
        indexes = [
            models.Index(
                fields=["workload"], condition=Q(ended_at=None), name="access_workload_roles"
            ),
        ]


class WorkloadCondition(ScopedModel):
    """What such a role hangs on, as `AssignmentCondition` says it of people's."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    workload_role = models.ForeignKey(WorkloadRole, models.CASCADE, related_name="conditions")
    user_id = models.UUIDField()
    group_id = models.UUIDField(null=True)
    role_id = models.UUIDField(null=True)

    class Meta(ScopedModel.Meta):
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=Q(group_id=None) | Q(role_id=None),
                name="access_workload_condition_of_one_kind",
            ),
        ]
