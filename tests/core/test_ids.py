"""Identifiers, secrets and their comparison."""

import os
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

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


def test_more_ids_than_are_drawn_at_once_differ_by_chance():
    made = [ids.new_id().int & (1 << 62) - 1 for _ in range(3 * ids._DRAWN_AT_ONCE)]

    assert len(set(made)) == len(made)


def test_a_child_of_a_fork_draws_its_own_chance():
    ids.new_id()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, ids.new_id().bytes)
        os._exit(0)
    of_child = uuid.UUID(bytes=os.read(reader, 16)).int
    os.waitpid(child, 0)
    of_parent = ids.new_id().int

    assert of_child & (1 << 62) - 1 != of_parent & (1 << 62) - 1


def test_threads_draw_different_ids():
    with ThreadPoolExecutor(8) as pool:
        made = [
            one
            for many in pool.map(lambda _: [ids.new_id() for _ in range(500)], range(16))
            for one in many
        ]

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
