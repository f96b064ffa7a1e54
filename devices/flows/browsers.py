"""Recognising a browser at sign-in."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from ua_parser import parse

from audit.events import Event
from audit.recorder import record
from core.ids import digest, new_token
from devices.models import Browser

MAX_USER_AGENT_LENGTH = 512


@dataclass(frozen=True)
class Recognised:
    """cookie: the secret that the browser keeps; new when the one it showed was absent."""

    browser: Browser
    is_new: bool
    cookie: str


@transaction.atomic
def recognise(
    *, user: Any, cookie: str | None, user_agent: str, address: str, now: datetime
) -> Recognised:
    """Find or write down the browser that this user signs in from.

    The same one used by two people is two rows with one cookie: neither sees the other's.
    """
    secret = cookie if cookie and len(cookie) <= 64 else new_token()  # noqa: PLR2004 - 43 characters are ours
    browser, is_new = Browser.unscoped.get_or_create(
        user=user,
        cookie_digest=digest(secret),
        defaults={
            "organisation_id": user.organisation_id,
            "name": describe(user_agent),
            "first_seen_at": now,
            "last_seen_at": now,
            "last_address": address,
        },
    )
    if is_new:
        record(
            Event.BROWSER_SEEN_FIRST,
            organisation_id=user.organisation_id,
            actor=user,
            subject=browser,
            address=address,
            now=now,
            name=browser.name,
        )
    else:
        browser.name, browser.last_seen_at, browser.last_address = (
            describe(user_agent),
            now,
            address,
        )
        browser.save(update_fields=["name", "last_seen_at", "last_address"])
    return Recognised(browser, is_new, secret)


def describe(user_agent: str) -> str:
    """A browser in plain words: "Firefox on Linux"."""
    parsed = parse(user_agent[:MAX_USER_AGENT_LENGTH])
    browser = parsed.user_agent.family if parsed.user_agent else "Unknown browser"
    system = parsed.os.family if parsed.os else "an unknown system"
    return f"{browser} on {system}"[:100]
