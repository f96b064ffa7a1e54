"""Answers to a request, and its timeline: rows that nobody changes."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from access.models.grants import MAX_REASON_LENGTH, Grant
from core.ids import new_id
from core.scope import ScopedModel


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
