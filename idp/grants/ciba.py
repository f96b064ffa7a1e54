"""grant_type=urn:openid:params:grant-type:ciba (CIBA Core 1.0 §10.1), for confidential clients."""

from audit.events import Event
from idp.grants.polled import PolledGrant
from idp.machine.server import AUTH_METHODS
from idp.models.client import CIBA
from idp.storage.polled_requests import FIND_BACKCHANNEL, POLL_BACKCHANNEL, REDEEM_BACKCHANNEL


class CibaGrant(PolledGrant):
    GRANT_TYPE = CIBA
    TOKEN_ENDPOINT_AUTH_METHODS = [name for name in AUTH_METHODS if name != "none"]
    FIELD = "auth_req_id"
    POLL = POLL_BACKCHANNEL
    REDEEM = REDEEM_BACKCHANNEL
    FIND = FIND_BACKCHANNEL
    MISUSED = Event.AUTH_REQ_ID_MISUSED
    REPLAYED = Event.AUTH_REQ_ID_REPLAYED
