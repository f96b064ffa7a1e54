"""Connectors, and by what other products know our devices."""

from django.db import models
from django.db.models import Q

from core.ids import digest, equal, new_id
from core.scope import ScopedModel
from devices.connectors.identifiers import Kind
from protection.fields import SealedField


class ConnectorKind(models.TextChoices):
    FLEET = "fleet", "Fleet or osquery, by webhook"
    MDM = "mdm", "a table, brought by an administrator"
    CLOUDFLARE = "cloudflare", "a gateway that asks for scores (Cloudflare)"


class Authentication(models.TextChoices):
    """How whoever calls proves to be the other product."""

    SECRET = "secret", "a shared secret in the call"
    SIGNATURE = "signature", "a signature by a shared secret (HMAC)"
    ACCESS_TOKEN = "access_token", "a token of Cloudflare Access"
    NONE = "none", "nobody calls"


class Connector(ScopedModel):
    """Another product that one organisation has connected, until it is switched off.

    secret_digest: SHA-256 of the secret that it shows; secret_sealed: the secret itself, only where
    it signs with it. checks: what its policies and queries are called → our check.
    access_issuer, access_audience: `https://<team>.cloudflareaccess.com` and the application's tag.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    kind = models.CharField(max_length=16, choices=ConnectorKind.choices)
    name = models.CharField(max_length=100)
    authentication = models.CharField(max_length=16, choices=Authentication.choices)
    secret_digest = models.BinaryField(max_length=32, null=True, editable=False)
    secret_sealed = SealedField(bound_to="id", null=True)
    checks = models.JSONField(default=dict, blank=True)
    access_issuer = models.CharField(max_length=255, blank=True)
    access_audience = models.CharField(max_length=128, blank=True)
    created_at = models.DateTimeField(editable=False)
    used_at = models.DateTimeField(null=True, editable=False)
    disabled_at = models.DateTimeField(null=True, editable=False)

    class Meta(ScopedModel.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["organisation", "name"], name="devices_connector_name_once"
            ),
            models.UniqueConstraint(
                fields=["id", "organisation"], name="devices_connector_organisation"
            ),
            models.CheckConstraint(
                condition=Q(
                    authentication="secret", secret_digest__isnull=False, secret_sealed=None
                )
                | Q(authentication="signature", secret_digest=None, secret_sealed__isnull=False)
                | Q(
                    authentication="access_token",
                    kind="cloudflare",
                    secret_digest=None,
                    secret_sealed=None,
                    access_issuer__startswith="https://",
                )
                & ~Q(access_audience="")
                | Q(authentication="none", kind="mdm", secret_digest=None, secret_sealed=None),
                name="devices_connector_secret_fits",
            ),
        ]

    @property
    def source(self) -> str:
        """By this name its results are kept."""
        return f"{self.kind}:{self.id}"

    @property
    def is_live(self) -> bool:
        return self.disabled_at is None

    def has_secret(self, secret: str) -> bool:
        """Whether this is its secret; constant time."""
        return self.secret_digest is not None and equal(digest(secret), bytes(self.secret_digest))

    def __str__(self) -> str:
        return self.name


class DeviceIdentifier(ScopedModel):
    """What a device is called elsewhere.

    confirmed_at: when an administrator wrote it down or confirmed it; None: only the device says
    so, and nobody finds it by that name.
    """

    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    device = models.ForeignKey("devices.Device", models.CASCADE, related_name="identifiers")
    kind = models.CharField(max_length=16, choices=[(kind.value, kind.value) for kind in Kind])
    value = models.CharField(max_length=128)
    added_at = models.DateTimeField(editable=False)
    confirmed_at = models.DateTimeField(null=True, editable=False)

    class Meta(ScopedModel.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["organisation", "kind", "value"],
                condition=Q(confirmed_at__isnull=False),
                name="devices_identifier_confirmed_once",
            ),
            models.UniqueConstraint(
                fields=["device", "kind", "value"], name="devices_identifier_of_device_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.value}"
