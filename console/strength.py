"""How well an account is protected, in one word, and the one next step. Pure."""

from dataclasses import dataclass

STRONG, FAIR, WEAK = "strong", "fair", "weak"


@dataclass(frozen=True)
class Protection:
    """What is known of an account. recovery_codes_left: None when none were ever made."""

    passkeys: int
    has_totp: bool
    recovery_codes_left: int | None
    is_email_verified: bool


@dataclass(frozen=True)
class Verdict:
    """strength: "strong", "fair" or "weak". next_step: "" when there is nothing to do."""

    strength: str
    next_step: str


def judge(known: Protection) -> Verdict:
    """Passkeys cannot be phished: they alone are strong. One way to lose everything is not."""
    has_factor = known.passkeys > 0 or known.has_totp
    has_codes = bool(known.recovery_codes_left)
    strength = STRONG if known.passkeys else FAIR if known.has_totp else WEAK
    steps = {
        "confirm_email": not known.is_email_verified,
        "add_second_factor": not has_factor,
        "make_recovery_codes": has_factor and not has_codes,
        "add_passkey": has_factor and not known.passkeys,
        "add_spare_passkey": known.passkeys == 1 and not known.has_totp,
    }
    return Verdict(strength, next((step for step, is_due in steps.items() if is_due), ""))
