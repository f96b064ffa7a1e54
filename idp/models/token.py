from django.db import models

from core.ids import new_id
from idp.models.granted import Granted


class RevokeReason(models.TextChoices):
    REPLAYED = "replayed", "a spent refresh token was used again"
    CODE_REPLAYED = "code_replayed", "its authorization code was used again"
    REVOKED_BY_CLIENT = "revoked_by_client", "the application gave it back"
    CONSENT_REVOKED = "consent_revoked", "the user withdrew consent"
    POLICY = "policy", "no longer allowed by policy"
    SESSION_ENDED = "session_ended", "the login session ended"
    EXPIRED = "expired", "reached its longest lifetime"
    ADMINISTRATOR = "administrator", "ended by an administrator"


class RefreshFamily(Granted):
    """All tokens that one authorization code led to: one narrow row, updated in place.

    current, previous: SHA-256 of the live refresh token and of its predecessor.
    successor_sealed: the live token, sealed, so that an answer that was lost can be given again
    within the retry window; never a second successor.
    issues_refresh: whether the client was given a refresh token at all.
    Rotation changes no column that is indexed, so updates stay HOT; it alone counts generations,
    from 0.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    issues_refresh = models.BooleanField(default=True)
    current = models.BinaryField(max_length=32)
    previous = models.BinaryField(max_length=32, null=True)
    successor_sealed = models.BinaryField(null=True)
    generation = models.IntegerField(default=0)
    created_at = models.DateTimeField()
    rotated_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    revoke_reason = models.CharField(max_length=32, blank=True, choices=RevokeReason.choices)


class SpentProof(models.Model):
    """A DPoP proof that was used, kept until it would be refused as too old (RFC 9449 §11.1).

    digest: SHA-256 of the key's thumbprint and the proof's jti.
    """

    digest = models.BinaryField(max_length=32, primary_key=True)
    expires_at = models.DateTimeField(db_index=True)


class RevokedToken(models.Model):
    """An access token that was revoked by itself before it expired (RFC 7009)."""

    jti = models.CharField(max_length=64, primary_key=True)
    expires_at = models.DateTimeField(db_index=True)
