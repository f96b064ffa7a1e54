"""The one Authlib authorization server: client authentication and grant types, no storage.

Authlib leads through the phases that every grant type shares; consume-once, expiry, client binding,
PKCE and tokens are ours. Its own error texts never reach a client.
"""

from typing import Any

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import AuthorizationServer, OAuth2Request
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from django.conf import settings

from core.errors import Refusal
from idp.clients import authentication
from idp.clients.authentication import MachineClient
from idp.grants import sender
from idp.machine.wire import Answer, Request, error_answer, json_answer
from idp.storage.database import Trace, Unit

# For Authlib's grants: "none" stands for public clients, everything else for every other method.
AUTH_METHODS = ["client_secret_basic", "client_secret_post", "none"]


class TokenRequest(OAuth2Request):  # type: ignore[misc]
    """One token request on its way through Authlib.

    traces: what a refusal leaves behind, each in a transaction of its own after the undoing.
    cnf: what the tokens are bound to, known once the client has authenticated.
    """

    def __init__(
        self, request: Request, fields: dict[str, str], basic: tuple[str, str] | None, unit: Unit
    ) -> None:
        # Authlib's own __init__ judges the address of each request; ours is judged at start.
        self.method = request.method
        self.uri = f"{settings.ISSUER}{request.path}"
        self.headers = {"Authorization": request.authorization} if request.authorization else {}
        self.payload = BasicOAuth2Payload(fields)
        self.client: Any = None
        self.user: Any = None
        self.auth_method: str | None = None
        self.authorization_code: Any = None
        self.refresh_token: Any = None
        self.credential: Any = None
        self._body: Any = None
        self._scope: str | None = None
        self.fields, self.basic = fields, basic
        self.unit = unit
        self.address = request.address
        self.wire = request
        self.cnf: dict[str, str] | None = None
        self.traces: list[Trace] = []

    @property
    def form(self) -> dict[str, str]:
        return self.fields


class Refused(OAuth2Error):  # type: ignore[misc]  # noqa: N818 - carries an answer
    """A refusal on its way through Authlib, which knows no others.

    undoes: whether what the request's transaction has written so far goes as well.
    """

    def __init__(self, refusal: Refusal, *, undoes: bool = True) -> None:
        super().__init__()
        self.refusal, self.undoes = refusal, undoes


class Server(AuthorizationServer):  # type: ignore[misc]
    def query_client(self, client_id: str) -> MachineClient | None:
        return authentication.find_client(client_id)

    def authenticate_client(
        self,
        request: TokenRequest,
        methods: list[str],
        endpoint: str = "token",  # noqa: ARG002
    ) -> MachineClient:
        try:
            client = authentication.authenticate(request.wire, request.fields, request.basic)
        except Refusal as refusal:
            raise Refused(refusal) from refusal
        if "none" not in methods and not client.is_confidential:
            raise Refused(Refusal.invalid_client())
        request.auth_method = client.token_endpoint_auth_method
        return client

    def create_oauth2_request(self, request: TokenRequest) -> TokenRequest:
        return request

    def send_signal(self, name: str, *_: Any, **told: Any) -> None:
        """News leave by audit; one moment is ours: each grant type tells who has authenticated."""
        if name == "after_authenticate_client":
            request: TokenRequest = told["grant"].request
            try:
                request.cnf = sender.constrain(request.wire, told["client"])
            except Refusal as refusal:
                raise Refused(refusal) from refusal

    def save_token(self, token: Any, request: Any) -> None:
        """Nothing to save: families are written by the statement that proves."""

    def handle_response(self, status: int, body: Any, headers: Any) -> Answer:  # noqa: ARG002
        return json_answer(body, status=status)

    def handle_error_response(self, request: TokenRequest, error: OAuth2Error) -> Answer:
        request.unit.refused = not isinstance(error, Refused) or error.undoes
        return error_answer(to_refusal(error))


def to_refusal(error: OAuth2Error) -> Refusal:
    """What we say for an error of Authlib's: its code, our words."""
    if isinstance(error, Refused):
        return error.refusal
    refusals = {
        "invalid_client": Refusal.invalid_client(),
        "invalid_grant": Refusal.invalid_grant("The grant is not usable."),
        "invalid_scope": Refusal.invalid_scope("The scope is not allowed."),
        "unauthorized_client": Refusal.unauthorized_client(
            "The client may not use this grant type."
        ),
        "unsupported_grant_type": Refusal.unsupported_grant_type(
            "The grant type is not supported."
        ),
    }
    return refusals.get(
        str(error.error), Refusal.invalid_request("A parameter is missing or wrong.")
    )
