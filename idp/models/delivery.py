from typing import ClassVar

from django.db import models

from core.outbox import Delivery


class ClientDelivery(Delivery):
    """That one client is to be told something, by a worker (`core.outbox`)."""

    RECEIVER: ClassVar[str] = "client"

    client = models.ForeignKey("idp.Client", models.CASCADE, related_name="+")

    class Meta(Delivery.Meta):
        abstract = True
