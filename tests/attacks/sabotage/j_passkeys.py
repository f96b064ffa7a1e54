"""Passkeys (A116 to A127)."""

from typing import Any

from tests.attacks.sabotage.defence import (
    Defence,
    Patch,
    layers,
    replace,
    rows_without,
    setting,
    without_unique,
    wrap,
)

CHALLENGES = "mfa.models:PasskeyChallenge"
VERIFIERS = ("verify_authentication_response", "verify_registration_response")


class Everywhere(list[str]):
    """Every origin there is."""

    def __contains__(self, _: object) -> bool:
        return True

    def index(self, *_: Any) -> int:
        return 0


def verifying(**otherwise: Any) -> Any:
    """Has the library look at less."""
    return layers(
        *(
            wrap(f"mfa.passkeys:{name}", lambda original, **how: original(**(how | otherwise)))
            for name in VERIFIERS
        )
    )


def reading(**otherwise: Any) -> Any:
    """Has our own look at the client's data see something else."""

    def around(original: Any, *, answer: Any, kind: str) -> Any:
        from dataclasses import replace as changed

        seen = {name: value for name, value in answer.client_data.items() if name != "topOrigin"}
        return original(answer=changed(answer, client_data=seen | otherwise), kind=kind)

    return wrap("mfa.passkeys:check_client_data", around)


def of_either_ceremony(patch: Patch) -> None:
    """Believes that an answer is of the ceremony that it is used for: we, and the library."""
    from importlib import import_module

    def ours(original: Any, *, answer: Any, kind: str) -> Any:
        from dataclasses import replace as changed

        seen = answer.client_data | {"type": kind}
        return original(answer=changed(answer, client_data=seen), kind=kind)

    def theirs(original: Any, kind: str) -> Any:
        def parse(text: bytes) -> Any:
            seen = original(text)
            seen.type = kind
            return seen

        return parse

    wrap("mfa.passkeys:check_client_data", ours)(patch)
    for ceremony, kind in (("authentication", "get"), ("registration", "create")):
        module = import_module(f"webauthn.{ceremony}.verify_{ceremony}_response")
        original = module.parse_client_data_json
        patch.setattr(module, "parse_client_data_json", theirs(original, f"webauthn.{kind}"))


def of_this_site(original: Any, data: bytes) -> Any:
    """Reads every authenticator's data as made for our own relying party."""
    import hashlib

    from django.conf import settings

    seen = original(data)
    seen.rp_id_hash = hashlib.sha256(settings.RELYING_PARTY_ID.encode()).digest()
    return seen


def undone_when_refused(original: Any, **how: Any) -> Any:
    """Judges an answer in one transaction, which a refusal rolls back."""
    from django.db import transaction

    with transaction.atomic():
        attempt = original(**how)
        if attempt.refusal is not None:
            transaction.set_rollback(True)
        return attempt


def passkey_of_anybody(*, answer: Any, purpose: Any, user: Any) -> Any:
    from mfa.models import PasskeyFactor
    from mfa.passkeys import credential_digest

    return PasskeyFactor.objects.select_related("user__organisation").get(
        credential_digest=credential_digest(answer.credential_id)
    )


def in_place_of_the_other(original: Any, user: Any, new: Any, *more: Any) -> Any:
    from mfa.models import PasskeyFactor
    from mfa.passkeys import credential_digest

    PasskeyFactor.objects.filter(credential_digest=credential_digest(new.credential_id)).delete()
    return original(user, new, *more)


def whatever_it_counts(*, factor: Any, assertion: Any, now: Any) -> None:
    type(factor).objects.filter(pk=factor.pk).update(
        sign_count=assertion.sign_count, backed_up=assertion.is_backed_up, last_used_at=now
    )


def by_what_was_read_before(*, factor: Any, assertion: Any, now: Any) -> None:
    """Looks first and writes afterwards."""
    from mfa.passkeys import CounterRegressed

    count = assertion.sign_count
    if count <= factor.sign_count and (count or factor.sign_count):
        raise CounterRegressed
    whatever_it_counts(factor=factor, assertion=assertion, now=now)


def unsigned(original: Any, **how: Any) -> Any:
    """Reads the counter whether the signature is right or not."""
    from types import SimpleNamespace

    from webauthn.helpers import base64url_to_bytes, parse_authenticator_data
    from webauthn.helpers.exceptions import InvalidAuthenticationResponse

    try:
        return original(**how)
    except InvalidAuthenticationResponse:
        text = how["credential"]["response"]["authenticatorData"]
        seen = parse_authenticator_data(base64url_to_bytes(text))
        return SimpleNamespace(
            new_sign_count=seen.sign_count,
            credential_device_type="single_device",
            credential_backed_up=False,
        )


def catching_nothing(patch: Patch) -> None:
    """Lets through whatever comes of reading what is no answer."""
    patch.setattr("mfa.passkeys.Exception", ZeroDivisionError, raising=False)


def every_algorithm(patch: Patch) -> None:
    from webauthn.helpers.cose import COSEAlgorithmIdentifier

    replace("mfa.passkeys:ALGORITHMS", list(COSEAlgorithmIdentifier))(patch)


def not_discoverable(original: Any, *, answer: Any, challenge: bytes) -> Any:
    from dataclasses import replace as changed

    silent = answer.raw | {"clientExtensionResults": {}}
    return original(answer=changed(answer, raw=silent), challenge=challenge)


def for_whom_is_asked(patch: Patch) -> None:
    """Signing in begins by an address, and the options list what its owner has."""
    asked: dict[str, Any] = {}

    def paying(original: Any, request: Any) -> Any:
        import json

        from accounts.models import User

        body = json.loads(request.body)
        asked["user"] = User.unscoped.filter(email=body.get("email")).first()
        return original(request)

    def options(original: Any, **how: Any) -> Any:
        from mfa.models import PasskeyFactor
        from mfa.passkeys import bytes_to_base64url

        made = original(**how)
        theirs = PasskeyFactor.objects.filter(user=asked.get("user"))
        ids = [{"id": bytes_to_base64url(bytes(each.credential_id))} for each in theirs]
        return made | {"allowCredentials": ids}

    wrap("mfa.ceremonies:pay", paying)(patch)
    wrap("mfa.passkeys:authentication_options", options)(patch)


DEFENCES = {
    "A116": Defence("user verification is required", verifying(require_user_verification=False)),
    "A117-origin": Defence(
        "a ceremony is held on our own pages",
        layers(
            setting("RELYING_PARTY_ORIGINS", Everywhere()), verifying(expected_origin=Everywhere())
        ),
    ),
    "A117-frame": Defence("a ceremony is held in no foreign page", reading(crossOrigin=False)),
    "A117-ceremony": Defence("an answer is of the ceremony that was asked for", of_either_ceremony),
    "A117-site": Defence(
        "a passkey is for one relying party",
        wrap("webauthn.helpers:parse_authenticator_data", of_this_site),
    ),
    "A118-once": Defence("a challenge is answered once", rows_without(CHALLENGES, "used_at")),
    "A118-late": Defence(
        "a challenge ends after five minutes", rows_without(CHALLENGES, "expires_at__gt")
    ),
    "A118-browser": Defence(
        "a challenge is for one browser", rows_without(CHALLENGES, "browser_digest")
    ),
    "A118-purpose": Defence("a challenge is for one purpose", rows_without(CHALLENGES, "purpose")),
    "A118-user": Defence("a challenge is for one user", rows_without(CHALLENGES, "*")),
    "A118-made": Defence(
        "an answer is to a challenge that we made", rows_without(CHALLENGES, "challenge")
    ),
    "A118-refused": Defence(
        "an answer that was refused has used its challenge",
        wrap("mfa.flows:prove_passkey", undone_when_refused),
    ),
    "A119": Defence(
        "a passkey belongs to its user", replace("mfa.passkeys:find_factor", passkey_of_anybody)
    ),
    "A120": Defence(
        "a registration overwrites nobody's passkey",
        wrap("mfa.flows.change:_insert_passkey", in_place_of_the_other),
    ),
    "A120-database": Defence(
        "the database holds credential ids unique",
        without_unique("mfa_passkeyfactor", "credential_digest"),
    ),
    "A120-length": Defence(
        "a credential id is no longer than the standard allows",
        replace("mfa.passkeys:MAX_CREDENTIAL_ID_BYTES", 65_536),
    ),
    "A121": Defence("a counter grows", replace("mfa.passkeys:advance", whatever_it_counts)),
    "A121-race": Defence(
        "the statement that keeps the counter is the one that looks",
        replace("mfa.passkeys:advance", by_what_was_read_before),
    ),
    "A121-alarm": Defence(
        "the owner is told of a copy", replace("mfa.flows.prove:_alarm", lambda *_: None)
    ),
    "A121-signature": Defence(
        "only who holds the key raises the alarm",
        wrap("mfa.passkeys:verify_authentication_response", unsigned),
    ),
    "A121-backup": Defence(
        "backup eligibility never changes",
        replace("mfa.passkeys:_is_backup_eligible", lambda _: True),
    ),
    "A122": Defence("a key fits its algorithm", replace("mfa.passkeys:_check_key", lambda _: None)),
    "A122-algorithms": Defence("only algorithms that are offered are taken", every_algorithm),
    "A122-discoverable": Defence(
        "a passkey can be found by its authenticator",
        wrap("mfa.passkeys:check_registration", not_discoverable),
    ),
    "A122-shape": Defence("whatever is no answer is refused", catching_nothing),
    "A122-size": Defence(
        "a long body is not read", replace("mfa.ceremonies:MAX_BODY_BYTES", 10_000_000)
    ),
    "A125": Defence("the options of signing in are for anybody", for_whom_is_asked),
    "A125-rate": Defence(
        "beginnings are counted by address", replace("mfa.ceremonies:pay", lambda _: None)
    ),
}
