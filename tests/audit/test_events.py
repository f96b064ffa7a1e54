"""Names of events: one grammar, one list, one page, and code that emits each."""

import re
from pathlib import Path

import pytest

from audit.events import Event
from audit.models import AuditEvent

ROOT = Path(__file__).resolve().parent.parent.parent
APPS = [
    "access",
    "accounts",
    "config",
    "console",
    "devices",
    "idp",
    "mfa",
    "policy",
    "protection",
    "risk",
    "sessions",
    "audit",
]
GRAMMAR = re.compile(r"[a-z]+(\.[a-z]+(_[a-z]+)*){2}")
# Last words that are no past participle in -ed, and are right.
IRREGULAR = {
    "first_seen", "made", "signed_in", "signed_out", "withdrawn", "removed", "role_added", "role_removed", "lost", "forgotten", "taken",
    "switched_off", "left", "rolled_back", "written",
}  # fmt: skip


def source() -> str:
    paths = [
        path
        for app in APPS
        for path in (ROOT / app).rglob("*.py")
        if "migrations" not in path.parts and path.name != "events.py"
    ]
    return "\n".join(path.read_text() for path in sorted(paths))


@pytest.mark.parametrize("event", list(Event))
def test_a_name_says_app_noun_and_what_happened(event):
    assert GRAMMAR.fullmatch(event.value)
    app, _, verb = event.value.split(".")
    assert app in APPS
    assert verb in IRREGULAR or verb.endswith("ed")


def test_no_name_is_longer_than_its_column():
    longest = AuditEvent._meta.get_field("event").max_length

    assert all(len(event.value) <= longest for event in Event)


def test_the_list_is_in_order():
    apps = [event.value.partition(".")[0] for event in Event]

    assert apps == sorted(apps)
    assert len({event.value for event in Event}) == len(Event)


@pytest.mark.parametrize("event", list(Event))
def test_some_code_emits_it(event):
    assert re.search(rf"\bEvent\.{event.name}\b", source()), f"nothing ever writes {event.value}"


def test_events_are_named_by_the_list_alone():
    """No code spells an event's name out: it would not be found when it changes."""
    spelled = [event.value for event in Event if f'"{event.value}"' in source()]

    assert spelled == []


def test_the_page_lists_what_there_is():
    page = ROOT / "docs" / "audit-events.md"
    if not page.exists():
        pytest.fail("docs/audit-events.md is missing")
    rows = [line for line in page.read_text().splitlines() if line.startswith("|")]
    named = re.findall(
        r"`([a-z]+\.[a-z_]+\.[a-z_]+)`", "\n".join(row.split("|")[1] for row in rows)
    )

    assert sorted(named) == sorted(event.value for event in Event)
