"""Tokens for the next page: sealed, for one caller and one search, for an hour."""

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from policy.authzen import paging, reading
from policy.authzen.model import Malformed, Wanted
from policy.authzen.paging import Place
from tests.policy.authzen.test_reading import WHOLE

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
NOW = datetime(2026, 11, 1, tzinfo=UTC)
SEARCH = reading.search(Wanted.SUBJECT, WHOLE)


def sealed(search=SEARCH, caller="app"):
    return paging.seal_place(Place("bob", 7), search, key=KEY, caller=caller, now=NOW)


def opened(token, search=SEARCH, *, key=KEY, caller="app", now=NOW):
    return paging.open_place(replace(search, token=token), key=key, caller=caller, now=now)


def test_a_token_leads_on_where_the_page_ended():
    assert opened(sealed()) == Place("bob", 7)


def test_without_a_token_a_search_begins():
    assert opened("") == Place("", paging.DEFAULT_LIMIT)


def test_the_size_of_a_page_may_change_and_has_a_bound():
    assert opened(sealed(), replace(SEARCH, limit=3)).limit == 3
    assert opened("", replace(SEARCH, limit=10**9)).limit == paging.MAX_LIMIT


def test_it_tells_nobody_where_it_leads():
    raw = base64.urlsafe_b64decode(sealed() + "==")

    assert b"bob" not in raw
    assert sealed() != sealed()


@pytest.mark.parametrize("place", range(0, 40, 3))
def test_a_changed_token_opens_nothing(place):
    raw = bytearray(base64.urlsafe_b64decode(sealed() + "=="))
    raw[place] ^= 1
    token = base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("=")

    with pytest.raises(Malformed, match="not one of ours"):
        opened(token)


@pytest.mark.parametrize(
    "token", ["x", "e30", "\u00e9", "!!!!", "A" * 60, "eyJhZnRlciI6ICJib2IifQ"]
)
def test_a_made_up_token_opens_nothing(token):
    with pytest.raises(Malformed, match="not one of ours"):
        opened(token)


def test_a_token_is_for_one_search_of_one_caller():
    token = sealed()
    other = reading.search(Wanted.SUBJECT, WHOLE | {"action": {"name": "write"}})

    for attempt in (
        lambda: opened(token, other),
        lambda: opened(token, replace(SEARCH, wanted=Wanted.RESOURCE)),
        lambda: opened(token, caller="other"),
        lambda: opened(token, key=OTHER_KEY),
    ):
        with pytest.raises(Malformed, match="not one of ours"):
            attempt()


def test_a_token_is_good_for_an_hour():
    token = sealed()

    assert opened(token, now=NOW + timedelta(minutes=59)).after == "bob"
    with pytest.raises(Malformed, match="too old"):
        opened(token, now=NOW + paging.LIFETIME)
