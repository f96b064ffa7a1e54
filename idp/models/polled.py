from django.db import models

from core.scope import ScopedModel


class PolledRequest(ScopedModel):
    """What a client asked for and polls about until a person has answered in a browser.

    scope: as it was asked for; what is approved is what will be given.
    address, user_agent: of whoever asked, to be shown to whoever approves.
    session: the sign-in in which it was approved. interval_seconds: between polls.
    used_at and family: set by the one statement that redeems it; the row is kept, so that a replay
    finds what it produced.
    """

    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    client = models.ForeignKey("idp.Client", models.CASCADE, related_name="+")
    scope = models.CharField(max_length=500)
    address = models.GenericIPAddressField()
    user_agent = models.CharField(max_length=512, blank=True)
    session = models.ForeignKey(
        "idp_sessions.LoginSession", models.CASCADE, null=True, related_name="+"
    )
    interval_seconds = models.PositiveSmallIntegerField()
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    last_polled_at = models.DateTimeField(null=True)
    approved_at = models.DateTimeField(null=True)
    denied_at = models.DateTimeField(null=True)
    used_at = models.DateTimeField(null=True)
    family_id = models.UUIDField(null=True)

    class Meta(ScopedModel.Meta):
        abstract = True
