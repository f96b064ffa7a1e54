"""Every refusal there is: code, status, headers."""

import inspect
import re

import pytest

from core.errors import Refusal

STATUS = {
    "invalid_client": 401, "access_denied": 403, "invalid_token": 401, "insufficient_scope": 403,
    "insufficient_user_authentication": 401, "too_many_attempts": 429, "not_found": 404,
    "not_allowed": 403, "conflict": 409, "temporarily_unavailable": 503,
}  # fmt: skip
ARGUMENTS = {"detail": "Why.", "scope": "openid", "acr": "aal2", "max_age": 60, "retry_after": 7}
CONSTRUCTORS = [
    name
    for name, member in vars(Refusal).items()
    if isinstance(member, staticmethod) and not name.startswith("_")
]


def make(name: str) -> Refusal:
    constructor = getattr(Refusal, name)
    return constructor(
        **{word: ARGUMENTS[word] for word in inspect.signature(constructor).parameters}
    )


@pytest.mark.parametrize("name", CONSTRUCTORS)
def test_each_has_its_code_its_status_and_printable_words(name):
    refusal = make(name)

    assert refusal.code == ("temporarily_unavailable" if name == "unavailable" else name)
    assert refusal.status == STATUS.get(refusal.code, 400)
    assert re.fullmatch(r"[ -~]+", refusal.detail)
    assert str(refusal) == f"{refusal.code}: {refusal.detail}"


@pytest.mark.parametrize("name", [name for name in CONSTRUCTORS if make(name).status == 401])
def test_a_401_says_how_to_authenticate(name):
    assert make(name).headers["WWW-Authenticate"].split()[0] in {"Basic", "Bearer"}


def test_a_wait_is_never_shorter_than_a_second():
    assert Refusal.too_many_attempts(0).headers == {"Retry-After": "1"}


def test_step_up_says_what_is_wanted():
    challenge = make("insufficient_user_authentication").headers["WWW-Authenticate"]

    assert 'acr_values="aal2"' in challenge
    assert 'max_age="60"' in challenge
