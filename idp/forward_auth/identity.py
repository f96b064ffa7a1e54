"""What an application behind a proxy is told of the person, for one request that may pass.

Plain headers for those that read no more, and an assertion that shows by its signature that it
comes from us, for this application, now. The proxy takes away whatever the browser sends by these
names (`deploy/`).
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from core.ids import new_token
from core.prepared import Row
from idp.forward_auth.judging import Judged
from idp.tokens import mint
from sessions.conditions import device_tier
from sessions.evaluation import user_risk
from sessions.rights import Rights

LIFETIME = timedelta(seconds=60)
ASSERTION_TYPE = "forward-auth+jwt"
NAMES = (
    "Remote-User", "Remote-Email", "Remote-Name", "Remote-Groups", "Remote-Roles",
    "Remote-Assertion",
)  # fmt: skip
MAX_LIST_LENGTH = 2000  # what proxies and servers take as one header, with room for the others


def headers(judged: Judged, origin: str) -> list[tuple[str, str]]:
    """Every one of NAMES, so that a proxy which copies them leaves none of the browser's."""
    row = judged.row
    assert row is not None  # noqa: S101 - what may pass stands on a row
    subject = str(row["user_id"])
    values = {
        "Remote-User": subject,
        "Remote-Email": _plain(row["email"]),
        "Remote-Name": _plain(row["name"]),
        "Remote-Groups": _list(row["groups"]),
        "Remote-Roles": _list(judged.rights.roles),
        "Remote-Assertion": assertion(judged, row, subject=subject, origin=origin),
    }
    return [(name, values[name]) for name in NAMES]


def assertion(judged: Judged, row: Row, *, subject: str, origin: str) -> str:
    """A JWT of 60 seconds at most, by a key of our JWKS. `typ` tells it from every other token.

    aud: the application's client_id. origin: the host that it is for.
    """
    now: datetime = row["now"]
    ends = [now + LIFETIME, row["forward_ends_at"], row["session_expires_at"]]
    claims: dict[str, Any] = {
        "iss": settings.ISSUER,
        "sub": subject,
        "aud": row["client_name"],
        "origin": origin,
        "iat": int(now.timestamp()),
        "jti": new_token(16),
        "sid": str(row["session_id"]),
        "acr": row["acr"],
        "amr": list(row["amr"]),
        "auth_time": int(row["auth_time"].timestamp()),
        "email": row["email"],
        "name": row["name"],
        "organisation": row["organisation"],
        "groups": list(row["groups"]),
        "roles": list(judged.rights.roles),
        "device_tier": device_tier(row),
        "risk_level": max(row["risk_level"], user_risk(row)[0]),
    }
    claims |= _ending(judged.rights, ends)
    claims["exp"] = int(min(ends).timestamp())
    return mint.sign(claims, typ=ASSERTION_TYPE, alg=row["signing_alg"])


def _ending(rights: Rights, ends: list[datetime]) -> dict[str, Any]:
    """What roles with an end add; the first end of any of them is an end of the assertion.

    So it is of those that are limited to resources, which let this request pass, perhaps.
    """
    if rights.ends_at is not None:
        ends.append(rights.ends_at)
    ends += [each.ends_at for each in rights.limited]
    if rights.grants_end_at is None:
        return {}
    return {
        "grant_id": list(rights.grant_ids),
        "grant_exp": int(rights.grants_end_at.timestamp()),
    }


def _list(names: Iterable[str]) -> str:
    """Names parted by commas. One that holds a comma would pass for two, so it is left out."""
    told: list[str] = []
    length = 0
    for name in names:
        if "," in name or _plain(name) != name.strip().encode().decode("latin-1"):
            continue
        length += len(name) + 1
        if length > MAX_LIST_LENGTH:
            break
        told.append(_plain(name))
    return ",".join(told)


def _plain(text: str) -> str:
    """As a header carries it: UTF-8, without what ends or bends a line."""
    shown = "".join(letter for letter in text if letter.isprintable())
    return shown.strip().encode().decode("latin-1")
