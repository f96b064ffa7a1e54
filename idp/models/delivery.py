from typing import ClassVar

from django.db import models

from core.ids import new_id
from core.scope import ScopedModel


class Delivery(ScopedModel):
    """That one client is to be told something, by a worker (`idp.delivery.outbox`).

    attempts: tries so far. next_attempt_at: when to try next; None once it is settled.
    delivered_at: when the client accepted it; a settled row without was given up, see last_error.
    SECRETS: columns that are emptied when the row is settled.
    """

    SECRETS: ClassVar[tuple[str, ...]] = ()

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    client = models.ForeignKey("idp.Client", models.CASCADE, related_name="+")
    attempts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField()
    next_attempt_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=200, blank=True)

    class Meta(ScopedModel.Meta):
        abstract = True
