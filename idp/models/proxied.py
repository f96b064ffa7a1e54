from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from core.ids import new_id
from core.scope import ScopedModel


class ProxiedHost(ScopedModel):
    """Where browsers see an application that stands behind a proxy which asks about each request.

    origin: as browsers write it. hostname: its host alone. Cookies know no ports, so a name belongs
    to one application. rules: what paths demand, as `idp.forward_auth.rules` keeps them;
    resource_types: those that the rules' permissions name.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    client = models.ForeignKey("idp.Client", models.CASCADE, related_name="proxied_hosts")
    origin = models.CharField(max_length=300, unique=True)
    hostname = models.CharField(max_length=255, unique=True)
    rules = models.JSONField(default=list, blank=True)
    resource_types = ArrayField(models.CharField(max_length=128), default=list, blank=True)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.origin


class ForwardCode(ScopedModel):
    """A one-time code that takes a sign-in to an application's own host. digest: SHA-256 of it.

    challenge: SHA-256 of the secret that the browser keeps in a cookie of that host, base64url.
    return_path: where on that host the browser wanted to go.
    """

    digest = models.BinaryField(max_length=32, primary_key=True)
    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    client = models.ForeignKey("idp.Client", models.CASCADE, related_name="+")
    session = models.ForeignKey("idp_sessions.LoginSession", models.CASCADE, related_name="+")
    origin = models.CharField(max_length=300)
    challenge = models.CharField(max_length=43)
    return_path = models.CharField(max_length=2000)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta(ScopedModel.Meta):
        indexes = [models.Index(fields=["expires_at"], name="idp_forward_code_expiry")]


class ForwardSession(ScopedModel):
    """That a browser is signed in at an application's own host: its cookie there.

    digest: SHA-256 of the cookie. session: the login session that it stands on, and ends with.
    seen_from: a digest of where the browser came from. ends_at: never after the session's end.
    last_used_at: when a page was last asked for, to the minute; None until a minute after the
    sign-in. withdrawn_at: when the person took the application's access back; nobody comes back
    there as them by an older proof. refused_at: when a refusal was last written to audit.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    digest = models.BinaryField(max_length=32, unique=True)
    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    client = models.ForeignKey("idp.Client", models.CASCADE, related_name="+")
    session = models.ForeignKey("idp_sessions.LoginSession", models.CASCADE, related_name="+")
    origin = models.CharField(max_length=300)
    seen_from = models.BinaryField(max_length=32)
    created_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)
    withdrawn_at = models.DateTimeField(null=True)
    refused_at = models.DateTimeField(null=True)

    class Meta(ScopedModel.Meta):
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("created_at")), name="idp_forward_session_period"
            )
        ]
        indexes = [
            models.Index(fields=["ends_at"], name="idp_forward_session_end"),
            models.Index(
                fields=["client"],
                name="idp_forward_session_withdrawn",
                condition=Q(withdrawn_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.id}"
