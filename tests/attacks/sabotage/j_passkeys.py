"""Passkeys (A116 to A127)."""

from typing import Any

from tests.attacks.sabotage.defence import Defence, Patch, replace, wrap


def without_user_verification(patch: Patch) -> None:
    for name in ("verify_authentication_response", "verify_registration_response"):
        wrap(
            f"mfa.passkeys:{name}",
            lambda original, **how: original(**(how | {"require_user_verification": False})),
        )(patch)


def passkey_of_anybody(*, answer: Any, purpose: Any, user: Any) -> Any:
    from mfa.models import PasskeyFactor
    from mfa.passkeys import credential_digest

    return PasskeyFactor.objects.select_related("user__organisation").get(
        credential_digest=credential_digest(answer.credential_id)
    )


DEFENCES = {
    "A116": Defence("user verification is required", without_user_verification),
    "A119": Defence(
        "a passkey belongs to its user", replace("mfa.passkeys:find_factor", passkey_of_anybody)
    ),
}
