"""What may be asked for, by whom, and what was asked.

What an approver sees of a request is its **terms**. They are written once, digested, and the
database refuses to change them; an approval names the digest that it is for.
"""

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from accounts.models import REQUIRED_ACR, REQUIRED_TIER
from core.assurance import Level
from core.ids import new_id
from core.scope import ScopedModel
from protection.fields import SealedField

MAX_DURATION = timedelta(days=14)
MAX_REASON_LENGTH = 1000
MAX_TICKET_LENGTH = 100


class Kind(models.TextChoices):
    """What an approved request lets its owner do: have roles, or publish one version of policy."""

    ROLES = "roles", "roles for a time"
    PUBLICATION = "publication", "publishing a policy"


class Entitlement(ScopedModel):
    """Roles that people may ask for, and on what terms.

    kind: one of an organisation is for publishing policy; it gives no roles, nobody is eligible but
    who administers every organisation, and somebody always has to agree.
    version: raised by each edit of the terms; a request counts for the version that it was made on.
    max_pending: how long a request waits for answers. activation_window: how long an approved one
    waits for its owner. start_horizon: how far ahead it may be wished for. approval_window: for how
    long what was approved may be had again without asking; nothing: not at all.
    required_acr, max_age, required_tier: what the session must be that asks and activates.
    ticket_pattern: a regular expression that the whole ticket must match, "" where none is asked
    for. ticket_webhook: an address that is asked whether the ticket is good.
    binds_*: where what was activated counts. condition: the body of a Rego rule that must hold.
    resources: to what the roles are limited, `[{type, id}]`; none: to nothing but what they allow.
    thresholds: `[{approve, deny, filter}]`, any of which decides the request; a count of 0 never.
    break_glass_duration: for how long at most it is had in an emergency, without asking; None: not.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    kind = models.CharField(max_length=12, choices=Kind.choices, default=Kind.ROLES)
    name = models.SlugField(max_length=64)
    description = models.CharField(max_length=200, blank=True)
    roles = models.ManyToManyField(
        "accounts.Role", through="EntitlementRole", related_name="entitlements"
    )
    is_active = models.BooleanField(default=True)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    max_duration = models.DurationField(default=timedelta(hours=8))
    max_pending = models.DurationField(default=timedelta(hours=1))
    activation_window = models.DurationField(default=timedelta(hours=8))
    start_horizon = models.DurationField(default=timedelta(days=7))
    approval_window = models.DurationField(default=timedelta(0))
    required_acr = models.CharField(max_length=8, blank=True, choices=REQUIRED_ACR)
    max_age = models.DurationField(null=True, blank=True)
    required_tier = models.PositiveSmallIntegerField(choices=REQUIRED_TIER, default=0)
    reason_required = models.BooleanField(default=True)
    approver_reason_required = models.BooleanField(default=False)
    ticket_pattern = models.CharField(max_length=200, blank=True)
    ticket_webhook = models.URLField(max_length=500, blank=True)
    ticket_secret = SealedField(null=True, editable=False)
    binds_session = models.BooleanField(default=True)
    binds_device = models.BooleanField(default=True)
    binds_network = models.BooleanField(default=False)
    resources = models.JSONField(default=list, blank=True)
    condition = models.TextField(max_length=2000, blank=True)
    thresholds = models.JSONField(default=list, blank=True)
    break_glass_duration = models.DurationField(null=True, blank=True)

    class Meta(ScopedModel.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["organisation", "name"], name="access_entitlement_name"
            ),
            models.UniqueConstraint(
                fields=["id", "organisation"], name="access_entitlement_organisation"
            ),
            models.CheckConstraint(
                condition=Q(max_duration__gt=timedelta(0), max_duration__lte=MAX_DURATION),
                name="access_max_duration",
            ),
            models.CheckConstraint(
                condition=Q(break_glass_duration=None)
                | Q(break_glass_duration__gt=timedelta(0), break_glass_duration__lte=MAX_DURATION),
                name="access_break_glass_duration",
            ),
            models.CheckConstraint(
                condition=Q(
                    max_pending__gt=timedelta(0),
                    max_pending__lte=MAX_DURATION,
                    activation_window__gt=timedelta(0),
                    activation_window__lte=MAX_DURATION,
                    approval_window__gte=timedelta(0),
                    approval_window__lte=MAX_DURATION,
                    start_horizon__gte=timedelta(0),
                ),
                name="access_windows",
            ),
            models.UniqueConstraint(
                fields=["organisation"],
                condition=Q(kind=Kind.PUBLICATION),
                name="access_one_way_to_publish",
            ),
            models.CheckConstraint(
                condition=Q(kind=Kind.ROLES)
                | Q(
                    is_active=True,
                    break_glass_duration=None,
                    approval_window=timedelta(0),
                    ticket_webhook="",
                ),
                name="access_publication_is_agreed_to",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_publication(self) -> bool:
        return self.kind == Kind.PUBLICATION

    @property
    def required_level(self) -> Level:
        return Level.from_acr(self.required_acr)


class EntitlementRole(ScopedModel):
    """in_break_glass: whether it is given in an emergency, too."""

    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    entitlement = models.ForeignKey(Entitlement, models.CASCADE, related_name="entitlement_roles")
    role = models.ForeignKey("accounts.Role", models.CASCADE, related_name="+")
    in_break_glass = models.BooleanField(default=False)

    class Meta(ScopedModel.Meta):
        constraints = [
            models.UniqueConstraint(fields=["entitlement", "role"], name="access_role_once")
        ]


class Stage(ScopedModel):
    """A step of approvers; one after the other has to be passed.

    approvals_needed: that pass it; 0 where thresholds alone decide. escalate_after: from then on
    those named for an escalation may answer as well. auto_deny_after: then it is denied.
    """

    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    entitlement = models.ForeignKey(Entitlement, models.CASCADE, related_name="stages")
    position = models.PositiveSmallIntegerField()
    approvals_needed = models.PositiveSmallIntegerField(default=1)
    escalate_after = models.DurationField(null=True, blank=True)
    auto_deny_after = models.DurationField(null=True, blank=True)

    class Meta(ScopedModel.Meta):
        constraints = [
            models.UniqueConstraint(fields=["entitlement", "position"], name="access_stage_once"),
            models.UniqueConstraint(
                fields=["id", "organisation"], name="access_stage_organisation"
            ),
            models.CheckConstraint(
                condition=(Q(escalate_after=None) | Q(escalate_after__gt=timedelta(0)))
                & (Q(auto_deny_after=None) | Q(auto_deny_after__gt=timedelta(0))),
                name="access_stage_times",
            ),
        ]


class StageApprover(ScopedModel):
    """Who may answer in a stage: a user, or whoever is in a group, or holds a role by standing.

    administrators: whoever administers every organisation; where policy is published, nobody else
    answers, whatever names them. is_escalation: only once the stage has escalated.
    """

    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    stage = models.ForeignKey(Stage, models.CASCADE, related_name="approvers")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="+")
    group = models.ForeignKey("accounts.Group", models.CASCADE, null=True, related_name="+")
    role = models.ForeignKey("accounts.Role", models.CASCADE, null=True, related_name="+")
    administrators = models.BooleanField(default=False)
    is_escalation = models.BooleanField(default=False)

    class Meta(ScopedModel.Meta):
        constraints = [
            models.CheckConstraint(
                condition=Q(user__isnull=False, group=None, role=None, administrators=False)
                | Q(user=None, group__isnull=False, role=None, administrators=False)
                | Q(user=None, group=None, role__isnull=False, administrators=False)
                | Q(user=None, group=None, role=None, administrators=True),
                name="access_approver_is_one",
            ),
            models.UniqueConstraint(
                fields=["stage", "user", "group", "role", "administrators"],
                name="access_approver_once",
                nulls_distinct=False,
            ),
        ]


class Workload(ScopedModel):
    """An application that acts for itself, as far as access knows it, and who answers for it.

    id: the client's own; the database holds that there is one in the same organisation. name: its
    client_id. title: what people call it, as it is registered. responsible: a person who hears of
    what it asks for and has, may ask for it, and approves none of it. ended_at: when the
    application was switched off.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    name = models.CharField(max_length=255)
    title = models.CharField(max_length=100, blank=True)
    responsible = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="access_workloads"
    )
    ended_at = models.DateTimeField(null=True)

    class Meta(ScopedModel.Meta):
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["id", "organisation"], name="access_workload_organisation"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class EligibilityQuerySet(models.QuerySet["Eligibility"]):
    def live(self, now: datetime) -> "EligibilityQuerySet":
        """Those that hold at `now`. Half-open: [starts_at, ends_at)."""
        return self.filter(Q(ends_at=None) | Q(ends_at__gt=now), starts_at__lte=now, ended_at=None)


class Eligibility(ScopedModel):
    """That a user, everybody in a group, or a workload may ask for an entitlement."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    entitlement = models.ForeignKey(Entitlement, models.CASCADE, related_name="eligibilities")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="+")
    group = models.ForeignKey("accounts.Group", models.CASCADE, null=True, related_name="+")
    workload = models.ForeignKey(Workload, models.CASCADE, null=True, related_name="eligibilities")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    unscoped: ClassVar = models.Manager.from_queryset(EligibilityQuerySet)()

    class Meta(ScopedModel.Meta):
        constraints = [
            models.CheckConstraint(
                condition=Q(user__isnull=False, group=None, workload=None)
                | Q(user=None, group__isnull=False, workload=None)
                | Q(user=None, group=None, workload__isnull=False),
                name="access_eligible_is_one",
            ),
            models.CheckConstraint(
                condition=Q(ends_at=None) | Q(ends_at__gt=F("starts_at")),
                name="access_eligibility_period",
            ),
            models.UniqueConstraint(
                fields=["entitlement", "user", "group", "workload"],
                condition=Q(ended_at=None),
                name="access_one_open_eligibility",
                nulls_distinct=False,
            ),
            models.UniqueConstraint(
                fields=["id", "organisation"], name="access_eligibility_organisation"
            ),
        ]
        verbose_name_plural = "eligibilities"

    def __str__(self) -> str:
        return f"{self.user or self.group or self.workload}: {self.entitlement}"


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
    without a grant are `idp`'s.
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


class Verdict(models.TextChoices):
    APPROVE = "approve", "approved"
    DENY = "deny", "denied"


class Approval(ScopedModel):
    """One approver's answer to a request, once. The database lets nobody answer their own.

    *_person: whose accounts these were at that time (`accounts.User.person_id`). group, role: by
    which the approver was one; as_administrator: of every organisation; none of these: by name.
    terms_digest: what was answered.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    grant = models.ForeignKey(Grant, models.PROTECT, related_name="approvals")
    requester = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    requester_person = models.UUIDField()
    approver = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    approver_person = models.UUIDField()
    stage = models.PositiveSmallIntegerField()
    group_id = models.UUIDField(null=True)
    role_id = models.UUIDField(null=True)
    as_administrator = models.BooleanField(default=False)
    verdict = models.CharField(max_length=8, choices=Verdict.choices)
    reason = models.CharField(max_length=MAX_REASON_LENGTH, blank=True)
    reviewer = models.JSONField()
    terms_digest = models.BinaryField(max_length=32)
    session_id = models.UUIDField(null=True)
    at = models.DateTimeField()

    class Meta(ScopedModel.Meta):
        constraints = [
            models.UniqueConstraint(fields=["grant", "approver"], name="access_one_answer"),
            models.UniqueConstraint(
                fields=["grant", "approver_person"], name="access_one_answer_of_a_person"
            ),
            models.CheckConstraint(
                condition=~Q(approver=F("requester")), name="access_not_ones_own"
            ),
            models.CheckConstraint(
                condition=~Q(approver_person=F("requester_person")),
                name="access_not_the_same_person",
            ),
        ]


class EventKind(models.TextChoices):
    """What the timeline tells of; each is an audit event `access.grant.…` as well."""

    REQUESTED = "requested", "asked for"
    ANSWERED = "answered", "answered by an approver"
    STAGE_PASSED = "stage_passed", "passed a stage"
    ESCALATED = "escalated", "escalated"
    APPROVED = "approved", "approved"
    DENIED = "denied", "denied"
    ACTIVATED = "activated", "began"
    ACTIVATION_FAILED = "activation_failed", "could not begin"
    SUSPENDED = "suspended", "suspended"
    RESUMED = "resumed", "resumed"
    ENDED = "ended", "ended"
    DROPPED = "dropped", "given back early"
    REVOKED = "revoked", "revoked"
    CANCELLED = "cancelled", "withdrawn"
    EXPIRED = "expired", "expired unused"
    REVIEWED = "reviewed", "reviewed afterwards"
    PUBLISHED = "published", "published"


class GrantEvent(ScopedModel):
    """A line of a grant's timeline, append-only. actor: a typed reference, "" for time or rule."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    grant = models.ForeignKey(Grant, models.PROTECT, related_name="events")
    at = models.DateTimeField()
    kind = models.CharField(max_length=20, choices=EventKind.choices)
    actor = models.CharField(max_length=100, blank=True)
    facts = models.JSONField(default=dict)

    class Meta(ScopedModel.Meta):
        default_permissions = ("view",)
        indexes = [models.Index(fields=["grant", "id"], name="access_timeline")]


class AccessReview(ScopedModel):
    """A campaign that asks whether people still need what they have.

    frequency: how long after this one the next is due. due_at: until when everything is to be
    decided. closed_at: what was not decided by then stays as it is, and is said so.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    opened_at = models.DateTimeField()
    due_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    frequency = models.DurationField(default=timedelta(days=182))
    reminded_at = models.DateTimeField(null=True)

    class Meta(ScopedModel.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["organisation"], condition=Q(closed_at=None), name="access_one_open_review"
            ),
            models.UniqueConstraint(
                fields=["id", "organisation"], name="access_review_organisation"
            ),
            models.CheckConstraint(
                condition=Q(due_at__gt=F("opened_at"), frequency__gt=timedelta(0)),
                name="access_review_period",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.opened_at:%Y-%m-%d}"


class Need(models.TextChoices):
    """What a reviewer says of it."""

    KEEP = "keep", "still needed"
    REMOVE = "remove", "not needed"


class AccessReviewItem(ScopedModel):
    """Something that somebody has: a standing role, or that they may ask for an entitlement.

    subject, what: in words, which stay true when the assignment or the eligibility is gone. user:
    None where a group is eligible, and for an application; of one that somebody answers for,
    workload. client_role_id: of a role that an application holds, by its id in `idp`.
    last_used_at: when they last signed in, or last began it.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    review = models.ForeignKey(AccessReview, models.CASCADE, related_name="items")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="+")
    assignment = models.ForeignKey(
        "accounts.RoleAssignment", models.SET_NULL, null=True, related_name="+"
    )
    eligibility = models.ForeignKey(Eligibility, models.SET_NULL, null=True, related_name="+")
    workload = models.ForeignKey(Workload, models.SET_NULL, null=True, related_name="+")
    client_role_id = models.UUIDField(null=True)
    subject = models.CharField(max_length=254)
    what = models.CharField(max_length=100)
    last_used_at = models.DateTimeField(null=True)
    decision = models.CharField(max_length=8, blank=True, choices=Need.choices)
    decided_at = models.DateTimeField(null=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    reason = models.CharField(max_length=MAX_REASON_LENGTH, blank=True)

    class Meta(ScopedModel.Meta):
        constraints = [
            models.CheckConstraint(
                condition=Q(decision="", decided_at=None, decided_by=None)
                | (~Q(decision="") & Q(decided_at__isnull=False, decided_by__isnull=False)),
                name="access_item_decided",
            ),
            models.CheckConstraint(
                condition=Q(decided_by=None) | Q(user=None) | ~Q(decided_by=F("user")),
                name="access_item_of_another",
            ),
        ]
        indexes = [models.Index(fields=["review", "subject"], name="access_items_of_review")]


# Models of this app that live with what they belong to.
from access.chat.models import ChatDelivery as ChatDelivery  # noqa: E402, PLC0414
from access.chat.models import ChatWebhook as ChatWebhook  # noqa: E402, PLC0414
