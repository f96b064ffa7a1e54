"""Pages of access, as tests read them and fill them in."""

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

from access.models import Grant
from tests.support import access

ASK = "/access/request/"


def text(answer: Any) -> str:
    """What a page says, without its markup."""
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def form(**changes: str) -> dict[str, str]:
    return {"minutes": "30", "reason": "to mend it", "step": "ask"} | changes


def page_of(grant: Grant, act: str = "") -> str:
    return f"/access/grants/{grant.pk}/{act and f'{act}/'}"


def state(grant: Grant) -> str:
    return access.fresh(grant).state


def query_of(answer: Any) -> dict[str, list[str]]:
    return parse_qs(urlsplit(answer["Location"]).query)
