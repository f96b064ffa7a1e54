"""Which roles a session carries, by hand-made rows of the facts."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sessions.rights import Limited, Rights, merged, rights_of

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
ONE, TWO = "0001", "0002"


def found(
    *dated: tuple[str, int, int, datetime, str | None],
    roles: tuple[str, ...] = (),
    resources: list[dict[str, str]] | None = None,
) -> Rights:
    """Rights of a row. dated: role, level, tier, end, grant; roles: tier, acr and name.

    resources: to which each of the dated ones is limited.
    """
    names, levels, tiers, ends, grants = zip(*dated, strict=True) if dated else [None] * 5
    row: dict[str, Any] = {"held_roles": list(roles)}
    ending = {
        "dated_roles": names, "dated_levels": levels, "dated_tiers": tiers, "dated_ends": ends,
        "dated_grants": grants, "dated_resources": [resources for _ in dated],
        "dated_rules": [None for _ in dated], "dated_requester": None, "dated_address": None,
    }  # fmt: skip
    return merged(row, ending)


def at(minutes: int) -> datetime:
    return NOON + timedelta(minutes=minutes)


def test_nobody_has_none() -> None:
    assert found() == Rights()


def test_roles_without_an_end_never_end() -> None:
    rights = found(roles=("0 aal1 reader",))

    assert (rights.roles, rights.level, rights.ends_at) == (("reader",), 1, None)


def test_the_strictest_role_counts_and_each_is_held_once() -> None:
    rights = found(roles=("0 phr ops", "2  night watch", "0 aal2 reader", "0 phr ops"))

    assert rights == Rights(("night watch", "ops", "reader"), level=3, tiers={"night watch": 2})


def test_an_elevated_role_stands_among_the_others_until_its_end() -> None:
    rights = found(("db-admin", 3, 2, at(30), ONE), roles=("0  reader",))

    assert rights.roles == ("db-admin", "reader")
    assert (rights.level, rights.tiers) == (3, {"db-admin": 2})
    assert (rights.ends_at, rights.grants_end_at, rights.grant_ids) == (at(30), at(30), (ONE,))


def test_what_is_held_anyway_needs_no_grant() -> None:
    rights = found(("reader", 4, 4, at(30), ONE), roles=("0  reader",))

    assert (rights.roles, rights.level, rights.ends_at, rights.grants) == (("reader",), 0, None, {})


def test_of_two_grants_of_one_role_the_longer_counts() -> None:
    short, long = ("db-admin", 0, 1, at(10), ONE), ("db-admin", 0, 0, at(20), TWO)
    for rights in (found(short, long), found(long, short)):
        assert (rights.ends_at, rights.grant_ids, rights.tiers) == (at(20), (TWO,), {})


def test_a_dated_role_without_a_grant_ends_but_is_not_elevated() -> None:
    rights = found(("auditor", 0, 0, at(10), None))

    assert (rights.ends_at, rights.grant_ids, rights.grants_end_at) == (at(10), (), None)


def test_a_dated_role_that_lasts_longer_than_a_grant_takes_its_place() -> None:
    granted, dated = ("auditor", 0, 0, at(10), ONE), ("auditor", 0, 0, at(20), None)
    for rights in (found(granted, dated), found(dated, granted)):
        assert (rights.ends_at, rights.grants) == (at(20), {})


def test_what_is_withheld_bounds_nothing() -> None:
    rights = found(("a", 0, 0, at(10), ONE), ("b", 0, 0, at(20), TWO)).without({"a"})

    assert (rights.roles, rights.ends_at, rights.grant_ids) == (("b",), at(20), (TWO,))


def test_the_first_of_several_ends_counts() -> None:
    rights = found(("a", 0, 0, at(30), ONE), ("b", 0, 0, at(20), TWO), ("c", 0, 0, at(5), None))

    assert (rights.ends_at, rights.grants_end_at) == (at(5), at(20))
    assert rights.grant_ids == (ONE, TWO)


def test_what_was_judged_is_what_is_carried() -> None:
    """A role that begins between the decision and the token is in neither."""
    row: dict[str, Any] = {"held_roles": ["0  reader"]}
    judged = rights_of(row)
    row["held_roles"] = ["3  db-admin", "0  reader"]

    assert rights_of(row) is judged


def test_a_role_that_is_limited_to_resources_is_none_of_the_sessions() -> None:
    orders = [{"type": "database", "id": "orders"}]

    rights = found(("db-admin", 3, 2, at(30), ONE), roles=("0  reader",), resources=orders)

    assert (rights.roles, rights.level, rights.ends, rights.grants) == (("reader",), 0, {}, {})
    assert rights.limited == (Limited("db-admin", 3, 2, orders, at(30)),)


def test_who_holds_it_anyway_is_not_limited() -> None:
    orders = [{"type": "database", "id": "orders"}]

    assert (
        found(("reader", 0, 0, at(30), ONE), roles=("0  reader",), resources=orders).limited == ()
    )
