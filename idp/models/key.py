from django.db import models
from django.db.models import Q

from core.ids import new_id
from protection.fields import SealedField


class SigningKey(models.Model):
    """A key pair that signs tokens. Public in the JWKS from creation until it is retired.

    state: next (published, not yet used) → active (signs) → retiring (verifies only) → retired.
    private: PKCS#8 DER, sealed for the installation. public_jwk: JSON, with kid, use and alg.
    """

    class State(models.TextChoices):
        NEXT = "next"
        ACTIVE = "active"
        RETIRING = "retiring"
        RETIRED = "retired"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kid = models.CharField(max_length=64, unique=True)
    alg = models.CharField(max_length=8)
    state = models.CharField(max_length=16, choices=State.choices)
    private = SealedField(organisation=None)
    public_jwk = models.JSONField()
    created_at = models.DateTimeField()
    activated_at = models.DateTimeField(null=True)
    retiring_at = models.DateTimeField(null=True)
    retired_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["alg"], condition=Q(state="active"), name="idp_one_active_key"
            ),
            models.UniqueConstraint(
                fields=["alg"], condition=Q(state="next"), name="idp_one_next_key"
            ),
        ]


class EncryptionKey(models.Model):
    """A key pair that others encrypt to. In the JWKS until it is replaced by the next.

    It opens what comes for a while longer (`idp.encryption_keys`), then it is retired.
    private: PKCS#8 DER, sealed for the installation. public_jwk: JSON, with kid, use and alg.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kid = models.CharField(max_length=64, unique=True)
    alg = models.CharField(max_length=16)
    private = SealedField(organisation=None)
    public_jwk = models.JSONField()
    created_at = models.DateTimeField()
    replaced_at = models.DateTimeField(null=True)
    retired_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["alg"], condition=Q(replaced_at=None), name="idp_one_key_to_encrypt_to"
            ),
            models.CheckConstraint(
                condition=Q(retired_at=None) | Q(replaced_at__isnull=False),
                name="idp_replaced_before_retired",
            ),
        ]
