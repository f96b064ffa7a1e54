"""grant_type=client_credentials (RFC 6749 §4.4): a client that acts for itself."""

from typing import Any

from authlib.oauth2.rfc6749 import grants
from django.conf import settings

from audit import recorder
from core import clock
from core.errors import Refusal
from idp import keys
from idp.clients.authentication import MachineClient, same_client
from idp.clients.elevated import held_of
from idp.grants import wanted
from idp.machine.server import Refused, TokenRequest
from idp.storage import database
from idp.storage.clients import ISSUE_TO_CLIENT
from idp.tokens import mapped_claims
from idp.tokens.claims import Authorization
from idp.tokens.mint import mint

USER_SCOPES = {"openid", "profile", "email", "address", "phone", "offline_access"}


class ClientCredentialsGrant(grants.ClientCredentialsGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]
    request: TokenRequest

    def validate_requested_scope(self) -> None:
        """Scopes of people make no sense here; RFC 6749 §3.3."""
        client: MachineClient = self.request.client
        wanted = (self.request.fields.get("scope") or "").split()
        allowed = [scope for scope in client.scopes if scope not in USER_SCOPES]
        if not set(wanted) <= set(allowed):
            raise Refused(Refusal.invalid_scope("The scope is not allowed for this client."))
        self.request.scope = " ".join(wanted or allowed)

    def generate_token(self, **_: Any) -> dict[str, Any]:
        client: MachineClient = self.request.client
        keys.signing_key(client.signing_alg)
        asked = wanted.of_client(self.request, client)
        params = {
            "client": client.id,
            "changed_at": client.changed_at,
            "scope": self.request.scope,
            "clock_offset": clock.offset(),
            **recorder.branch_params(self.request.address),
        }
        row = database.one(ISSUE_TO_CLIENT, params)
        if row is None:  # switched off or changed since it was cached: look again
            same_client(client, None)
            raise Refused(Refusal.invalid_client())
        held = held_of(row, address=self.request.address)
        mapped = mapped_claims.of_workload(client, held.roles)
        carried = held.roles if "roles" in self.request.scope.split() else None
        end = row["now"] + settings.ACCESS_TOKEN_LIFETIME
        rests_on_roles = bool(carried) or mapped.rests_on_roles
        if rests_on_roles:
            end = min(end, held.ends_at or end)
        return mint(
            Authorization(
                client_id=client.client_id,
                audience=client.audience,
                alg=client.signing_alg,
                scope=self.request.scope,
                now=row["now"],
                ends_at=end,
                roles=carried,
                grants=held.grants if rests_on_roles else (),
                grants_end_at=held.grants_end_at if rests_on_roles else None,
                mapped=mapped.access,
                stem=client.id,
                subject=client.client_id,
                resource=asked.resource,
                authorization_details=asked.authorization_details,
                cnf=self.request.cnf,
                is_listed=client.metadata.access_token_status_list,
            ),
            None,
        )
