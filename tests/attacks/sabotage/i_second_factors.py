"""TOTP, recovery codes and step-up (A104 to A115)."""

from tests.attacks.sabotage.defence import Defence, Patch, replace, wrap


def without_login_stages(patch: Patch) -> None:
    from django.conf import settings

    patch.setattr(settings, "LOGIN_STAGES", [])


DEFENCES = {
    "A104": Defence(
        "a step that was used is not accepted again",
        wrap("mfa.totp:matching_step", lambda original, **how: original(**(how | {"after": -1}))),
    ),
    "A105": Defence(
        "guesses are paid for", replace("accounts.budget:reserve", lambda *_, **__: None)
    ),
    "A108": Defence(
        "who owes a second factor is stopped",
        replace("mfa.stages:SecondFactorStage.handle", lambda self: (None, True)),
    ),
    "A109": Defence("every path of allauth's walks our stage", without_login_stages),
    "A112": Defence(
        "recent and strong is one thing",
        replace("core.assurance:Assurance.satisfies", lambda self, level, *_: self.level >= level),
    ),
}
