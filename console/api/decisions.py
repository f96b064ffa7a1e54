"""The decision log: what policy answered about the organisation's people, and why."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from django.http import HttpResponse
from ninja import Query, Router, Schema
from pydantic import Field

from console.api.door import Administration, Administrator, AdministratorCaller
from console.api.paging import Listing, Place
from console.api.shapes import Instant
from console.decisions import Found, Reach, Row, look, look_at
from console.decisions import Place as After
from core.errors import Refusal
from policy.evaluator import UNDEFINED

router = Router(auth=Administrator())

AT_ONCE = 1000  # lines of an export
NDJSON = "application/x-ndjson"
Short = Annotated[str, Field(max_length=200)]
Which = Literal["", "allow", "restrict", "step_up", "deny", "revoke", "refuse", "no answer"]


class DecisionTold(Schema):
    """id: as audit and tokens name it. path: the rule that was asked. outcome: in a word.

    organisation: of the person, or of the application where it is about nobody; "" for neither.
    email: of whom it is about, "" where that is nobody. microseconds: how long it took.
    """

    id: UUID
    organisation: str
    at: datetime
    path: str
    revision: str
    user: UUID | None
    email: str
    client: str
    session: UUID | None
    outcome: str
    reasons: list[str]
    microseconds: int


class Decisions(Schema):
    """A page may be shorter than `limit`, and even empty, while `next` leads on."""

    items: list[DecisionTold]
    next: str | None


class RuleSpoken(Schema):
    """value: as JSON, cut where it is long. has_spoken: whether it says something of this input.

    parts: the checks that it holds by name, and whether each holds.
    """

    name: str
    file: str
    line: int
    value: str
    has_spoken: bool
    parts: dict[str, bool]


class DecisionInFull(DecisionTold):
    """input: what was asked, with what names a person masked, at the JSON pointers `masked`.

    rules: each rule of the package, asked again; none where its rules cannot be had.
    is_same_revision: whether those are the rules that answered; is_same_answer: whether they do
    again, for which what was masked may make a difference.
    """

    input: Any
    result: Any
    error: str
    masked: list[str]
    rules: list[RuleSpoken]
    is_same_revision: bool
    is_same_answer: bool


class WhichDecisions(Place):
    """since: 14 days before where the page begins. until: now."""

    user: UUID | None = None
    client: Short = ""
    path: Short = ""
    outcome: Which = ""
    since: Instant | None = None
    until: Instant | None = None


class Exported(Place):
    limit: int = Field(AT_ONCE, ge=1, le=AT_ONCE)
    since: Instant | None = None
    until: Instant | None = None


@router.get("", response=Decisions)
def list_decisions(request: Administration, narrowed: Query[WhichDecisions]) -> dict[str, Any]:
    """The latest answers of policy, by person, application, rule, outcome and time."""
    filters = narrowed.dict(exclude={"limit", "cursor"})
    listing = request.auth.listing("decisions", narrowed, **filters)
    found = _look(
        request.auth,
        listing,
        person=narrowed.user,
        client=narrowed.client,
        path=narrowed.path,
        outcome=narrowed.outcome,
    )
    return {"items": [_show(row) for row in found.rows], "next": _next(listing, found)}


@router.get(
    "/export",
    openapi_extra={
        "responses": {
            200: {
                "description": "A JSON object a line, as an OPA server uploads its decision log",
                "content": {NDJSON: {"schema": {"type": "string"}}},
            }
        }
    },
)
def export_decisions(request: Administration, narrowed: Query[Exported]) -> HttpResponse:
    """The same in the format of OPA's decision log, a line each; `Link` leads to the next lines."""
    caller = request.auth
    filters = narrowed.dict(exclude={"limit", "cursor"})
    listing = caller.listing("exported decisions", narrowed, **filters)
    found = _look(caller, listing)
    lines = b"".join(orjson.dumps(row.one.document()) + b"\n" for row in found.rows)
    response = HttpResponse(lines, content_type=NDJSON)
    cursor = _next(listing, found)
    if cursor is not None:
        query = request.GET.copy()
        query["cursor"] = cursor
        response["Link"] = f'<?{query.urlencode()}>; rel="next"'
    return response


@router.get("/{uuid:decision_id}", response=DecisionInFull)
def read_decision(request: Administration, decision_id: UUID) -> dict[str, Any]:
    """One answer with what it was given for, and every rule asked again."""
    found = look_at(decision_id, _reach(request.auth))
    if found is None:
        raise Refusal.not_found()
    one = found.row.one
    return _show(found.row) | {
        "input": one.input,
        "result": None if one.result is UNDEFINED else one.result,
        "error": one.error,
        "masked": list(one.masked),
        "rules": [
            {
                "name": rule.name,
                "file": rule.file,
                "line": rule.line,
                "value": rule.value,
                "has_spoken": rule.has_spoken,
                "parts": dict(rule.parts),
            }
            for rule in (found.explained.rules if found.explained else ())
        ],
        "is_same_revision": found.is_same_revision,
        "is_same_answer": found.is_same_answer,
    }


def _look(caller: AdministratorCaller, listing: Listing, **narrowed: Any) -> Found:
    place: Any = listing.place
    position = listing.after()
    return look(
        reach=_reach(caller),
        until=place.until or caller.now,
        since=place.since,
        after=After.read(position) if position else None,
        limit=place.limit,
        **narrowed,
    )


def _reach(caller: AdministratorCaller) -> Reach:
    return Reach(None if caller.is_about_all else caller.organisation.pk)


def _next(listing: Listing, found: Found) -> str | None:
    return listing.cursor(found.older) if found.older is not None else None


def _show(row: Row) -> dict[str, Any]:
    one = row.one
    return {
        "id": one.decision_id,
        "organisation": row.organisation,
        "at": one.at,
        "path": one.path,
        "revision": one.revision,
        "user": one.about.user_id,
        "email": row.who,
        "client": one.about.client,
        "session": one.about.session_id,
        "outcome": row.word,
        "reasons": list(row.reasons),
        "microseconds": one.nanoseconds // 1000,
    }
