"""A user agent string, from the exact text to its family (`risk.likelihood.Level`)."""

from dataclasses import dataclass

from ua_parser import parse

MAX_LENGTH = 512


@dataclass(frozen=True, slots=True)
class Agent:
    text: str
    browser: str
    system: str
    kind: str


def read_agent(text: str) -> Agent:
    """Browser and system with their versions, and "desktop", "mobile", "tablet" or "bot"."""
    text = text[:MAX_LENGTH]
    parsed = parse(text)
    browser, system = parsed.user_agent, parsed.os
    return Agent(
        text=text,
        browser=_named(browser.family, browser.major) if browser else "",
        system=_named(system.family, system.major, system.minor) if system else "",
        kind=_kind(text, parsed.device.family if parsed.device else ""),
    )


def _named(family: str, *version: str | None) -> str:
    return f"{family} {'.'.join(part for part in version if part)}".strip()


def _kind(text: str, family: str) -> str:
    if family == "Spider":
        return "bot"
    if "iPad" in text or "Tablet" in text:
        return "tablet"
    return "mobile" if "Mobi" in text else "desktop"
