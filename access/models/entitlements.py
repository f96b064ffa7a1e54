"""What may be asked for: roles, or the publishing of a policy, and on what terms."""

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q

from accounts.models import REQUIRED_ACR, REQUIRED_TIER
from core.assurance import Level
from core.ids import new_id
from core.scope import ScopedModel
from protection.fields import SealedField

MAX_DURATION = timedelta(days=14)


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
