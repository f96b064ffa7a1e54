"""What devices report, and what others say of them (A154)."""

from collections.abc import (
    Callable,
)
from datetime import (
    timedelta,
)
from fractions import (
    Fraction,
)
from typing import (
    Any,
)

from tests.attacks.sabotage.defence import (
    Defence,
    however_old,
    in_the_highest_tier,
    replace,
    wrap,
)


def unverified(text: str, **_: Any) -> Any:
    import base64
    import json

    return json.loads(base64.urlsafe_b64decode(text.split(".")[1] + "=="))


def issued_by_whoever(original: Any, *args: Any, **how: Any) -> Any:
    """Believes that whatever an enrolled device has signed is about the device asked for."""
    from devices.models import Device

    for device in Device.unscoped.all():
        key = type(how["key"])(device.public_jwk, device.key_thumbprint)
        try:
            claims = original(*args, **(how | {"key": key}))
        except Exception:
            continue
        others = Device.unscoped.exclude(pk=device.pk).first()
        return claims | ({"iss": str(others.pk)} if others else {})
    return original(*args, **how)


def devices_named(*, within: bool) -> Callable[..., Any]:
    """Finds devices by any name, whoever has said that they have it. within: one organisation."""

    def find(organisation_id: Any, names: Any) -> Any:
        from devices.connectors.identifiers import Identifier, Kind
        from devices.models import DeviceIdentifier

        rows = DeviceIdentifier.unscoped.filter(value__in={name.value for name in names})
        if within:
            rows = rows.filter(organisation_id=organisation_id)
        return {Identifier(Kind(row.kind), row.value): row.device for row in rows}

    return find


def for_any_application(original: Any, token: str, **how: Any) -> bool:
    """Believes whom a token says that it is for."""
    from core import strict_json

    try:
        claims = strict_json.parse_part(token.split(".")[1])
    except (ValueError, IndexError):
        return False
    said = claims.get("aud")
    audience = said[0] if isinstance(said, list) and said else said
    return bool(original(token, **(how | {"audience": audience})))


POSTURE = "attacks/test_a154_posture.py"
CONNECTORS = "attacks/test_a154_connectors.py"


DEFENCES = {
    "A154": Defence(
        "a report is signed by the key that was enrolled",
        replace("devices.posture:_signed", unverified),
        POSTURE,
    ),
    "A154-device": Defence(
        "a report is for the device that it names",
        wrap("devices.posture:_signed", issued_by_whoever),
        POSTURE,
    ),
    "A154-nonce": Defence(
        "a report carries a nonce that this device was given just now",
        replace("devices.flows.reports:_claim_nonce", lambda *_: None),
        POSTURE,
    ),
    "A154-seq": Defence(
        "reports count in order",
        replace("devices.flows.reports:_claim_seq", lambda *_: None),
        POSTURE,
    ),
    "A154-clock": Defence(
        "a report is of this minute",
        replace("devices.posture:MAX_SKEW", timedelta(days=99)),
        POSTURE,
    ),
    "A154-stage": Defence(
        "trust is that of the device which the session's browser runs on, now",
        wrap("sessions.evaluation:facts_of", in_the_highest_tier),
        POSTURE,
    ),
    "A154-enrolment": Defence(
        "who enrols a device has proven themselves by a passkey just now",
        wrap("core.assurance:Assurance.satisfies", however_old),
        POSTURE,
    ),
    "A154-webhook": Defence(
        "a call of another product is proven to be of it",
        replace("devices.connectors.delivery:_is_signed", lambda *_: True),
        CONNECTORS,
    ),
    "A154-webhook-secret": Defence(
        "so is one that shows a secret",
        replace("devices.connectors.models:Connector.has_secret", lambda *_: True),
        CONNECTORS,
    ),
    "A154-webhook-age": Defence(
        "a signed call is of these minutes",
        replace("devices.connectors.delivery:SIGNATURE_LIFETIME", timedelta(days=99)),
        CONNECTORS,
    ),
    "A154-webhook-replay": Defence(
        "what was seen before undoes nothing that was seen after it",
        replace("devices.connectors.delivery:_is_news", lambda *_: True),
        CONNECTORS,
    ),
    "A154-webhook-future": Defence(
        "nothing is seen before it is so",
        replace("devices.connectors.delivery:MAX_CLOCK_LEAD", timedelta(days=99)),
        CONNECTORS,
    ),
    "A154-webhook-organisation": Defence(
        "a connector reaches the devices of its organisation",
        replace("devices.connectors.delivery:devices_called", devices_named(within=False)),
        CONNECTORS,
    ),
    "A154-webhook-names": Defence(
        "a device has the names that an administrator has confirmed",
        replace("devices.connectors.delivery:devices_called", devices_named(within=True)),
        CONNECTORS,
    ),
    "A154-webhook-size": Defence(
        "a call is small",
        replace("devices.connectors.views:MAX_BODY_BYTES", 2**30),
        CONNECTORS,
    ),
    "A154-webhook-many": Defence(
        "a call names few hosts", replace("devices.connectors.fleet:MAX_HOSTS", 10**9), CONNECTORS
    ),
    "A154-freshness": Defence(
        "what was found counts for as long as it is fresh",
        replace("devices.score:_freshness", lambda *_: Fraction(1)),
        CONNECTORS,
    ),
    "A154-access-token": Defence(
        "a token of Cloudflare Access is for this application",
        wrap("devices.connectors.access_token:is_good", for_any_application),
        "devices/test_connectors_cloudflare.py",
    ),
}
