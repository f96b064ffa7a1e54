"""What `make bench` says of approvals is refused unless each happened exactly once."""

import pytest

from bench.approvals import _demand_once, _demand_one, _demand_the_same

TAKEN, LATE = (200, {"state": "scheduled"}), (409, {"code": "conflict"})
BEGUN = (200, {"state": "active", "until": "2026-11-29T12:00:00Z"})


def timeline(*kinds: str) -> dict[str, object]:
    return {"timeline": [{"kind": kind} for kind in kinds]}


def test_one_of_all_is_taken() -> None:
    _demand_one([LATE, TAKEN, LATE])


@pytest.mark.parametrize(
    "answers",
    [[TAKEN, TAKEN, LATE], [LATE, LATE], [TAKEN, (500, {"code": "server_error"})]],
    ids=["two", "none", "failed"],
)
def test_anything_else_is_an_error(answers: list[tuple[int, object]]) -> None:
    with pytest.raises(RuntimeError):
        _demand_one(answers)


@pytest.mark.parametrize(
    "answers",
    [
        [BEGUN, (200, {"state": "active", "until": "2026-11-29T12:00:01Z"})],
        [BEGUN, LATE],
        [(200, {"state": "scheduled", "until": None})],
    ],
    ids=["twice", "refused", "not begun"],
)
def test_so_is_a_second_beginning(answers: list[tuple[int, object]]) -> None:
    _demand_the_same([BEGUN, BEGUN])
    with pytest.raises(RuntimeError):
        _demand_the_same(answers)


@pytest.mark.parametrize(
    "kinds",
    [
        ("requested", "answered", "approved"),
        ("requested", "answered", "answered", "approved", "activated"),
        ("requested", "answered", "approved", "activated", "activated"),
    ],
    ids=["not begun", "answered twice", "begun twice"],
)
def test_so_is_what_the_timeline_has_twice(kinds: tuple[str, ...]) -> None:
    _demand_once(timeline("requested", "answered", "approved", "activated"))
    with pytest.raises(RuntimeError):
        _demand_once(timeline(*kinds))
