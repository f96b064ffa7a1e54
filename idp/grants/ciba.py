"""grant_type=urn:openid:params:grant-type:ciba (CIBA Core 1.0 §10.1), for confidential clients."""

from audit.events import Event
from idp import storage
from idp.grants.polled import PolledGrant
from idp.machine.server import AUTH_METHODS
from idp.models.client import CIBA


class CibaGrant(PolledGrant):
    GRANT_TYPE = CIBA
    TOKEN_ENDPOINT_AUTH_METHODS = [name for name in AUTH_METHODS if name != "none"]
    FIELD = "auth_req_id"
    POLL = storage.POLL_BACKCHANNEL
    REDEEM = storage.REDEEM_BACKCHANNEL
    FIND = storage.FIND_BACKCHANNEL
    MISUSED = Event.AUTH_REQ_ID_MISUSED
    REPLAYED = Event.AUTH_REQ_ID_REPLAYED
