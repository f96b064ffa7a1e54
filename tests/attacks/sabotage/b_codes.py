"""Authorization codes and PKCE (A019 to A029)."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from tests.attacks.sabotage.defence import Defence, Patch, redeem_without, wrap


def pkce_by_presence(params: Any, client: Any) -> None:
    from core.errors import Refusal

    if params.code_challenge is None:
        raise Refusal.invalid_request("code_challenge is missing.")


def pkce_by(check: Callable[[Any, Any], None]) -> Callable[[Patch], None]:
    def remove(patch: Patch) -> None:
        checks = import_module("idp.authorization.checks")
        careless = tuple(check if c is checks.check_pkce else c for c in checks.CHECKS)
        assert check in careless, "check_pkce has moved: look at the sabotage again"
        patch.setattr(checks, "CHECKS", careless)

    return remove


def expired_codes(patch: Patch) -> None:
    from core.clock import SQL_NOW

    redeem_without(f"AND expires_at > {SQL_NOW}")(patch)


def without_headers(*names: str) -> Callable[..., Any]:
    def around(original: Any, *args: Any, **how: Any) -> Any:
        response = original(*args, **how)
        for name in names:
            del response[name]
        return response

    return around


DEFENCES = {
    "A019": Defence(
        "code_challenge is required at the authorization endpoint", pkce_by(lambda *_: None)
    ),
    "A020": Defence("S256 is the only method", pkce_by(pkce_by_presence)),
    "A021": Defence(
        "the verifier is compared with the challenge",
        redeem_without("challenge = %(challenge)s", "true"),
    ),
    "A022": Defence(
        "a few wrong verifiers end the code", redeem_without("AND wrong_verifiers < 3")
    ),
    "A024": Defence("a code is used once", redeem_without("AND used_at IS NULL")),
    "A025": Defence(
        "the statement that claims a code is the one that looks",
        redeem_without("AND used_at IS NULL"),
    ),
    "A026": Defence("a code belongs to its client", redeem_without("AND client_id = %(client)s")),
    "A027": Defence("a code ends after a minute", expired_codes),
    "A029": Defence(
        "answers with codes send no referrer",
        wrap("idp.answers:see_other", without_headers("Referrer-Policy")),
    ),
}
