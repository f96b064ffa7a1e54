"""The policy that counts, for OPA servers that follow it (the bundle API of Open Policy Agent)."""

from core import clock
from core.errors import Refusal
from idp.authzen import caller as callers
from idp.machine.wire import Answer, Request
from idp.models.client import POLICY_READ
from idp.storage import database
from idp.storage.policy import FIND_ACTIVE_POLICY
from policy import distribution
from policy.evaluator import PolicyUnavailable

PATH = "/policy/bundle.tar.gz"


def bundle(request: Request) -> Answer:
    """GET /policy/bundle.tar.gz, by an access token of a client's own with `policy:read`."""
    caller = callers.read(request, POLICY_READ)
    params = {"client": caller.stem, "jti": caller.jti, "clock_offset": clock.offset()}
    row = callers.check(request, caller, database.one(FIND_ACTIVE_POLICY, params))
    try:
        archive = distribution.archive(row["policy_revision"], now=clock.now())
    except PolicyUnavailable:
        raise Refusal.unavailable("There is no policy to be trusted.") from None
    headers = [
        ("Content-Type", "application/gzip"),
        ("ETag", archive.etag),
        ("Cache-Control", "private, no-cache"),
    ]
    named = {tag.strip().removeprefix("W/") for tag in request.if_none_match.split(",")}
    if archive.etag in named or "*" in named:
        return Answer(304, b"", headers)
    return Answer(200, archive.body, headers)
