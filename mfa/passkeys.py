"""Passkeys (WebAuthn Level 3), by py_webauthn: options, challenges, and every check of an answer.

The library checks signature, rpIdHash, user presence and verification; the rest of §7.1 and §7.2 is
done here: our challenge once and for this browser, origin, no foreign frame, whose credential it
is, constant backup eligibility, a counter that grows. No request and no audit.

Answers come from strangers: whatever is wrong with one, this module raises one `Refusal`.
"""

import hashlib
import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from django.conf import settings
from django.db.models import Q
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import (
    base64url_to_bytes,
    bytes_to_base64url,
    decode_credential_public_key,
    decoded_public_key_to_cryptography,
    options_to_json_dict,
)
from webauthn.helpers.cose import COSECRV, COSEAlgorithmIdentifier
from webauthn.helpers.decode_credential_public_key import (
    DecodedEC2PublicKey,
    DecodedOKPPublicKey,
)
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    PublicKeyCredentialHint,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from accounts.models import User
from core import clock
from core.errors import Refusal
from core.ids import digest, equal
from mfa.models import PasskeyChallenge, PasskeyFactor, WebAuthnHandle

CHALLENGE_LIFETIME = timedelta(minutes=5)
CHALLENGE_SIZE_BYTES = 32
HANDLE_SIZE_BYTES = 64  # WebAuthn §14.6.1: 64 random bytes, nothing personal
MAX_CREDENTIAL_ID_BYTES = 1023  # WebAuthn §7.1
MAX_PASSKEYS_PER_USER = 20
MIN_RSA_BITS = 2048
TIMEOUT_MILLISECONDS = int(CHALLENGE_LIFETIME.total_seconds() * 1000)
ALGORITHMS = [
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
]
HINTS = [
    PublicKeyCredentialHint.CLIENT_DEVICE,
    PublicKeyCredentialHint.HYBRID,
    PublicKeyCredentialHint.SECURITY_KEY,
]
TRANSPORTS = {transport.value for transport in AuthenticatorTransport}

NOT_ACCEPTED = "This passkey was not accepted. Please try again, or use another way."
UNKNOWN_CREDENTIAL = "unknown_credential"


class Purpose(StrEnum):
    """What a challenge is for; one made for one purpose answers no other."""

    REGISTER = "register"
    LOGIN = "login"
    SECOND_FACTOR = "second_factor"
    STEP_UP = "step_up"


@dataclass(frozen=True)
class Answer:
    """A browser's answer, read but not yet believed."""

    credential_id: bytes
    client_data: dict[str, Any]
    user_handle: bytes | None
    raw: dict[str, Any]


@dataclass(frozen=True)
class NewPasskey:
    """A credential record (WebAuthn Level 3 §4) of a registration that passed every check."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    aaguid: UUID
    transports: tuple[str, ...]
    is_backup_eligible: bool
    is_backed_up: bool


@dataclass(frozen=True)
class Assertion:
    """What an assertion that passed every check but the counter's says."""

    sign_count: int
    is_backed_up: bool


class CounterRegressed(Exception):  # noqa: N818 - names a state
    """The counter did not grow: two authenticators may hold this key (WebAuthn §6.1.1)."""


def refused(code: str = "invalid_passkey", detail: str = NOT_ACCEPTED) -> Refusal:
    return Refusal(code, detail)


def registration_options(*, user: User, browser: str, now: datetime) -> dict[str, Any]:
    """Options for `navigator.credentials.create`, as JSON: discoverable, user verified."""
    known = PasskeyFactor.objects.filter(user_id=user.pk)
    options = generate_registration_options(
        rp_id=settings.RELYING_PARTY_ID,
        rp_name=settings.RELYING_PARTY_NAME,
        user_id=handle_of(user),
        user_name=user.email,
        user_display_name=user.name or user.email,
        challenge=_new_challenge(Purpose.REGISTER, user, browser, now),
        timeout=TIMEOUT_MILLISECONDS,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[_descriptor(factor) for factor in known],
        supported_pub_key_algs=ALGORITHMS,
        hints=HINTS,
    )
    return options_to_json_dict(options) | {"extensions": {"credProps": True}}


def authentication_options(
    *, purpose: Purpose, user: User | None, browser: str, now: datetime
) -> dict[str, Any]:
    """Options for `navigator.credentials.get`, as JSON.

    Without a user the list of credentials is empty: the authenticator says who is there, and the
    options are the same for everybody (WebAuthn §14.6.2).
    """
    known = PasskeyFactor.objects.filter(user_id=user.pk, confirmed=True) if user else ()
    options = generate_authentication_options(
        rp_id=settings.RELYING_PARTY_ID,
        challenge=_new_challenge(purpose, user, browser, now),
        timeout=TIMEOUT_MILLISECONDS,
        allow_credentials=[_descriptor(factor) for factor in known],
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options_to_json_dict(options)


def handle_of(user: User) -> bytes:
    """The user's handle, made on first use."""
    row, _ = WebAuthnHandle.objects.get_or_create(
        user_id=user.pk, defaults={"handle": secrets.token_bytes(HANDLE_SIZE_BYTES)}
    )
    return bytes(row.handle)


def read_answer(raw: Any) -> Answer:
    """Take an answer apart; refuses whatever is not one."""
    try:
        response = raw["response"]
        handle = response.get("userHandle")
        client_data = json.loads(base64url_to_bytes(response["clientDataJSON"]))
        if not isinstance(client_data, dict):
            raise refused()
        return Answer(
            credential_id=base64url_to_bytes(raw["rawId"]),
            client_data=client_data,
            user_handle=base64url_to_bytes(handle) if handle else None,
            raw=raw,
        )
    except Refusal:
        raise
    except Exception as error:  # any shape may come here
        raise refused() from error


def claim_challenge(*, answer: Answer, purpose: Purpose, user: User | None, browser: str) -> bytes:
    """Use up the challenge that is answered, by one conditional update, and return it.

    Call it outside of a transaction that may be rolled back: an answer that is refused later has
    used its challenge as well. Refuses a challenge that is unknown, over, used, or somebody else's.
    """
    try:
        challenge = base64url_to_bytes(answer.client_data["challenge"])
    except Exception as error:
        raise refused() from error
    claimed = PasskeyChallenge.objects.filter(
        Q(user=None) if user is None else Q(user=user.pk),
        challenge=challenge,
        purpose=purpose,
        browser_digest=digest(browser),
        used_at=None,
        expires_at__gt=clock.sql_now(),
    ).update(used_at=clock.sql_now())
    if claimed != 1:
        raise refused("challenge_over", "This took too long. Please try again.")
    return challenge


def check_client_data(*, answer: Answer, kind: str) -> None:
    """Type, origin, and that no foreign page framed us: the library looks at the first two only."""
    client = answer.client_data
    if client.get("type") != kind or client.get("origin") not in settings.RELYING_PARTY_ORIGINS:
        raise refused()
    if client.get("crossOrigin") not in (None, False) or "topOrigin" in client:
        raise refused()


def check_registration(*, answer: Answer, challenge: bytes) -> NewPasskey:
    """The checks of WebAuthn §7.1 that stand before the database's own."""
    check_client_data(answer=answer, kind="webauthn.create")
    try:
        verified = verify_registration_response(
            credential=answer.raw,
            expected_challenge=challenge,
            expected_rp_id=settings.RELYING_PARTY_ID,
            expected_origin=list(settings.RELYING_PARTY_ORIGINS),
            require_user_verification=True,
            supported_pub_key_algs=ALGORITHMS,
        )
        _check_key(verified.credential_public_key)
        properties = answer.raw.get("clientExtensionResults", {}).get("credProps", {})
        if len(verified.credential_id) > MAX_CREDENTIAL_ID_BYTES or properties.get("rk") is False:
            raise refused()
        transports = answer.raw["response"].get("transports") or []
        return NewPasskey(
            credential_id=verified.credential_id,
            public_key=verified.credential_public_key,
            sign_count=verified.sign_count,
            aaguid=UUID(verified.aaguid),
            transports=tuple(sorted({name for name in transports if name in TRANSPORTS})),
            is_backup_eligible=_is_backup_eligible(verified.credential_device_type),
            is_backed_up=verified.credential_backed_up,
        )
    except Refusal:
        raise
    except Exception as error:  # the library lets KeyError, ValueError and binascii.Error through
        raise refused() from error


def find_factor(*, answer: Answer, purpose: Purpose, user: User | None) -> PasskeyFactor:
    """The credential that is answered with, if it is this user's and its handle is the user's.

    Refuses unknown_credential when nobody has it, so that the browser may forget it.
    """
    known = PasskeyFactor.objects.select_related("user__organisation").filter(
        credential_digest=credential_digest(answer.credential_id), confirmed=True
    )
    factor: PasskeyFactor | None = known.first()
    if factor is None:
        raise refused(UNKNOWN_CREDENTIAL, "This passkey is no longer known here. Use another way.")
    if user is not None and factor.user_id != user.pk:
        raise refused()
    if answer.user_handle is None and purpose is Purpose.LOGIN:
        raise refused()  # WebAuthn §7.2 step 6: only the handle says whose it is
    return factor


def check_assertion(*, answer: Answer, factor: PasskeyFactor, challenge: bytes) -> Assertion:
    """The checks of WebAuthn §7.2 by this factor's key."""
    handle = answer.user_handle
    if handle is not None and not equal(handle, handle_of(factor.user)):
        raise refused()
    try:
        verified = verify_authentication_response(
            credential=answer.raw,
            expected_challenge=challenge,
            expected_rp_id=settings.RELYING_PARTY_ID,
            expected_origin=list(settings.RELYING_PARTY_ORIGINS),
            credential_public_key=bytes(factor.public_key),
            credential_current_sign_count=0,  # the counter's rule is `advance`
            require_user_verification=True,
        )
    except Exception as error:  # as above
        raise refused() from error
    if _is_backup_eligible(verified.credential_device_type) != factor.backup_eligible:
        raise refused()
    return Assertion(verified.new_sign_count, verified.credential_backed_up)


def advance(*, factor: PasskeyFactor, assertion: Assertion, now: datetime) -> None:
    """Note a use: counter, backup state and time, by one conditional update.

    Raises CounterRegressed, and changes nothing, unless the counter grew or is always zero.
    """
    count = assertion.sign_count
    grows = Q(sign_count=0) if count == 0 else Q(sign_count__lt=count)
    updated = PasskeyFactor.objects.filter(grows, pk=factor.pk).update(
        sign_count=count, backed_up=assertion.is_backed_up, last_used_at=now
    )
    if updated != 1:
        raise CounterRegressed


def credential_digest(credential_id: bytes) -> bytes:
    """SHA-256 of a credential id, which may be up to 1023 bytes long."""
    return hashlib.sha256(credential_id).digest()


def signals_for(user: User) -> dict[str, Any]:
    """What browsers are told by the Signal API (WebAuthn §5.1.10): who, and which passkeys live."""
    known = PasskeyFactor.objects.filter(user_id=user.pk, confirmed=True)
    return {
        "rpId": settings.RELYING_PARTY_ID,
        "userId": bytes_to_base64url(handle_of(user)),
        "name": user.email,
        "displayName": user.name or user.email,
        "allAcceptedCredentialIds": [
            bytes_to_base64url(bytes(factor.credential_id)) for factor in known
        ],
    }


def _check_key(public_key: bytes) -> None:
    """The key fits its algorithm: P-256 for ES256, Ed25519 for EdDSA, RSA of at least 2048 bits."""
    key = decode_credential_public_key(public_key)
    usable = decoded_public_key_to_cryptography(key)  # raises for a point that is on no curve
    if isinstance(key, DecodedEC2PublicKey):
        fits = (key.alg, key.crv) == (COSEAlgorithmIdentifier.ECDSA_SHA_256, COSECRV.P256)
    elif isinstance(key, DecodedOKPPublicKey):
        fits = (key.alg, key.crv) == (COSEAlgorithmIdentifier.EDDSA, COSECRV.ED25519)
    else:
        fits = isinstance(usable, RSAPublicKey) and usable.key_size >= MIN_RSA_BITS
    if not fits:
        raise refused("unsupported_passkey", "This kind of passkey is not supported here.")


def _is_backup_eligible(device_type: CredentialDeviceType) -> bool:
    return device_type == CredentialDeviceType.MULTI_DEVICE


def _new_challenge(purpose: Purpose, user: User | None, browser: str, now: datetime) -> bytes:
    challenge = secrets.token_bytes(CHALLENGE_SIZE_BYTES)
    PasskeyChallenge.objects.create(
        purpose=purpose,
        user_id=user.pk if user else None,
        browser_digest=digest(browser),
        challenge=challenge,
        expires_at=now + CHALLENGE_LIFETIME,
    )
    return challenge


def _descriptor(factor: PasskeyFactor) -> PublicKeyCredentialDescriptor:
    return PublicKeyCredentialDescriptor(
        id=bytes(factor.credential_id),
        transports=[
            AuthenticatorTransport(name) for name in factor.transports if name in TRANSPORTS
        ],
    )
