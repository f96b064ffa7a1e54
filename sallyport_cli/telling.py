"""Answers as lines for people. Nothing that others have written steers the terminal."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

STATES = {
    "approval_awaited": "waits for approval",
    "scheduled": "approved, not begun",
    "active": "active",
    "suspended": "suspended",
    "ended": "over",
    "denied": "denied",
    "expired": "not used in time",
    "cancelled": "withdrawn",
    "revoked": "taken away",
    "activation_failed": "could not begin",
    "published": "published",
}
OUTCOMES = {
    "approval_awaited": "you may ask, and somebody has to approve it",
    "scheduled": "you may ask, and begin at once",
}
# What stands against asking, the worst first.
MARKS = {
    "bad": "you may not ask for it now",
    "proof": "you may ask, once you have proven more in your browser",
    "todo": "you may ask, and have to say more",
}
MINUTE = 60


def plain(value: Any) -> str:
    """Printable, on one line: no escape sequence, no change of direction."""
    return "".join(each if each.isprintable() else "?" for each in str(value))


def table(head: Sequence[str], rows: Iterable[Sequence[Any]], *, nothing: str) -> str:
    lines = [[plain(each) for each in row] for row in rows]
    if not lines:
        return nothing
    widths = [max(len(line[at]) for line in [list(head), *lines]) for at in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in [[each.upper() for each in head], *lines]
    )


def grants(items: Iterable[dict[str, Any]], *, nothing: str, with_people: bool = False) -> str:
    head = ["id", "whose", "access", "only for", "state", "until", "reason"]
    return table(head, [_row(each, with_people=with_people) for each in items], nothing=nothing)


def grant(told: dict[str, Any]) -> str:
    """One request in a line."""
    state = STATES.get(told["state"], told["state"])
    until = f", until {instant(told['until'])}" if told.get("until") else ""
    return plain(f"{told['entitlement']}: {state}{until}")


def offers(items: Iterable[dict[str, Any]]) -> str:
    return table(
        ["access", "roles", "only for", "at most", "description", "not now, since"],
        [
            (
                each["name"],
                ", ".join(each["roles"]),
                limit(each),
                f"{each['max_duration'] // MINUTE} min",
                each["description"],
                " ".join(each["against"]),
            )
            for each in items
        ],
        nothing="There is nothing that you may ask for.",
    )


def explained(told: dict[str, Any]) -> str:
    """Every rule with whether it holds, and who could approve, in their order."""
    marks = {rule["mark"] for rule in told["rules"]}
    said = next((words for mark, words in MARKS.items() if mark in marks), "")
    lines = [
        plain(f"{told['entitlement']}: {said or OUTCOMES.get(told['outcome'], 'you may ask')}")
    ]
    if told.get("resources"):
        lines.append(plain(f"  only for {limit(told)}"))
    lines += [plain(f"  {rule['mark']:5}  {rule['words']}") for rule in told["rules"]]
    for number, stage in enumerate(told["stages"], 1):
        people = _people(stage, "approvers") or "nobody"
        needed = stage["approvals_needed"]
        asked = f"{needed} of" if needed else "by its thresholds"
        lines.append(plain(f"  approval {number}: {asked} {people}"))
        if stage["escalation"]:
            after = stage["escalate_after"] // MINUTE
            lines.append(plain(f"    after {after} min also {_people(stage, 'escalation')}"))
    return "\n".join(lines)


def _people(stage: dict[str, Any], which: str) -> str:
    more = stage.get(f"{which}_more")
    return ", ".join(stage[which]) + (f" and {more} more" if more else "")


def roles(items: Iterable[dict[str, Any]]) -> str:
    return table(
        ["role", "only for", "until"],
        [
            (each["name"], limit(each), instant(each["until"]) if each["until"] else "")
            for each in items
        ],
        nothing="You hold no role.",
    )


def role(told: dict[str, Any]) -> str:
    only = limit(told)
    return f"{told['name']} (only for {only})" if only else str(told["name"])


def in_full(told: dict[str, Any]) -> str:
    """A request with its answers and its timeline."""
    lines = [
        f"{told['id']}",
        grant(told),
        plain(f"for {_whom(told)}"),
        plain(_what(told)),
        plain(f"reason: {told['reason'] or '-'}; ticket: {told['ticket'] or '-'}"),
    ]
    for each in told["timeline"]:
        said = each["facts"].get("verdict", "")
        lines.append(plain(f"  {instant(each['at'])}  {each['kind']} {said}".rstrip()))
    return "\n".join(lines)


def _whom(told: dict[str, Any]) -> str:
    """Whose it is: a person's, or an application's, which somebody answers for."""
    asked = told["requester"]
    person = f"{asked['name'] or asked['email']} <{asked['email']}>"
    if told.get("workload"):
        return f"the application {told['workload']}; {person} asked, or answers for it"
    return person


def _what(told: dict[str, Any]) -> str:
    if told.get("policy_revision"):
        return (
            f"to publish policy {told['policy_revision']}: {told['terms']['publication']['note']}"
        )
    only = f", only for {limit(told)}" if told.get("resources") else ""
    return f"roles: {', '.join(told['roles'])}{only}; {told['duration'] // MINUTE} minutes"


def limit(told: dict[str, Any]) -> str:
    """For which resources alone it counts; "" for all that its roles reach."""
    return ", ".join(f"{each['type']} {each['id']}" for each in told.get("resources") or ())


def instant(text: str) -> str:
    """In the time of this terminal, to the minute."""
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M")


def _row(told: dict[str, Any], *, with_people: bool) -> list[Any]:
    until = instant(told["until"]) if told.get("until") else ""
    state = STATES.get(told["state"], told["state"])
    whose = told["requester"]["email"] if with_people else "yours"
    if told.get("workload"):
        by = f" ({whose})" if with_people else ""
        whose = f"application {told['workload']}{by}"
    return [told["id"], whose, told["entitlement"], limit(told), state, until, told["reason"]]
