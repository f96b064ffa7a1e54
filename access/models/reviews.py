"""Whether people still need what they have, and what somebody else has said of it."""

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from access.models.eligibilities import Eligibility, Workload
from access.models.grants import MAX_REASON_LENGTH
from accounts.limited import Resources
from core.ids import new_id
from core.scope import ScopedModel


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
    last_used_at: when they last signed in, or last began it. decided_by: of this organisation, or
    somebody who administers every one. resources: for which alone the entitlement gave its roles
    when somebody decided; before that, what it says today counts.
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
    resources = models.JSONField(null=True)
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

    @property
    def limit(self) -> Resources:
        """To which resources it is limited; none: to nothing."""
        found: Resources = self.resources or ()
        if not self.decision and self.eligibility is not None:
            found = self.eligibility.entitlement.resources
        return found


# Models of this app that live with what they belong to.
from access.chat.models import ChatDelivery as ChatDelivery  # noqa: E402, PLC0414
from access.chat.models import ChatWebhook as ChatWebhook  # noqa: E402, PLC0414
