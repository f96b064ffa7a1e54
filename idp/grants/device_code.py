"""grant_type=urn:ietf:params:oauth:grant-type:device_code (RFC 8628 §3.4)."""

from audit.events import Event
from idp import device, storage
from idp.grants.polled import PolledGrant
from idp.machine.server import AUTH_METHODS


class DeviceCodeGrant(PolledGrant):
    GRANT_TYPE = device.GRANT_TYPE
    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS
    FIELD = "device_code"
    POLL = storage.POLL_DEVICE
    REDEEM = storage.REDEEM_DEVICE
    FIND = storage.FIND_DEVICE
    MISUSED = Event.DEVICE_CODE_MISUSED
    REPLAYED = Event.DEVICE_CODE_REPLAYED
