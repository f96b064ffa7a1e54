"""Requests of the API, read strictly where the specification binds and blind to the rest.

Members that we do not know are passed over. What is wrong is said in words that name the member.
"""

from collections.abc import Mapping
from typing import Any

from policy.authzen.model import (
    Action,
    Batch,
    Entity,
    Malformed,
    Question,
    Search,
    Semantic,
    Wanted,
)

MAX_EVALUATIONS = 200
MAX_NAME_LENGTH = 256  # of types and actions
MAX_ID_LENGTH = 1024
MAX_DEPTH = 16
MAX_TOKEN_LENGTH = 1024
# The parts of a question, and what of each names it.
NAMING = {"subject": ("type", "id"), "action": ("name",), "resource": ("type", "id"), "context": ()}

Body = Mapping[str, Any]


def evaluation(body: Body) -> Question:
    """An Access Evaluation request (§6.1); raises Malformed."""
    _check_depth(body)
    return _question(body)


def evaluations(body: Body) -> Batch | Question:
    """An Access Evaluations request (§7.1); a single question where it has no evaluations.

    Members of the whole are defaults for each evaluation. What an evaluation says itself takes
    their place as a whole: only a type, an id or a name that it leaves out is the default's.
    Raises Malformed for what is wrong with the whole, and puts it into the place of one evaluation.
    """
    _check_depth(body)
    listed = body.get("evaluations", [])
    if not isinstance(listed, list):
        raise Malformed("evaluations must be an array.")
    semantic = _semantic(body)
    if not listed:
        return _question(body)
    if len(listed) > MAX_EVALUATIONS:
        raise Malformed(f"evaluations holds more than {MAX_EVALUATIONS}.")
    for name in NAMING:
        _object(body, name)
    return Batch(tuple(_item(body, item) for item in listed), semantic)


def search(wanted: Wanted, body: Body) -> Search:
    """A search request (§8 to §10); what it looks for may be there, and is passed over."""
    _check_depth(body)
    page = _object(body, "page")
    limit, token = page.get("limit"), page.get("token", "")
    if limit is not None and (type(limit) is not int or limit < 0):
        raise Malformed("page.limit must be a whole number that is not negative.")
    if not isinstance(token, str) or len(token) > MAX_TOKEN_LENGTH:
        raise Malformed("page.token must be a string that we gave out.")
    is_open = {part: part == wanted for part in Wanted}
    question = Question(
        subject=_entity(body, "subject", is_open=is_open[Wanted.SUBJECT]),
        action=Action("") if is_open[Wanted.ACTION] else _action(body),
        resource=_entity(body, "resource", is_open=is_open[Wanted.RESOURCE]),
        context=_object(body, "context"),
    )
    return Search(wanted, question, limit, token, is_paged="page" in body)


def _item(defaults: Body, item: Any) -> Question | Malformed:
    if not isinstance(item, dict):
        return Malformed("An evaluation must be an object.")
    merged: dict[str, Any] = {}
    for name, names_it in NAMING.items():
        own, default = item.get(name), defaults.get(name)
        if name not in item:
            if name in defaults:
                merged[name] = default
        elif isinstance(own, dict) and default:
            merged[name] = {part: default[part] for part in names_it if part in default} | own
        else:
            merged[name] = own
    try:
        return _question(merged)
    except Malformed as fault:
        return fault


def _question(body: Body) -> Question:
    return Question(
        subject=_entity(body, "subject"),
        action=_action(body),
        resource=_entity(body, "resource"),
        context=_object(body, "context"),
    )


def _entity(body: Body, name: str, *, is_open: bool = False) -> Entity:
    whole = _needed(body, name)
    return Entity(
        type=_text(whole, name, "type", MAX_NAME_LENGTH),
        id="" if is_open else _text(whole, name, "id", MAX_ID_LENGTH),
        properties=_object(whole, "properties", of=name),
    )


def _action(body: Body) -> Action:
    whole = _needed(body, "action")
    return Action(
        name=_text(whole, "action", "name", MAX_NAME_LENGTH),
        properties=_object(whole, "properties", of="action"),
    )


def _needed(body: Body, name: str) -> Body:
    if name not in body:
        raise Malformed(f"{name} is missing.")
    return _object(body, name)


def _object(body: Body, name: str, *, of: str = "") -> Body:
    """A member that must be an object if it is there; an empty one if it is not."""
    found = body.get(name, {})
    if not isinstance(found, dict):
        raise Malformed(f"{of}{'.' if of else ''}{name} must be an object.")
    return found


def _text(whole: Body, name: str, part: str, longest: int) -> str:
    if part not in whole:
        raise Malformed(f"{name}.{part} is missing.")
    found = whole[part]
    if not isinstance(found, str):
        raise Malformed(f"{name}.{part} must be a string.")
    if not 0 < len(found) <= longest:
        raise Malformed(f"{name}.{part} must have 1 to {longest} characters.")
    return found


def _semantic(body: Body) -> Semantic:
    asked = _object(body, "options").get("evaluations_semantic", Semantic.EXECUTE_ALL)
    if asked not in list(Semantic):
        words = ", ".join(Semantic)
        raise Malformed(f"options.evaluations_semantic must be one of {words}.")
    return Semantic(asked)


def _check_depth(value: Any) -> None:
    """Whatever is nested more deeply is nobody's question, and costs policy more than us."""
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    if any(isinstance(inner, dict | list) for inner in level):
        raise Malformed(f"The request is nested more than {MAX_DEPTH} deep.")
