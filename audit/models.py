from django.contrib.postgres.indexes import BrinIndex
from django.db import models

from audit.events import Event
from core.ids import new_id


class AuditEvent(models.Model):
    """One thing that happened.

    actor, subject: typed references (`accounts.User:<uuid>`, `idp.Client:<uuid>`), or empty.
    transaction_id: ties together what one cause produced.
    facts: JSON; never a secret, a token or a password.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    at = models.DateTimeField()
    event = models.CharField(max_length=64)
    organisation_id = models.UUIDField(null=True)
    actor = models.CharField(max_length=100, blank=True)
    subject = models.CharField(max_length=100, blank=True)
    session_id = models.UUIDField(null=True)
    device_id = models.UUIDField(null=True)
    address = models.GenericIPAddressField(null=True)
    transaction_id = models.UUIDField()
    facts = models.JSONField(default=dict)

    class Meta:
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["actor", "-at"], name="audit_by_actor"),
            models.Index(  # of people only, so that what tokens write costs nothing here
                fields=["subject", "-at"],
                condition=models.Q(subject__startswith="accounts.User:"),
                name="audit_by_person",
            ),
            models.Index(
                fields=["device_id", "-at"],
                condition=models.Q(device_id__isnull=False),
                name="audit_by_device",
            ),
            models.Index(  # of sign-ins alone, for what people usually do after one
                fields=["organisation_id", "-at"],
                condition=models.Q(event=Event.SESSION_STARTED.value),
                name="audit_by_sign_in",
            ),
            BrinIndex(fields=["at"], name="audit_by_time"),
        ]
