from django.db import models


class UsedAssertion(models.Model):
    """A client assertion, or a signed request, that was accepted: kept until it has expired.

    digest: SHA-256 of its kind, the client's id and the `jti` (RFC 7523 §3); being the key makes
    it single-use.
    """

    digest = models.BinaryField(max_length=32, primary_key=True)
    expires_at = models.DateTimeField(db_index=True)
