"""The endpoints of the API: a request in, an answer out (AuthZEN Authorization API 1.0 §12.1)."""

from collections.abc import Sequence
from typing import Any

from django.utils.crypto import salted_hmac

from core import clock, strict_json
from core.errors import Refusal
from idp.authzen import caller as callers
from idp.authzen import knowledge, searching
from idp.authzen.caller import Caller
from idp.machine.wire import Answer, Request, json_answer
from idp.tokens import dpop
from policy.authzen import deciding, paging, reading
from policy.authzen.deciding import Verdict
from policy.authzen.model import Malformed, Question, Search, Wanted
from policy.authzen.paging import Place

MAX_REQUEST_ID_LENGTH = 256


def evaluation(request: Request) -> Answer:
    """POST /access/v1/evaluation (§6)."""
    caller, body = _read(request)
    return _single(request, caller, _well(reading.evaluation, body))


def evaluations(request: Request) -> Answer:
    """POST /access/v1/evaluations (§7)."""
    caller, body = _read(request)
    asked = _well(reading.evaluations, body)
    if isinstance(asked, Question):
        return _single(request, caller, asked)
    verdicts = _decide(request, caller, asked.questions)
    return _told(request, deciding.answer_batch(asked, verdicts))


def search_subject(request: Request) -> Answer:
    """POST /access/v1/search/subject (§8)."""
    return _search(request, Wanted.SUBJECT)


def search_resource(request: Request) -> Answer:
    """POST /access/v1/search/resource (§9)."""
    return _search(request, Wanted.RESOURCE)


def search_action(request: Request) -> Answer:
    """POST /access/v1/search/action (§10)."""
    return _search(request, Wanted.ACTION)


def request_id_of(request: Request) -> list[tuple[str, str]]:
    """The header that tells whoever asks which request this answers (§12.1.11)."""
    return [("X-Request-ID", request.request_id)] if _is_fit(request.request_id) else []


def _single(request: Request, caller: Caller, question: Question) -> Answer:
    (verdict,) = _decide(request, caller, [question])
    return _told(request, verdict.document())


def _decide(request: Request, caller: Caller, questions: Sequence[Question]) -> list[Verdict]:
    row = callers.check(request, caller, knowledge.collect(caller, questions))
    return searching.ask(caller, questions, row)


def _search(request: Request, wanted: Wanted) -> Answer:
    """A page of what policy says yes to; it may be short, or empty, and lead on all the same."""
    caller, body = _read(request)
    search: Search = _well(lambda sent: reading.search(wanted, sent), body)
    now, key = clock.now(), _key()
    try:
        place = paging.open_place(search, key=key, caller=caller.client_id, now=now)
    except Malformed as fault:
        raise Refusal.invalid_request(str(fault)) from fault
    most = min(searching.SCAN, max(place.limit, searching.SLICE)) + 1
    row = knowledge.collect_candidates(caller, search, after=place.after, most=most)
    row = callers.check(request, caller, row)
    names = knowledge.candidates(search, row, after=place.after, most=most)
    found, last = searching.permitted(
        caller, search, row, names[: most - 1], after=place.after, limit=place.limit
    )
    is_over = last == (names[-1] if names else place.after) and len(names) < most
    answer: dict[str, Any] = {"results": [search.result(name) for name in found]}
    if search.is_paged or not is_over:
        next_place = Place(last, place.limit)
        token = paging.seal_place(next_place, search, key=key, caller=caller.client_id, now=now)
        answer["page"] = {"next_token": "" if is_over else token, "count": len(found)}
    return _told(request, answer)


def _read(request: Request) -> tuple[Caller, dict[str, Any]]:
    """The caller and the body; refuses 401 and 403 before anything is looked at."""
    caller = callers.read(request)
    if request.request_id and not _is_fit(request.request_id):
        raise Refusal.invalid_request("X-Request-ID is too long, or holds what cannot be printed.")
    if request.query:
        raise Refusal.invalid_request("Parameters belong into the body.")
    if request.content_type.partition(";")[0].strip().lower() != "application/json":
        raise Refusal.invalid_request("The body must be application/json.")
    if not request.body:
        raise Refusal.invalid_request("The body is empty.")
    try:
        return caller, strict_json.parse_object(request.body)
    except ValueError as error:
        raise Refusal.invalid_request("The body is not a plain JSON object.") from error


def _is_fit(request_id: str) -> bool:
    return 0 < len(request_id) <= MAX_REQUEST_ID_LENGTH and request_id.isprintable()


def _well(read: Any, body: dict[str, Any]) -> Any:
    try:
        return read(body)
    except Malformed as fault:
        raise Refusal.invalid_request(str(fault)) from fault


def _told(request: Request, answer: dict[str, Any]) -> Answer:
    told = json_answer(answer)
    told.headers.extend(dpop.nonce_headers(request))
    return told


def _key() -> bytes:
    """What seals the tokens of pages: this installation's, made of its secret."""
    return salted_hmac("idp.authzen.pages", "", algorithm="sha256").digest()
