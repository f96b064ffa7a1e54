"""One budget for guessing at any secret of an account."""

from datetime import timedelta
from threading import Barrier, Thread

import pytest
from django.db import connection

from accounts import budget
from accounts.models import GuessBudget
from core import clock
from core.errors import Refusal

ADDRESS = "alice@acme.example"


def fail(times: int, email: str = ADDRESS) -> list[bool]:
    return [budget.spend(email, now=clock.now()) for _ in range(times)]


def test_twenty_failures_in_a_window_use_it_up(db: None) -> None:
    assert fail(20) == [False] * 19 + [True]
    with pytest.raises(Refusal) as refused:
        budget.check(ADDRESS, now=clock.now())
    assert refused.value.status == 429
    assert 0 < int(refused.value.headers["Retry-After"]) <= 15 * 60 + 1


def test_a_window_heals_by_itself(db: None, later) -> None:
    fail(20)
    later(minutes=15)
    budget.check(ADDRESS, now=clock.now())
    budget.reserve(ADDRESS, now=clock.now())


def test_failures_during_a_lock_do_not_prolong_it(db: None, later) -> None:
    fail(20)
    later(minutes=14)
    assert fail(50) == [False] * 50
    later(minutes=1)
    budget.check(ADDRESS, now=clock.now())
    assert GuessBudget.objects.get().total == 20


def test_a_hundred_failures_without_a_success_stay_locked(db: None, later) -> None:
    for _ in range(5):
        fail(20)
        later(minutes=16)
    later(days=300)
    with pytest.raises(Refusal):
        budget.reserve(ADDRESS, now=clock.now())
    budget.clear(ADDRESS, now=clock.now())
    budget.reserve(ADDRESS, now=clock.now())


def test_a_right_guess_gives_back_its_own_reservation_only(db: None) -> None:
    fail(3)
    budget.reserve(ADDRESS, now=clock.now())
    budget.refund(ADDRESS, now=clock.now())
    assert GuessBudget.objects.get().total == 3


def test_the_address_is_one_in_any_case_and_is_not_kept(db: None) -> None:
    fail(1)
    fail(1, "  ALICE@acme.Example ")
    row = GuessBudget.objects.get()
    assert row.total == 2
    assert b"alice" not in bytes(row.key)
    assert len(bytes(row.key)) == 32


def test_an_address_that_nobody_has_is_counted_alike(db: None) -> None:
    assert fail(20, "nobody@nowhere.example")[-1] is True


@pytest.mark.django_db(transaction=True)
def test_parallel_guesses_cannot_outrun_the_count() -> None:
    """A094: of sixty guesses at once, the budget lets twenty through."""
    allowed: list[int] = []
    barrier = Barrier(12, timeout=60)

    def guess() -> None:
        barrier.wait()
        try:
            for _ in range(5):
                try:
                    budget.reserve(ADDRESS, now=clock.now())
                except Refusal:
                    continue
                allowed.append(1)
        finally:
            connection.close()

    threads = [Thread(target=guess) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(allowed) == budget.WINDOW_FAILURES


def test_a_new_window_begins_with_its_first_failure(db: None, later) -> None:
    fail(19)
    later(minutes=16)
    assert fail(2) == [False, False]
    row = GuessBudget.objects.get()
    assert (row.total, row.window_failures) == (21, 2)
    assert clock.now() - row.window_started_at < timedelta(minutes=1)
