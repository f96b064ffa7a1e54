"""A message in the form that a room understands. Pure.

What people have typed is shown, and does nothing: no mention, no link, no form, no line that looks
like ours. So it stands where its receiver reads no markup at all (Slack's `plain_text`, a `TextRun`
of an Adaptive Card); where there is no such place, in a code span. What looks like a control
sequence is broken all the same, since what clients make of plain text is their own choice.

Slack: https://docs.slack.dev/messaging/formatting-message-text. Mattermost takes the same, but
reads `text` alone, as Markdown with mentions. Teams: an Adaptive Card 1.4, as the workflow "Send
webhook alerts to a channel" takes it. The signed form: Standard Webhooks 1.0.0.
"""

import re
from typing import Any

import orjson

from access.chat.messages import Message
from access.chat.models import Format

MAX_VALUE_LENGTH = 1200
MAX_FACTS = 10  # of a section of Slack's
JOINER = "\u2060"
OPENING, CLOSING = "\u2039", "\u203a"
_BREAKS = re.compile(r"(?<=:)(?=//)|(?<=(?<![\w.+-])@)(?=\w)|(?<=\{)(?=\{)|(?<=\])(?=\()")


def body_of(message: Message, form: str) -> bytes:
    """What is sent, as JSON."""
    match form:
        case Format.SLACK:
            return orjson.dumps(slack(message))
        case Format.TEAMS:
            return orjson.dumps(teams(message))
    return orjson.dumps(generic(message))


def slack(message: Message) -> dict[str, Any]:
    facts = message.facts[:MAX_FACTS]
    fields = [_plain_text(f"{label}\n{_inert(value)}") for label, value in facts]
    link = f"<{message.link}|{message.link_text}>"
    lines = [f"{label}: {_code(value)}" for label, value in facts]
    section = {"type": "section", "fields": fields}
    return {
        "text": "\n".join([message.title, *lines, link]),
        "unfurl_links": False,
        "unfurl_media": False,
        "blocks": [
            {"type": "header", "text": _plain_text(message.title)},
            *([section] if fields else []),
            {"type": "section", "text": {"type": "mrkdwn", "text": link, "verbatim": True}},
        ],
    }


def teams(message: Message) -> dict[str, Any]:
    title = {"type": "TextRun", "text": message.title, "weight": "Bolder", "size": "Medium"}
    lines = [
        [
            {"type": "TextRun", "text": f"{label}: ", "weight": "Bolder"},
            {"type": "TextRun", "text": _inert(value)},
        ]
        for label, value in message.facts[:MAX_FACTS]
    ]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [{"type": "RichTextBlock", "inlines": inlines} for inlines in ([title], *lines)],
        "actions": [
            {"type": "Action.OpenUrl", "title": message.link_text, "url": message.link},
        ],
    }
    return {
        "type": "message",
        "attachments": [
            {
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": None,
                "content": card,
            }
        ],
    }


def generic(message: Message) -> dict[str, Any]:
    """Values as they are: it is a machine that reads them."""
    return {
        "type": message.type,
        "timestamp": message.at.isoformat(),
        "data": {**message.data, "title": message.title, "link": message.link},
    }


def _plain_text(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}


def _inert(value: str) -> str:
    """One line that begins no mention, link, tag or function, whatever reads it.

    A character of no width goes into what would; angle brackets become those of quotations, since
    Slack's control sequences stand between them.
    """
    return _BREAKS.sub(JOINER, _line(value)).replace("<", OPENING).replace(">", CLOSING)


def _code(value: str) -> str:
    """A code span of Slack and Mattermost: nothing in it is read, and it ends where we end it."""
    return f"`{_inert(value).replace('`', chr(0x2019)).replace('&', '&amp;')}`"


def _line(value: str) -> str:
    """Printable characters on one line: no breaks, no controls, none that turn the direction."""
    printable = "".join(each if each.isprintable() else " " for each in value)
    words = " ".join(printable.split())
    cut = len(words) > MAX_VALUE_LENGTH
    return f"{words[:MAX_VALUE_LENGTH]}…" if cut else words
