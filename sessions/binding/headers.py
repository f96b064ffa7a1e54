"""The header fields of DBSC, as written and as read (W3C DBSC §9; RFC 9651).

Written as the specification says. Read more widely: browsers send strings as bare tokens.
"""

import re

REGISTRATION = "Secure-Session-Registration"
CHALLENGE = "Secure-Session-Challenge"
RESPONSE = "Secure-Session-Response"
SESSION_ID = "Sec-Secure-Session-Id"
SKIPPED = "Secure-Session-Skipped"
REASONS = ("unreachable", "server_error", "quota_exceeded")

_STRING = r'"([ !#-\[\]-~]*)"'  # nothing that we ever said has to be escaped
_TOKEN = r"([A-Za-z0-9*][A-Za-z0-9!#$%&'*+.^_`|~:/=-]*)"
_ITEM = re.compile(rf" *(?:{_STRING}|{_TOKEN}) *(?:;.*)?")
_SKIPPED = re.compile(
    rf" *({'|'.join(REASONS)}) *(?:; *session_identifier=(?:{_STRING}|{_TOKEN}) *)?(?:;.*)?"
)
MAX_SKIPPED_LENGTH = 1024


def registration(*, path: str, challenge: str, authorization: str) -> str:
    return f'(ES256 RS256);path="{path}";challenge="{challenge}";authorization="{authorization}"'


def challenge(value: str, *, session_identifier: str) -> str:
    return f'"{value}";id="{session_identifier}"'


def read_item(text: str) -> str:
    """The string or bare token of a field, without its parameters; "" for anything else."""
    found = _ITEM.fullmatch(text)
    return (found[1] or found[2] or "") if found else ""


def read_skipped(text: str) -> list[tuple[str, str]]:
    """Why the browser went without a refresh, and for which session ("" where it does not say)."""
    if len(text) > MAX_SKIPPED_LENGTH:
        return []
    found = (_SKIPPED.fullmatch(item) for item in text.split(","))
    return [(item[1], item[2] or item[3] or "") for item in found if item]
