from typing import cast

from django.db import models

from core.ids import new_id
from core.scope import ScopedModel
from idp.models.client import Client
from idp.models.granted import Granted


class AuthorizationRequest(ScopedModel):
    """An authorization request on its way through sign-in, step-up and consent.

    client: None while it is known by its document alone (`idp.client_documents`).
    parameters: the checked request, as `idp.requests.parameters.AuthorizationParams` writes it.
    browser_digest: SHA-256 of a secret in the browser's session; no other browser may resume it.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    client = models.ForeignKey("idp.Client", models.CASCADE, null=True, related_name="+")
    browser_digest = models.BinaryField(max_length=32)
    parameters = models.JSONField()
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta(ScopedModel.Meta):
        indexes = [models.Index(fields=["expires_at"], name="idp_request_expiry")]

    @property
    def found_client(self) -> Client:
        """Its client, which `idp.authorization.pending.find` has found, with or without a row."""
        return cast("Client", self.client)


class PushedRequest(ScopedModel):
    """A pushed authorization request (RFC 9126). digest: SHA-256 of its `request_uri`.

    parameters: the checked request, as `idp.requests.parameters.AuthorizationParams` writes it.
    used_at: when it was answered; it may be opened as often as a browser likes before.
    """

    digest = models.BinaryField(max_length=32, primary_key=True)
    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    client = models.ForeignKey("idp.Client", models.CASCADE, related_name="+")
    parameters = models.JSONField()
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta(ScopedModel.Meta):
        indexes = [models.Index(fields=["expires_at"], name="idp_pushed_expiry")]


class AuthorizationCode(Granted):
    """A one-time code (RFC 6749 §4.1.2). digest: SHA-256 of the code.

    challenge: the S256 code challenge (RFC 7636 §4.2), 43 characters; empty if there was none.
    used_at and family: set by the one statement that redeems it; the row is kept, so that a replay
    finds what the code produced. wrong_verifiers: counted by that statement; a few end the code.
    """

    digest = models.BinaryField(max_length=32, primary_key=True)
    redirect_uri = models.CharField(max_length=500)
    challenge = models.CharField(max_length=43, blank=True)
    nonce = models.CharField(max_length=512, blank=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    family_id = models.UUIDField(null=True)
    wrong_verifiers = models.SmallIntegerField(default=0, db_default=0)

    class Meta(Granted.Meta):
        indexes = [models.Index(fields=["expires_at"], name="idp_code_expiry")]
