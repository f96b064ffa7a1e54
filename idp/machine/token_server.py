"""The one authorization server of the token endpoint, with every grant type that it knows."""

from idp.grants.authorization_code import AuthorizationCodeGrant
from idp.grants.ciba import CibaGrant
from idp.grants.client_credentials import ClientCredentialsGrant
from idp.grants.device_code import DeviceCodeGrant
from idp.grants.refresh_token import RefreshTokenGrant
from idp.grants.token_exchange import TokenExchangeGrant
from idp.machine.server import Server

server = Server()
server.register_grant(AuthorizationCodeGrant)
server.register_grant(RefreshTokenGrant)
server.register_grant(ClientCredentialsGrant)
server.register_grant(DeviceCodeGrant)
server.register_grant(CibaGrant)
server.register_grant(TokenExchangeGrant)
