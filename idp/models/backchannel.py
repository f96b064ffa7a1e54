from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from core.ids import new_id
from idp.models.delivery import ClientDelivery
from idp.models.polled import PolledRequest
from protection.fields import SealedField


class BackchannelAuthentication(PolledRequest):
    """That a client asks a person to sign in to it, without a browser between them (CIBA Core 1.0).

    id: a name for pages. digest: SHA-256 of its auth_req_id. user: who is asked.
    binding_message: what the client shows as well, so that the person can compare.
    acr_values: those asked for that we know, in order of preference.
    terms: what is granted beyond scope, see `Granted`; `acr` once it is approved.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    digest = models.BinaryField(max_length=32, unique=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    binding_message = models.CharField(max_length=64, blank=True)
    acr_values = ArrayField(models.CharField(max_length=8), default=list)
    terms = models.JSONField(default=dict)

    class Meta(PolledRequest.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["id", "organisation"], name="idp_backchannel_organisation"
            ),
            models.CheckConstraint(
                condition=Q(approved_at=None, used_at=None, session=None)
                | Q(approved_at__isnull=False, denied_at=None, session__isnull=False),
                name="idp_backchannel_approved_in_a_session",
            ),
        ]
        indexes = [
            models.Index(fields=["expires_at"], name="idp_backchannel_expiry"),
            models.Index(fields=["user", "created_at"], name="idp_backchannel_of_user"),
        ]


class PingDelivery(ClientDelivery):
    """That one client is to be told that a request of its was answered (CIBA Core 1.0 §10.2).

    It waits without a next attempt until then. token: the client's own bearer token; it and
    auth_req_id are sealed, and gone once the row is settled.
    """

    SECRETS = ("token", "auth_req_id")

    request = models.OneToOneField(
        "idp.BackchannelAuthentication", models.CASCADE, related_name="ping"
    )
    token = SealedField(bound_to="id", null=True)
    auth_req_id = SealedField(bound_to="id", null=True)

    class Meta(ClientDelivery.Meta):
        indexes = [
            models.Index(
                fields=["attempts", "next_attempt_at"],
                condition=Q(next_attempt_at__isnull=False),
                name="idp_ping_due",
            ),
        ]
