"""The refresh token on the wire: what is ours, and nothing that only looks like it."""

import uuid
from typing import Any

import pytest

from idp.tokens import refresh_token
from idp.tokens.refresh_token import RefreshToken


@pytest.fixture
def token() -> RefreshToken:
    """One with a character that the two alphabets of base64 write differently."""
    while True:
        made = refresh_token.make(uuid.uuid4(), 7)
        if {"-", "_"} & {*made.text}:
            return made


def test_what_was_made_is_read_again(token: RefreshToken) -> None:
    assert refresh_token.parse(token.text) == token
    assert len(token.text) == refresh_token.TEXT_LENGTH
    assert token.generation == 7


def test_the_standard_alphabet_is_none_of_ours(token: RefreshToken) -> None:
    """Read as the same bytes it would pass for a spent token, and have its family revoked."""
    assert refresh_token.parse(token.text.replace("-", "+").replace("_", "/")) is None


@pytest.mark.parametrize("other", ["=", " ", "\n", "é", "*", "\0"])
@pytest.mark.parametrize("place", [0, 45, 90])
def test_any_other_character_makes_it_none_of_ours(
    token: RefreshToken, other: str, place: int
) -> None:
    text = token.text[:place] + other + token.text[place + 1 :]

    assert refresh_token.parse(text) is None


def test_a_changed_part_makes_it_none_of_ours(token: RefreshToken) -> None:
    for place in (3, 23, 40, 80):
        instead = "B" if token.text[place] == "A" else "A"
        assert refresh_token.parse(token.text[:place] + instead + token.text[place + 1 :]) is None


def test_another_installation_made_none_of_ours_until_its_key_is_a_former_one(
    token: RefreshToken, settings: Any
) -> None:
    key, settings.SECRET_KEY = settings.SECRET_KEY, "another" * 10
    assert refresh_token.parse(token.text) is None

    settings.SECRET_KEY_FALLBACKS = [key]
    assert refresh_token.parse(token.text) == token
