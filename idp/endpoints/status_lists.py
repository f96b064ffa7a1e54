"""Token status lists over HTTP (draft-ietf-oauth-status-list §8, §9). Public, for everybody."""

from urllib.parse import parse_qs
from uuid import UUID

from core import clock
from core.errors import Refusal
from idp.machine.wire import JSON, Answer, Request, error_answer, json_answer
from idp.tokens import status_lists

CROSS_ORIGIN = ("Access-Control-Allow-Origin", "*")


def status_list(request: Request) -> Answer:
    """GET /oauth/status-lists/<id>: the list as it stands, made at most ten seconds ago."""
    if "time" in parse_qs(request.query, keep_blank_values=True):  # §8.4
        return error_answer(Refusal("not_implemented", "There are no lists of the past.", 501))
    now = clock.now()
    made = status_lists.find(_id_of(request.path), now=now)
    left = max(0, int(made.until - now.timestamp()))
    headers = [
        ("Content-Type", status_lists.MEDIA_TYPE),
        ("Cache-Control", f"public, max-age={left}"),
        ("ETag", made.etag),
        CROSS_ORIGIN,
    ]
    named = {tag.strip().removeprefix("W/") for tag in request.if_none_match.split(",")}
    if made.etag in named or "*" in named:
        return Answer(304, b"", headers)
    return Answer(200, made.text.encode(), headers)


def all_lists(request: Request) -> Answer:  # noqa: ARG001
    """GET /oauth/status-lists: where the lists are (§9.3)."""
    answer = json_answer({"status_lists": status_lists.uris()})
    return Answer(200, answer.body, [*JSON, ("Cache-Control", "public, max-age=10"), CROSS_ORIGIN])


def _id_of(path: str) -> UUID:
    try:
        return UUID(path.rpartition("/")[2])
    except ValueError:
        raise Refusal.not_found("There is no such list.") from None
