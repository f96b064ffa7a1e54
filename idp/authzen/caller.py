"""Who asks: a client by an access token of its own, with the scope `authzen`.

A token of a person is none: whoever enforces asks for itself. What stands behind the token is
judged with the facts, by the same statement.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from core.errors import Refusal
from core.prepared import Row
from idp.authzen import names
from idp.authzen.asker import Asker
from idp.clients import authentication
from idp.endpoints import presented
from idp.endpoints.presented import Presented
from idp.machine.wire import Request
from idp.models.client import AUTHZEN
from idp.registration.metadata import FAPI2
from idp.tokens import claims, dpop, verify


@dataclass(frozen=True, slots=True)
class Caller(Asker):
    """A client that asks by HTTP: with what it has shown, and the scope that this needs."""

    token_claims: Mapping[str, Any]
    shown: Presented
    scope: str


def read(request: Request, scope: str = AUTHZEN) -> Caller:
    """The caller by its token alone; refuses invalid_token (401) and insufficient_scope (403)."""
    scheme, _, text = request.authorization.partition(" ")
    if scheme.lower() not in {presented.BEARER, presented.DPOP} or not text.strip():
        headers = {"WWW-Authenticate": f'Bearer scope="{scope}", {dpop.challenge()}'}
        raise Refusal("invalid_token", "An access token is needed.", 401, headers)
    shown = presented.read(request)
    token_claims = verify.access_token(shown.text)
    stem = claims.stem_of(token_claims["jti"])
    audience = token_claims["aud"]
    is_for_us = settings.ISSUER in (audience if isinstance(audience, list) else [audience])
    if stem is None or not is_for_us or "sid" in token_claims or "act" in token_claims:
        raise Refusal.invalid_token("This needs an access token of the client's own, for us.")
    if scope not in str(token_claims["scope"]).split():
        raise Refusal.insufficient_scope(scope)
    client = authentication.find_client(token_claims["client_id"])
    form = names.SUB if client is None else client.metadata.authzen_subject_id
    return Caller(
        token_claims["client_id"], stem, token_claims["jti"], form, token_claims, shown, scope
    )


def check(request: Request, caller: Caller, row: Row | None) -> Row:
    """The row, if what the token stands on is still good; else refuses invalid_token.

    Refuses insufficient_scope where the client may no longer ask for the scope. A token that is
    bound to a key or a certificate needs its proof.
    """
    if (
        row is None
        or row["is_revoked"]
        or row["client_name"] != caller.client_id
        or not row["client_is_active"]
    ):
        raise Refusal.invalid_token("The access token is no longer good.")
    if caller.scope not in row["client_scopes"]:
        raise Refusal.insufficient_scope(caller.scope)
    is_fapi2 = row["security_profile"] == FAPI2
    presented.check_sender(request, caller.shown, caller.token_claims, is_fapi2=is_fapi2)
    return row
