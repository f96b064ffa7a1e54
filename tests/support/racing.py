"""Runs the same thing from many threads at once, each with a connection of its own."""

import threading
from collections.abc import Callable
from typing import TypeVar

from django.db import connections

T = TypeVar("T")


def race(
    act: Callable[[int], T], *, runners: int, tolerate: type[BaseException] | tuple[()] = ()
) -> list[T]:
    """The answers of `runners` threads that all start together; the first exception is raised.

    tolerate: an exception that a loser may get; its answer is then left out.
    """
    barrier = threading.Barrier(runners)
    answers: dict[int, T] = {}
    faults: list[BaseException] = []

    def run(number: int) -> None:
        try:
            connections["default"].ensure_connection()
            barrier.wait(timeout=60)
            answers[number] = act(number)
        except tolerate:
            pass
        except BaseException as fault:
            faults.append(fault)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(runners)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]
    return [answers[number] for number in sorted(answers)]
