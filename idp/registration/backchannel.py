"""What may be registered about backchannel authentication (CIBA Core 1.0 §4): pure rules."""

from core.errors import Refusal
from idp.registration.metadata import ClientMetadata
from idp.requests.request_objects import backchannel_algorithms_of

POLL, PING = "poll", "ping"
DELIVERY_MODES = (POLL, PING)


def check(known: ClientMetadata) -> None:
    """Refuses INVALID_CLIENT_METADATA. The address itself is judged with all the others."""
    mode = known.backchannel_token_delivery_mode
    if mode not in {"", *DELIVERY_MODES}:
        raise _refusal("backchannel_token_delivery_mode is poll or ping.")
    if mode == PING and not known.backchannel_client_notification_endpoint:
        raise _refusal("ping needs backchannel_client_notification_endpoint.")
    if known.backchannel_user_code_parameter:
        raise _refusal("User codes are not supported.")
    if not backchannel_algorithms_of(known):
        raise _refusal(
            "backchannel_authentication_request_signing_alg is not one that this client may use."
        )


def _refusal(detail: str) -> Refusal:
    return Refusal("invalid_client_metadata", detail)
