from django.db import models


class UsedAssertion(models.Model):
    """A client assertion that was accepted, kept until it has expired (RFC 7523 §3, `jti`).

    digest: SHA-256 of the client's id and the assertion's jti; being the key makes it single-use.
    """

    digest = models.BinaryField(max_length=32, primary_key=True)
    expires_at = models.DateTimeField(db_index=True)
