"""What people do with factors: prove them, add them, take them away. `user` is always the owner.

`standing` answers questions, `prove` judges answers, `change` adds and removes; each change rotates
the security stamp, so that every session but the one that made it ends.
"""

from mfa.flows.change import (
    add_passkey,
    add_totp,
    make_recovery_codes,
    remove_passkey,
    remove_totp,
    rename_passkey,
)
from mfa.flows.prove import PasskeyAttempt, prove_code, prove_passkey
from mfa.flows.standing import (
    Factors,
    factors_of,
    has_second_factor,
    is_last_factor,
    methods_of,
    passkey_added_at,
    reachable_level,
    role_demands_second_factor,
    strongest_level,
)
from mfa.flows.tidy import purge
from mfa.proof import Proof, proofs_to_assurance, proven_assurance

__all__ = [
    "Factors",
    "PasskeyAttempt",
    "Proof",
    "add_passkey",
    "add_totp",
    "factors_of",
    "has_second_factor",
    "is_last_factor",
    "make_recovery_codes",
    "methods_of",
    "passkey_added_at",
    "proofs_to_assurance",
    "prove_code",
    "prove_passkey",
    "proven_assurance",
    "purge",
    "reachable_level",
    "remove_passkey",
    "remove_totp",
    "rename_passkey",
    "role_demands_second_factor",
    "strongest_level",
]
