"""How it is said that a role counts for some resources alone. Pure."""

from collections.abc import Mapping, Sequence

Resources = Sequence[Mapping[str, str]]
FEW = 3


def each_named(resources: Resources | None) -> list[str]:
    """`database orders`: the type, which has no space in it, and the id."""
    return [f"{each['type']} {each['id']}" for each in resources or ()]


def named(resources: Resources | None) -> str:
    """All of them in one line; "" where there is no limit."""
    return ", ".join(each_named(resources))


def few_named(resources: Resources | None) -> str:
    """The first ones, and how many there are besides."""
    names = each_named(resources)
    if len(names) <= FEW:
        return ", ".join(names)
    return f"{', '.join(names[:FEW])} and {len(names) - FEW} more"
