"""What a defence is, and the ways in which one is taken away."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

Patch = pytest.MonkeyPatch


@dataclass
class Defence:
    """what: the defence, in words. remove: takes it away for one test.

    files: a pattern below tests/ of the files that are for it; those of its attack unless said.
    """

    what: str
    remove: Callable[[Patch], None]
    files: str = ""
    noticed_by: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    tests: int = 0


def edit(patch: Patch, name: str, old: str, *places: str, new: str = "") -> None:
    """Leave a part out of an SQL statement, or put another there, wherever it was imported.

    places: modules, or classes as "module:Class".
    """
    for place in places:
        module, _, kind = place.partition(":")
        owner = getattr(import_module(module), kind) if kind else import_module(module)
        text = getattr(owner, name)
        assert old in text, f"{place}.{name} has changed: look at the sabotage again"
        patch.setattr(owner, name, text.replace(old, new))


def replace(place: str, value: Any) -> Callable[[Patch], None]:
    """Put something else at `module:attribute`, and wherever else it was imported by name."""

    def remove(patch: Patch) -> None:
        owner, last = _owner_of(place)
        original = getattr(owner, last)
        patch.setattr(owner, last, value)
        if isinstance(owner, ModuleType):
            for module in list(sys.modules.values()):
                if getattr(module, last, None) is original:
                    patch.setattr(module, last, value)

    return remove


def wrap(place: str, around: Callable[..., Any]) -> Callable[[Patch], None]:
    """Put `around(original, …)` at `module:attribute`."""

    def remove(patch: Patch) -> None:
        owner, last = _owner_of(place)
        original = getattr(owner, last)
        replace(place, lambda *args, **how: around(original, *args, **how))(patch)

    return remove


def layers(*ways: Callable[[Patch], None]) -> Callable[[Patch], None]:
    """Take away all the layers of one defence."""

    def remove(patch: Patch) -> None:
        for way in ways:
            way(patch)

    return remove


def setting(name: str, value: Any) -> Callable[[Patch], None]:
    """Give a setting of Django's another value."""

    def remove(patch: Patch) -> None:
        from django.conf import settings

        assert hasattr(settings, name), f"{name} is gone: look at the sabotage again"
        patch.setattr(settings, name, value)

    return remove


def rows_without(place: str, *conditions: str) -> Callable[[Patch], None]:
    """Find rows of the model at `module:Model` whatever they say of these; "*" means every Q."""

    def remove(patch: Patch) -> None:
        owner, last = _owner_of(place)
        rows = getattr(owner, last).objects
        original = rows.filter

        def careless(*args: Any, **asked: Any) -> Any:
            kept = {name: value for name, value in asked.items() if name not in conditions}
            return original(*(() if "*" in conditions else args), **kept)

        patch.setattr(rows, "filter", careless)

    return remove


def beginning_with(arrange: Callable[[], None]) -> Callable[[Patch], None]:
    """Arrange something in the database of each test, inside of its transaction."""

    def remove(patch: Patch) -> None:
        from django.test import TestCase

        original = TestCase._fixture_setup

        def set_up(case: Any) -> None:
            original.__func__(case)
            arrange()

        patch.setattr(TestCase, "_fixture_setup", classmethod(set_up))

    return remove


def without_unique(table: str, column: str) -> Callable[[Patch], None]:
    """Let the database take a value twice."""

    def arrange() -> None:
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT conname FROM pg_constraint JOIN pg_attribute"
                " ON attrelid = conrelid AND conkey = ARRAY[attnum]"
                " WHERE conrelid = %s::regclass AND contype = 'u' AND attname = %s",
                [table, column],
            )
            ((name,),) = cursor.fetchall()
            cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')

    return beginning_with(arrange)


def _owner_of(place: str) -> tuple[Any, str]:
    """The module or class that holds the last name of `module:path`, and that name."""
    name, _, attribute = place.partition(":")
    owner: Any = import_module(name)
    *path, last = attribute.split(".")
    for step in path:
        owner = getattr(owner, step)
    return owner, last


# --- what several classes of attack take away -----------------------------------------------------


def redeem_without(condition: str, new: str = "") -> Callable[[Patch], None]:
    return lambda patch: edit(
        patch,
        "REDEEM_CODE",
        condition,
        "idp.storage.codes",
        "idp.grants.authorization_code",
        new=new,
    )


def waved_through() -> Any:
    from uuid import UUID

    from policy.decision import Decision, Outcome

    return Decision(Outcome.ALLOW, (), "none", UUID(int=0))


def whatever_it_is(original: Any, *_: Any) -> Any:
    return waved_through()


def in_the_highest_tier(original: Any, *args: Any) -> Any:
    facts = original(*args)
    return facts._replace(device=facts.device._replace(tier=4))


def however_old(original: Any, self: Any, level: Any, _: Any, now: Any) -> bool:
    """Has a proof count as fresh whenever it was given."""
    return bool(original(self, level, None, now))
