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
