"""What policy permits somebody, as a claim (the identity provider scenario of AuthZEN's interop).

The decision point is the one of SALLYPORT_PDP__SEARCH_URL, asked by the guarded client, or without
any our own policy in this process. One page is asked for. No answer, a bad one, a late one, or more
than fits a token is no claim.
"""

import logging
from collections.abc import Mapping
from typing import Any

import orjson
from django.conf import settings

from core import outbound, strict_json
from core.prepared import Row
from idp.authzen import knowledge, names, searching
from idp.authzen.asker import Asker
from idp.clients.authentication import MachineClient
from policy.authzen.model import Action, Entity, Question, Search, Wanted

logger = logging.getLogger(__name__)

MAX_RESULTS = 50


def find(
    client: MachineClient, row: Row, mapping: Mapping[str, Any], *, sub: str
) -> list[dict[str, str]] | None:
    """`[{"type": …, "id": …}, …]`, or None. row: with the facts of the session, and the profile."""
    form = mapping.get("subject", names.SUB)
    name = _name_of(row, form, sub)
    if not name:
        return None
    if settings.PDP_SEARCH_URL:
        return _ask_elsewhere(mapping, name)
    own = str(row["user_id"]) if form == names.SUB else name
    question = Question(
        Entity(knowledge.USER, own),
        Action(mapping["action"]),
        Entity(mapping["resource_type"], ""),
        {knowledge.SID: str(row["session_id"])},
    )
    search = Search(Wanted.RESOURCE, question)
    found = searching.all_permitted(
        Asker(client.client_id, client.id, "", form), search, most=MAX_RESULTS
    )
    if found is None:
        logger.warning("a claim of %s is left out: more than fits a token", client.client_id)
        return None
    return [search.result(each) for each in found]


def _name_of(row: Row, form: str, sub: str) -> str:
    if form == names.EMAIL:
        return str(row["email"])
    if form == names.USERNAME:
        return str((row["profile"] or {}).get("preferred_username") or "")
    return sub


def _ask_elsewhere(mapping: Mapping[str, Any], name: str) -> list[dict[str, str]] | None:
    body = {
        "subject": {"type": "user", "id": name},
        "action": {"name": mapping["action"]},
        "resource": {"type": mapping["resource_type"]},
        "page": {"limit": MAX_RESULTS},
    }
    token = settings.PDP_TOKEN
    try:
        answer = outbound.post(
            settings.PDP_SEARCH_URL,
            body=orjson.dumps(body),
            content_type="application/json",
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=settings.PDP_TIMEOUT.total_seconds(),
        )
        if answer.status != 200 or answer.content_type != "application/json":  # noqa: PLR2004
            raise ValueError(f"status {answer.status}, {answer.content_type or 'no type'}")
        return _read(strict_json.parse_object(answer.body), mapping["resource_type"])
    except (outbound.OutboundError, ValueError) as failure:
        logger.warning("a claim is left out: the decision point: %s", failure)
        return None


def _read(told: Mapping[str, Any], resource_type: str) -> list[dict[str, str]]:
    """The results, all of them; raises ValueError for anything else."""
    results, page = told.get("results"), told.get("page", {})
    if not isinstance(results, list) or len(results) > MAX_RESULTS or not isinstance(page, dict):
        raise ValueError("no results, or too many")
    if page.get("next_token", "") != "":
        raise ValueError("more results than fit a token")
    found = []
    for result in results:
        if not isinstance(result, dict) or result.get("type") != resource_type:
            raise ValueError("a result of another type")
        name = result.get("id")
        if not isinstance(name, str) or not 0 < len(name) <= 255:  # noqa: PLR2004
            raise ValueError("a result without an id")
        found.append({"type": resource_type, "id": name})
    return found
