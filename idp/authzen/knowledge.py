"""What policy gets to know beside the questions: facts of the asker's organisation, and no other.

One statement for a whole batch or a page of candidates, one more where questions name sessions, and
one more where any of those holds a role with an end.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings

from core import clock
from core.assurance import Level
from core.http import plain_address
from core.prepared import Row
from idp.authzen import names
from idp.authzen.asker import Asker
from idp.clients.elevated import names_held
from idp.storage import authzen as storage
from idp.storage import database
from policy.authzen.model import Question, Search, Wanted
from policy.facts import Trigger
from sessions import evaluation
from sessions.conditions import device_tier
from sessions.rights import find_rights, rights_of

USER, CLIENT = "user", "client"
COLUMNS = {USER: "users", CLIENT: "clients"}
SID = "sid"  # the member of a question's context that names a session, as tokens do
# The property of a workload that says from where it acts, as whoever asks has seen it.
IP_ADDRESS = "ip_address"
FIRST = {names.SUB: str(UUID(int=0))}
FIND_PEOPLE = {
    names.SUB: storage.FIND_USERS,
    names.EMAIL: storage.FIND_USERS_BY_EMAIL,
    names.USERNAME: storage.FIND_USERS_BY_USERNAME,
}


def collect(asker: Asker, questions: Sequence[Question]) -> Row | None:
    """The row with the facts about all that the questions name; None for a client that is gone."""
    return database.one(storage.FACTS, _params(asker, questions))


def collect_candidates(asker: Asker, search: Search, *, after: str, most: int) -> Row | None:
    """The same, for the next candidates of a search.

    Actions are candidates by the permissions for the resource's type; nothing else looks for them.
    """
    asked = search.question
    params = _params(asker, [asked]) | {"after": after, "most": most, "type": asked.resource.type}
    if search.wanted is Wanted.RESOURCE:
        return database.one(storage.FIND_RESOURCES, params)
    if search.wanted is Wanted.SUBJECT and asked.subject.type == CLIENT:
        return database.one(storage.FIND_WORKLOADS, params)
    if search.wanted is Wanted.SUBJECT and asked.subject.type == USER:
        params["after"] = after or FIRST.get(asker.form, "")
        return database.one(FIND_PEOPLE[asker.form], params)
    return database.one(storage.FACTS, params)


def candidates(search: Search, row: Row, *, after: str, most: int) -> list[str]:
    """Their names, in the order of the pages."""
    kind = search.question.subject.type
    if search.wanted is Wanted.RESOURCE:
        found = [thing["name"] for thing in row["resources"] or ()]
    elif search.wanted is Wanted.ACTION:
        allowed = [by_type.values() for by_type in (row["roles"] or {}).values()]
        found = [name for lists in allowed for names_ in lists for name in names_ if name != "*"]
    else:
        found = list(row[COLUMNS[kind]] or ()) if kind in COLUMNS else []
    return sorted({name for name in found if name > after})[:most]


def document(asker: Asker, questions: Sequence[Question], row: Row) -> dict[str, Any]:
    """The facts as policy sees them, by the very names that the questions use."""
    users, workloads = row["users"] or {}, row["clients"] or {}
    people = {name: names.stored(name, asker.form) for name in _subjects(questions, USER)}
    stated = _stated(questions)
    subjects: dict[str, dict[str, Any]] = {
        USER: {
            name: users[known[1]]
            for name, known in people.items()
            if known is not None and known[1] in users
        },
        CLIENT: {
            name: _workload(workloads[name], stated.get(name, {}))
            for name in _subjects(questions, CLIENT)
            if name in workloads
        },
    }
    resources: dict[str, dict[str, Any]] = {}
    for thing in row["resources"] or ():
        resources.setdefault(thing["type"], {})[thing["name"]] = thing
    return {
        "client": asker.client_id,
        "request_url": _request_url(asker),
        "organisation_is_active": row["organisation_is_active"],
        "subjects": subjects,
        "resources": resources,
        "sessions": _sessions(questions, row["organisation_id"]),
        "roles": row["roles"] or {},
    }


def _workload(facts: Mapping[str, Any], stated: Mapping[str, str]) -> dict[str, Any]:
    """With the roles that it holds by conditions, and those that it holds from what is stated.

    roles_at: of each address, as it was sent, from where it holds others than from anywhere.
    """
    known = {name: fact for name, fact in facts.items() if name != "conditional"}
    roles = names_held(facts["roles"], facts["conditional"], address="")
    known["roles"] = roles
    if facts["conditional"]:
        known["roles_at"] = [
            {IP_ADDRESS: text, "roles": there}
            for text, address in sorted(stated.items())
            if (there := names_held(facts["roles"], facts["conditional"], address=address)) != roles
        ]
    return known


def _stated(questions: Iterable[Question]) -> dict[str, dict[str, str]]:
    """By workload, from where it is said to act: texts as they were sent, in their one spelling.

    What is no address says nothing. Of people nobody says from where they act: their session does.
    """
    found: dict[str, dict[str, str]] = {}
    for asked in questions:
        text = asked.subject.properties.get(IP_ADDRESS) if asked.subject.type == CLIENT else None
        address = plain_address(text) if isinstance(text, str) else None
        if isinstance(text, str) and address is not None:
            found.setdefault(asked.subject.id, {})[text] = address
    return found


def _request_url(asker: Asker) -> str:
    """Where somebody asks for an entitlement, its name left to be put at the end."""
    named = urlencode({"client_id": asker.client_id})
    return f"{settings.ISSUER}/access/request/?{named}&entitlement="


def _params(asker: Asker, questions: Sequence[Question]) -> dict[str, Any]:
    people = _subjects(questions, USER)
    by_form = names.sort(people, asker.form)
    things = sorted({(asked.resource.type, asked.resource.id) for asked in questions})
    types = sorted({type_ for type_, _ in things})
    return {
        "client": asker.stem,
        "jti": asker.jti,
        "clock_offset": clock.offset(),
        "ids": by_form[names.SUB],
        "emails": by_form[names.EMAIL],
        "usernames": by_form[names.USERNAME],
        "workloads": sorted(_subjects(questions, CLIENT)),
        "addresses": sorted(
            {address for stated in _stated(questions).values() for address in stated.values()}
        ),
        "types": [type_ for type_, _ in things],
        "names": [name for _, name in things],
        "wanted_types": [*types, "*"],
    }


def _subjects(questions: Iterable[Question], kind: str) -> set[str]:
    return {asked.subject.id for asked in questions if asked.subject.type == kind}


def _sessions(questions: Iterable[Question], organisation_id: UUID) -> dict[str, Any]:
    """The sessions that questions name, judged as at any other use."""
    named = {names.id_of(asked.context.get(SID)) for asked in questions} - {None}
    if not named:
        return {}
    params = {
        "sessions": sorted(named, key=str),
        "organisation": organisation_id,
        **evaluation.fact_params(),
        "from_address": None,
    }
    rows = database.rows(storage.FIND_SESSIONS, params)
    find_rights(rows)
    return {str(row["session_id"]): _session(row) for row in rows}


def _session(row: Row) -> dict[str, Any]:
    decision = evaluation.judge(row, trigger=Trigger.AUTHZEN)
    rights = rights_of(row).without(decision.withheld_roles)
    return {
        "user": str(row["user_id"]),
        "outcome": decision.outcome.value,
        "reasons": decision.reasons,
        "required_acr": decision.required_level.acr,
        "level": Level.from_acr(row["acr"]),
        "tier": device_tier(row),
        "roles": rights.roles,
        "limited": [
            {"role": one.role, "level": one.level, "tier": one.tier, **resource}
            for one in rights.limited
            for resource in one.resources
        ],
    }
