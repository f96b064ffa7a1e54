"""Takes a defence away and expects the tests of its attack to fail: else they prove nothing.

    make sabotage                    every defence below
    make sabotage ARGS="A024 A030"   these

One pytest run with this file as a plugin: each test runs without its attack's defence, and an
attack that no test noticed is reported. What is taken away is one thing, where the code has it;
`edit` fails when that place has changed, so that the table follows the code.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = Path(__file__).resolve().parent
VARIABLE = "SABOTAGE"

Patch = pytest.MonkeyPatch


@dataclass
class Defence:
    """what: the defence, in words. remove: takes it away for one test."""

    what: str
    remove: Callable[[Patch], None]
    noticed_by: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    tests: int = 0


# --- how defences are taken away ------------------------------------------------------------------


def edit(patch: Patch, name: str, old: str, *modules: str, new: str = "") -> None:
    """Leave a part out of an SQL statement, or put another there, wherever it was imported."""
    for module in map(import_module, modules):
        text = getattr(module, name)
        assert old in text, f"{module.__name__}.{name} has changed: look at the sabotage again"
        patch.setattr(module, name, text.replace(old, new))


def redeem_without(condition: str, new: str = "") -> Callable[[Patch], None]:
    return lambda patch: edit(
        patch, "REDEEM_CODE", condition, "idp.storage", "idp.grants.authorization_code", new=new
    )


def rotate_without(condition: str) -> Callable[[Patch], None]:
    def remove(patch: Patch) -> None:
        for name in ("ROTATE", "ROTATE_AND_TOUCH"):
            edit(patch, name, condition, "idp.storage", "idp.grants.refresh_token")

    return remove


def redirect_uri_by(is_good: Callable[[str, str], bool]) -> Callable[[Patch], None]:
    def check(params: Any, client: Any) -> None:
        from core.errors import Refusal

        if not any(is_good(known, params.redirect_uri) for known in client.redirect_uris):
            raise Refusal.invalid_request("The redirect_uri is not registered.")

    return replace("idp.authorization.checks:check_redirect_uri", check)


def replace(place: str, value: Any) -> Callable[[Patch], None]:
    """Put something else at `module:attribute`, and wherever else it was imported by name."""
    name, _, attribute = place.partition(":")

    def remove(patch: Patch) -> None:
        owner: Any = import_module(name)
        *path, last = attribute.split(".")
        for step in path:
            owner = getattr(owner, step)
        original = getattr(owner, last)
        patch.setattr(owner, last, value)
        if not path:
            for module in list(sys.modules.values()):
                if getattr(module, last, None) is original:
                    patch.setattr(module, last, value)

    return remove


def wrap(place: str, around: Callable[..., Any]) -> Callable[[Patch], None]:
    """Put `around(original, …)` at `module:attribute`."""
    name, _, attribute = place.partition(":")

    def remove(patch: Patch) -> None:
        original = getattr(import_module(name), attribute)
        replace(place, lambda *args, **how: around(original, *args, **how))(patch)

    return remove


# --- what a careless implementation does instead --------------------------------------------------


def subject_by_address(original: Any, client: Any, user_id: Any) -> str:
    from accounts.models import User

    return str(User.unscoped.get(pk=user_id).email)


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


def spent_tokens_in_the_cache(patch: Patch) -> None:
    """Reuse is remembered by the cache, not by the row."""
    from django.core.cache import cache

    from core.errors import Refusal
    from idp.grants.refresh_token import RefreshTokenGrant
    from idp.server import Refused

    original = RefreshTokenGrant.authenticate_refresh_token

    def careless(self: Any, text: str) -> Any:
        if not cache.add(f"spent:{text}", 1):
            raise Refused(Refusal.invalid_grant("spent"))
        return original(self, text)

    rotate_without("AND current = %(presented)s")(patch)
    patch.setattr("idp.grants.refresh_token.equal", lambda *_: True)
    patch.setattr(RefreshTokenGrant, "authenticate_refresh_token", careless)


def algorithm_of_the_header(original: Callable[..., Any], text: str, kind: str) -> Any:
    """Verifies by whatever algorithm the token names, over the public key."""
    import base64
    import hashlib
    import hmac
    import json

    from cryptography.hazmat.primitives import serialization

    from idp import keys

    def decode(part: str) -> bytes:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))

    signed, _, tag = text.rpartition(".")
    header = json.loads(decode(signed.split(".")[0]))
    key = keys.verification_key(header["kid"])
    if header["alg"] == "HS256" and key is not None:
        public = key.key.public_key.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        if hmac.compare_digest(hmac.digest(public, signed.encode(), hashlib.sha256), decode(tag)):
            return json.loads(decode(signed.split(".")[1]))
    return original(text, kind)


def key_of_the_header(original: Callable[..., Any], text: str, kind: str) -> Any:
    """Believes the key that the token brings along."""
    import base64
    import json

    from joserfc import jws
    from joserfc.jwk import ECKey

    head = text.split(".")[0]
    header = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    if "jwk" in header:
        signed = jws.deserialize_compact(text, ECKey.import_key(header["jwk"]))
        return json.loads(signed.payload)
    return original(text, kind)


def header_of_any_size(text: str) -> Any:
    import base64
    import json

    head = text.split(".")[0]
    return json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))


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


def without_associated_data(patch: Patch) -> None:
    for name in ("seal", "unseal"):
        wrap(
            f"protection.envelope:{name}",
            lambda original, value, **how: original(value, **(how | {"context": ""})),
        )(patch)


def without_login_stages(patch: Patch) -> None:
    from django.conf import settings

    patch.setattr(settings, "LOGIN_STAGES", [])


def host_of(uri: str) -> str:
    from urllib.parse import urlsplit

    return urlsplit(uri).hostname or "-"


DEFENCES = {
    "A001": Defence(
        "redirect_uri is compared byte for byte, not by the host's name in it",
        redirect_uri_by(lambda known, given: host_of(known) in given),
    ),
    "A002": Defence(
        "redirect_uri is compared to its end, not by its beginning",
        redirect_uri_by(lambda known, given: given.startswith(known)),
    ),
    "A006": Defence(
        "redirect_uri is compared before anything that redirects",
        redirect_uri_by(lambda _, __: True),
    ),
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
    "A030": Defence(
        "only the current token rotates", rotate_without("AND current = %(presented)s")
    ),
    "A033": Defence("what is spent stands in the row, not in the cache", spent_tokens_in_the_cache),
    "A034": Defence("a revoked family does not rotate", rotate_without("AND revoked_at IS NULL")),
    "A037": Defence(
        "every fact is judged again at every refresh",
        replace("idp.grants.proof:judge", lambda *_: None),
    ),
    "A046": Defence(
        "the subject is made of the user's id, never of the address",
        wrap("idp.tokens.subject:subject_of", subject_by_address),
    ),
    "A049": Defence(
        "the key brings its algorithm along",
        wrap("idp.tokens.verify:_verified", algorithm_of_the_header),
    ),
    "A050": Defence(
        "keys come from our own ring", wrap("idp.tokens.verify:_verified", key_of_the_header)
    ),
    "A054": Defence(
        "only algorithms of a short list can be registered",
        replace("idp.registration_responses:completed", lambda known: known),
    ),
    "A055": Defence(
        "headers have a greatest length, and errors are caught",
        replace("idp.tokens.verify:_header", header_of_any_size),
    ),
    "A086": Defence(
        "post_logout_redirect_uri is one that is registered",
        replace("idp.logout:_return_to", lambda params, _: params.post_logout_redirect_uri or ""),
    ),
    "A087": Defence(
        "a logout address inside is not asked", replace("core.outbound:is_open", lambda _: True)
    ),
    "A060": Defence(
        "an assertion is claimed in the database", replace("idp.assertions:_claim", lambda *_: None)
    ),
    "A061": Defence(
        "an assertion is for this server",
        replace("idp.assertions:_is_for_us", lambda *_, **__: True),
    ),
    "A065": Defence(
        "addresses inside are closed", replace("core.outbound:is_open", lambda _: True)
    ),
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
    "A116": Defence("user verification is required", without_user_verification),
    "A119": Defence(
        "a passkey belongs to its user", replace("mfa.passkeys:find_factor", passkey_of_anybody)
    ),
    "A128": Defence(
        "links are built from our own address",
        replace("accounts.adapter:_our_url", lambda name, value: value),
    ),
    "A162": Defence("what is sealed is bound to its place", without_associated_data),
}


# --- the plugin -----------------------------------------------------------------------------------


def _chosen() -> dict[str, Defence]:
    return {name: DEFENCES[name] for name in os.environ.get(VARIABLE, "").split()}


def _of(item: pytest.Item) -> Defence | None:
    return _chosen().get(Path(item.path).name[5:9].upper())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Run a test without its defence; once one test has noticed, the others are left out."""
    defence = _of(item)
    if defence is None:
        return (yield)
    defence.tests += 1
    if defence.noticed_by:
        item.add_marker(pytest.mark.skip(reason="noticed already"))
        return (yield)
    with pytest.MonkeyPatch.context() as patch:
        defence.remove(patch)
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[Any]:
    report = yield
    defence = _of(item)
    if defence is not None and report.failed:
        (defence.noticed_by if report.when == "call" else defence.broken).append(item.name)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _chosen() and session.exitstatus in {0, 1}:
        session.exitstatus = 0 if all(d.noticed_by for d in _chosen().values()) else 1


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for name, defence in _chosen().items():
        if defence.noticed_by:
            result = f"noticed by {defence.noticed_by[0]}"
        elif defence.broken:
            result = f"BROKEN: {defence.broken[0]} could not begin"
        else:
            result = f"NOT NOTICED by any of {defence.tests} tests"
        terminalreporter.write_line(f"{name}  {defence.what:<68}  {result}")


def main(names: list[str]) -> int:
    """Run the tests of these attacks, of all without any; 0 if every sabotage was noticed."""
    chosen = names or list(DEFENCES)
    unknown = set(chosen) - DEFENCES.keys()
    if unknown:
        print(f"no sabotage is known for {', '.join(sorted(unknown))}")
        return 2
    files = [path for name in chosen for path in sorted(FOLDER.glob(f"test_{name.lower()}_*.py"))]
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "tests.attacks.sabotage", "-n0", "-q"),
            *("--tb=no", "--no-header", "-r", "N", "--disable-warnings", *map(str, files)),
        ],
        cwd=ROOT,
        env=os.environ | {VARIABLE: " ".join(chosen)},
        check=False,
    ).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
