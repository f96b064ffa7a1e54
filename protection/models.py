"""Data keys, wrapped. One is active for each organisation; older ones still unseal."""

from django.db import models

from core.ids import new_id


class DataKey(models.Model):
    """A 256-bit AES key, wrapped by a key-encryption key.

    organisation_id: whose data it seals; NULL for what belongs to the installation (signing keys).
    wrapped: nonce (12 bytes), ciphertext (32), tag (16).
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organisation_id = models.UUIDField(null=True)
    version = models.PositiveIntegerField()
    kek_id = models.CharField(max_length=64)
    wrapped = models.BinaryField()
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organisation_id"],
                condition=models.Q(is_active=True),
                nulls_distinct=False,
                name="protection_one_active_data_key",
            ),
            models.UniqueConstraint(
                fields=["organisation_id", "version"],
                nulls_distinct=False,
                name="protection_data_key_version",
            ),
        ]
