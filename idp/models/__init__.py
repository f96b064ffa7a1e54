from idp.models.assertion import UsedAssertion
from idp.models.authorization import AuthorizationCode, AuthorizationRequest, PushedRequest
from idp.models.backchannel import BackchannelAuthentication, PingDelivery
from idp.models.client import Client
from idp.models.consent import Consent
from idp.models.device import DeviceAuthorization
from idp.models.key import EncryptionKey, SigningKey
from idp.models.logo import ClientLogo
from idp.models.logout import LogoutDelivery
from idp.models.proxied import ForwardCode, ForwardSession, ProxiedHost
from idp.models.registration import InitialAccessToken
from idp.models.role import ClientRole
from idp.models.status import ListedToken, StatusList
from idp.models.subject import PairwiseSalt
from idp.models.token import RefreshFamily, RevokedToken, SpentProof

__all__ = [
    "AuthorizationCode",
    "AuthorizationRequest",
    "BackchannelAuthentication",
    "Client",
    "ClientLogo",
    "ClientRole",
    "Consent",
    "DeviceAuthorization",
    "EncryptionKey",
    "ForwardCode",
    "ForwardSession",
    "InitialAccessToken",
    "ListedToken",
    "LogoutDelivery",
    "PairwiseSalt",
    "PingDelivery",
    "ProxiedHost",
    "PushedRequest",
    "RefreshFamily",
    "RevokedToken",
    "SigningKey",
    "SpentProof",
    "StatusList",
    "UsedAssertion",
]
