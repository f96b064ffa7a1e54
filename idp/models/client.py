from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from accounts.models import REQUIRED_TIER
from core.assurance import Level
from core.ids import digest, equal, new_id
from core.scope import ScopedModel
from protection.fields import SealedField

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"  # RFC 8628 §3.4
CIBA = "urn:openid:params:grant-type:ciba"  # CIBA Core 1.0 §4
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # RFC 8693 §2.1
GRANT_TYPES = [
    "authorization_code", "refresh_token", "client_credentials", DEVICE_CODE, CIBA,
    TOKEN_EXCHANGE,
]  # fmt: skip
SECRET_METHODS = ["client_secret_basic", "client_secret_post", "client_secret_jwt"]
KEY_METHODS = ["private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"]
# Ours, for clients that ask our policy or follow it; nobody gives them to itself.
AUTHZEN, POLICY_READ = "authzen", "policy:read"
# Ours, of the API for people: nor these.
ACCESS, ACCOUNT, ADMIN = "access", "account", "admin"
ACCESS_REQUEST = "access:request"  # of the API, for clients that act for themselves: nor this
SCOPES = ["openid", "profile", "email", "address", "phone", "roles", "offline_access"]


class Client(ScopedModel):
    """An application that asks for tokens (RFC 6749 §2).

    client_id: public name on the wire. secret_digest: SHA-256 of a secret that we made.
    audience: `aud` of access tokens; empty means the issuer itself.
    previous_secret_digest: the secret before, still good until previous_secret_expires_at.
    secret_sealed: the secret itself, only for client_secret_jwt, which needs it to verify.
    metadata: what else it registered (`idp.registration.metadata.ClientMetadata`).
    registration_digest: SHA-256 of its registration access token (RFC 7592), if it has one.
    document_digest: SHA-256 of what its document says, if it describes itself by one at its
    client_id (`idp.client_documents`). Nobody else may change what that says.
    is_first_party: belongs to the organisation itself, so people are not asked for consent.
    required_acr: the least assurance that its users must reach.
    required_tier: the least trust in the device that they use it from, 0 for any.
    scope_tiers: the same for single scopes, by name; on another device they are withheld.
    """

    class Kind(models.TextChoices):
        PUBLIC = "public", "public (single-page or native)"
        CONFIDENTIAL = "confidential", "confidential (keeps a secret)"
        PROXIED = "proxied", "proxied (stands behind a proxy that asks about each request)"

    class AuthMethod(models.TextChoices):
        NONE = "none"
        BASIC = "client_secret_basic"
        POST = "client_secret_post"
        SECRET_JWT = "client_secret_jwt"
        PRIVATE_KEY_JWT = "private_key_jwt"
        TLS = "tls_client_auth"
        SELF_SIGNED_TLS = "self_signed_tls_client_auth"

    class SigningAlg(models.TextChoices):
        ES256 = "ES256"
        RS256 = "RS256"
        PS256 = "PS256"
        ED25519 = "Ed25519"
        EDDSA = "EdDSA"  # the same by its older name

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    client_id = models.CharField(max_length=255, unique=True)
    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    secret_digest = models.BinaryField(max_length=32, null=True, editable=False)
    previous_secret_digest = models.BinaryField(max_length=32, null=True, editable=False)
    previous_secret_expires_at = models.DateTimeField(null=True, editable=False)
    secret_sealed = SealedField(bound_to="id", null=True)
    registration_digest = models.BinaryField(max_length=32, null=True, editable=False)
    document_digest = models.BinaryField(max_length=32, null=True, editable=False)
    metadata = models.JSONField(default=dict, blank=True)
    redirect_uris = ArrayField(models.CharField(max_length=500), default=list, blank=True)
    post_logout_redirect_uris = ArrayField(
        models.CharField(max_length=500), default=list, blank=True
    )
    grant_types = ArrayField(models.CharField(max_length=64), default=list)
    scopes = ArrayField(models.CharField(max_length=64), default=list)
    token_endpoint_auth_method = models.CharField(max_length=32, choices=AuthMethod.choices)
    signing_alg = models.CharField(
        max_length=8, choices=SigningAlg.choices, default=SigningAlg.ES256
    )
    audience = models.CharField(max_length=200, blank=True)
    is_active = models.BooleanField(default=True)
    is_first_party = models.BooleanField(default=False)
    required_acr = models.CharField(max_length=8, blank=True)
    required_tier = models.PositiveSmallIntegerField(choices=REQUIRED_TIER, default=0)
    scope_tiers = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta(ScopedModel.Meta):
        constraints = [
            models.UniqueConstraint(fields=["id", "organisation"], name="idp_client_organisation"),
            models.CheckConstraint(
                condition=Q(kind="public", secret_digest=None, token_endpoint_auth_method="none")
                | Q(
                    kind="confidential",
                    secret_digest__isnull=False,
                    token_endpoint_auth_method__in=SECRET_METHODS,
                )
                | Q(
                    kind="confidential",
                    secret_digest=None,
                    token_endpoint_auth_method__in=KEY_METHODS,
                )
                | Q(
                    kind="proxied",
                    secret_digest=None,
                    token_endpoint_auth_method="none",
                    grant_types=[],
                    redirect_uris=[],
                ),
                name="idp_client_secret_fits_kind",
            ),
            models.CheckConstraint(
                condition=Q(document_digest=None) | Q(is_first_party=False, secret_digest=None),
                name="idp_client_of_document_is_a_stranger",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_by_document(self) -> bool:
        return self.document_digest is not None

    @property
    def is_unkept(self) -> bool:
        """Whether it stands in its document only, since nobody has allowed it yet."""
        return self._state.adding

    @property
    def is_by_itself(self) -> bool:
        """Whether the application wrote its registration, and nobody of the organisation."""
        return self.registration_digest is not None or self.is_by_document

    @property
    def logo_path(self) -> str:
        """Where we show our copy of its logo; "" without one."""
        logo = getattr(self, "logo", None)
        return logo.path if logo is not None else ""

    @property
    def required_level(self) -> Level:
        return Level.from_acr(self.required_acr)

    def has_secret(self, secret: str) -> bool:
        """Whether this is the client's secret; constant time."""
        return self.secret_digest is not None and equal(digest(secret), bytes(self.secret_digest))
