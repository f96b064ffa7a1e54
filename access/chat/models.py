from typing import ClassVar

from django.db import models
from django.db.models import Q

from core.ids import new_id
from core.outbox import Delivery
from core.scope import ScopedModel
from protection.fields import SealedField

MAX_NAME_LENGTH = 100


class Format(models.TextChoices):
    """What a room understands."""

    SLACK = "slack", "Slack or Mattermost"
    TEAMS = "teams", "Microsoft Teams"
    GENERIC = "generic", "JSON, signed"


class Happening(models.TextChoices):
    """What a room may want to be told."""

    REQUESTED = "requested", "access is asked for"
    APPROVED = "approved", "a request is approved"
    DENIED = "denied", "a request is denied"
    ACTIVATED = "activated", "access begins"
    BREAK_GLASS = "break_glass", "access is taken in an emergency"
    TAKEN_AWAY = "taken_away", "access is suspended or revoked"
    REVIEW_DUE = "review_due", "an access review is open"
    ALERT = "alert", "there is a new alert"


TEST = "test"  # what an administrator asks for, of any room


class ChatWebhook(ScopedModel):
    """A room that is told. url: where; whoever knows it may write there, so that it is sealed.

    host: of the address, which is all that is shown of it. key: what messages are signed with,
    where the format is signed. told: digests of the alerts that there were when it was told last.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    name = models.CharField(max_length=MAX_NAME_LENGTH)
    format = models.CharField(max_length=8, choices=Format.choices)
    url = SealedField(editable=False)
    key = SealedField(null=True, editable=False)
    host = models.CharField(max_length=255)
    happenings = models.JSONField(default=list)
    told = models.JSONField(default=list, editable=False)
    created_at = models.DateTimeField()

    class Meta(ScopedModel.Meta):
        verbose_name = "chat webhook"
        constraints = [
            models.UniqueConstraint(fields=["organisation", "name"], name="access_chat_name"),
            models.UniqueConstraint(fields=["id", "organisation"], name="access_chat_organisation"),
            models.CheckConstraint(
                condition=Q(format=Format.GENERIC, key__isnull=False)
                | (~Q(format=Format.GENERIC) & Q(key=None)),
                name="access_chat_key",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ChatDelivery(Delivery):
    """That one room is to be told of one thing. about: what its words are made of, beside the row.

    happening: one of `Happening`, or `TEST`.
    """

    RECEIVER: ClassVar[str] = "webhook"

    webhook = models.ForeignKey(ChatWebhook, models.CASCADE, related_name="deliveries")
    happening = models.CharField(max_length=12)
    grant = models.ForeignKey("access.Grant", models.CASCADE, null=True, related_name="+")
    review = models.ForeignKey("access.AccessReview", models.CASCADE, null=True, related_name="+")
    about = models.JSONField(default=dict)

    class Meta(Delivery.Meta):
        indexes = [
            models.Index(
                fields=["attempts", "next_attempt_at"],
                condition=Q(next_attempt_at__isnull=False),
                name="access_chat_due",
            ),
            models.Index(fields=["webhook", "-created_at"], name="access_chat_latest"),
        ]
