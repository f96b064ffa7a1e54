"""Runs the same thing from many threads at once, each with a connection of its own."""

import threading
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
from django.db import connections

T = TypeVar("T")
WAITS = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
PLACE = ("host", "port", "user", "password", "dbname")
PATIENCE_SECONDS, LOOK_EVERY_SECONDS = 60.0, 0.02


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


class Meanwhile:
    """Something that happens in another thread, begun in the middle of a transaction of this one.

    Making it returns once it is over, or waits for a lock that this transaction may hold.
    """

    def __init__(self, act: Callable[[], Any]) -> None:
        self._act = act
        self._answer: Any = None
        self._fault: BaseException | None = None
        self._pids: list[int] = []
        self._connected, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._connected.wait(PATIENCE_SECONDS)
        known = connections["default"].get_connection_params()
        place = {name: known[name] for name in PLACE if name in known}
        with psycopg.connect(**place, autocommit=True) as beside:
            for _ in range(int(PATIENCE_SECONDS / LOOK_EVERY_SECONDS)):
                if self._over.wait(LOOK_EVERY_SECONDS):
                    return
                if beside.execute(WAITS, self._pids).fetchone():
                    return
        raise AssertionError("it neither ended nor waited for a lock")

    def answer(self) -> Any:
        """What it came to, once it is over."""
        self._thread.join()
        if self._fault is not None:
            raise self._fault
        return self._answer

    def _run(self) -> None:
        try:
            connections["default"].ensure_connection()
            self._pids.append(connections["default"].connection.info.backend_pid)
            self._connected.set()
            self._answer = self._act()
        except BaseException as fault:
            self._fault = fault
        finally:
            connections.close_all()
            self._connected.set()
            self._over.set()
