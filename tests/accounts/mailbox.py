"""Reading what was mailed."""

import re

from django.core import mail


def latest(to: str) -> str:
    """The text of the last mail to this address."""
    found = [message for message in mail.outbox if message.to == [to]]
    assert found, [message.to for message in mail.outbox]
    return f"{found[-1].subject}\n\n{found[-1].body}"


def subjects(to: str) -> list[str]:
    return [message.subject for message in mail.outbox if message.to == [to]]


def link(to: str) -> str:
    """The first link of the last mail to this address."""
    match = re.search(r"https?://\S+", latest(to))
    assert match is not None
    return match.group(0)


def path(to: str) -> str:
    """The same without scheme and host, for the test browser."""
    return "/" + link(to).split("/", 3)[3]
