"""Identifiers, secrets and their comparison."""

import time
import uuid

import pytest

from core import ids


def test_an_id_is_a_uuid_of_version_7_that_sorts_by_time():
    before = time.time_ns() // 1_000_000
    made = [ids.new_id() for _ in range(2_000)]

    assert {one.version for one in made} == {7}
    assert {one.variant for one in made} == {uuid.RFC_4122}
    assert len(set(made)) == len(made)
    assert made == sorted(made), "within a millisecond too"
    assert made[0].int >> 80 >= before
    assert len({one.int & (1 << 62) - 1 for one in made}) == len(made)


@pytest.mark.parametrize(("size", "length"), [(8, 11), (16, 22), (32, 43)])
def test_a_token_has_the_entropy_that_was_asked_for(size, length):
    tokens = {ids.new_token(size) for _ in range(500)}

    assert len(tokens) == 500
    assert {len(token) for token in tokens} == {length}


def test_a_secret_has_256_bits_where_nothing_is_said():
    assert len(ids.new_token()) == 43


def test_a_digest_is_sha_256():
    assert ids.digest("").hex().startswith("e3b0c442")
    assert len(ids.digest("é")) == 32


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [("a", "a", True), ("a", b"a", True), ("é", "é".encode(), True), ("a", "b", False),
     ("a", "aa", False), ("", "", True), ("", "a", False)],
)  # fmt: skip
def test_comparison_takes_text_and_bytes(left, right, same):
    assert ids.equal(left, right) is same
