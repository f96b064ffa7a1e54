"""grant_type=urn:ietf:params:oauth:grant-type:device_code (RFC 8628 §3.4)."""

from audit.events import Event
from idp import device
from idp.grants.polled import PolledGrant
from idp.machine.server import AUTH_METHODS
from idp.storage.polled_requests import FIND_DEVICE, POLL_DEVICE, REDEEM_DEVICE


class DeviceCodeGrant(PolledGrant):
    GRANT_TYPE = device.GRANT_TYPE
    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS
    FIELD = "device_code"
    POLL = POLL_DEVICE
    REDEEM = REDEEM_DEVICE
    FIND = FIND_DEVICE
    MISUSED = Event.DEVICE_CODE_MISUSED
    REPLAYED = Event.DEVICE_CODE_REPLAYED
