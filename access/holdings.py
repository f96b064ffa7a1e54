"""Which roles people held at an instant, a page at a time, however many people and roles there are.

Assignments know their time. Of groups, and of whether an account is closed, only the present is
kept: what was then is the present with every change since undone, as audit has it. An instant that
is past does not change any more, so that whoever asks for all pages of one gets each row once,
whatever ends in between.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from access.models import EventKind
from accounts.limited import Resources
from accounts.models import Role, User
from audit.events import Event

_NIL = UUID(int=0)


class Key(NamedTuple):
    """Where a list of holdings is, which goes by person, role and way."""

    user_id: UUID = _NIL
    role_id: UUID = _NIL
    way: str = ""


@dataclass(frozen=True, slots=True)
class Holding:
    """That somebody holds a role at an instant: by name, by a group (its name), or by a grant.

    way: tells the ways apart in which a person holds a role. resources: for which alone, None for
    all that the role reaches. is_suspended: it counted for nothing just then.
    """

    user: User
    role: Role
    way: str
    group: str | None = None
    grant_id: UUID | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    resources: Resources | None = None
    is_suspended: bool = False

    @property
    def key(self) -> Key:
        return Key(self.user.pk, self.role.pk, self.way)


@dataclass(frozen=True, slots=True)
class Then:
    """What is asked about: an organisation at an instant.

    role: by its name, and no other. person: a part of the name or the address.
    """

    organisation_id: UUID
    at: datetime
    role: str = ""
    person: str = ""


# The first change after the instant says what was before it.
_CHANGED = """
changed AS MATERIALIZED (
  SELECT DISTINCT ON (e.subject, e.facts ->> 'group')
         CAST(split_part(e.subject, ':', 2) AS uuid) AS whose, e.facts ->> 'group' AS group_name,
         e.event
    FROM audit_auditevent e
   WHERE e.organisation_id = %(organisation)s AND e.at > %(at)s AND e.event = ANY (%(changes)s)
   ORDER BY e.subject, e.facts ->> 'group', e.id)"""
_HELD = f"""
WITH {_CHANGED},
wanted AS (
  SELECT r.id FROM accounts_role r
   WHERE r.organisation_id = %(organisation)s AND (%(role)s = '' OR r.name = %(role)s)),
assigned AS (
  SELECT ra.* FROM accounts_roleassignment ra JOIN wanted w ON w.id = ra.role_id
   WHERE ra.organisation_id = %(organisation)s AND ra.starts_at <= %(at)s
     AND (ra.ends_at IS NULL OR ra.ends_at > %(at)s)
     AND (ra.ended_at IS NULL OR ra.ended_at > %(at)s)),
members AS (
  SELECT gm.user_id, g.name AS group_name
    FROM accounts_groupmember gm JOIN accounts_group g ON g.id = gm.group_id
   WHERE gm.organisation_id = %(organisation)s AND NOT EXISTS (
     SELECT 1 FROM changed c WHERE c.whose = gm.user_id AND c.group_name = g.name)
   UNION ALL
  SELECT c.whose, c.group_name FROM changed c WHERE c.event = %(member_removed)s),
given AS (
  SELECT g.name AS group_name, gr.role_id
    FROM accounts_grouprole gr JOIN accounts_group g ON g.id = gr.group_id
    JOIN wanted w ON w.id = gr.role_id
   WHERE gr.organisation_id = %(organisation)s AND NOT EXISTS (
     SELECT 1 FROM changed c WHERE c.whose = gr.role_id AND c.group_name = g.name)
   UNION ALL
  SELECT c.group_name, w.id FROM changed c JOIN wanted w ON w.id = c.whose
   WHERE c.event = %(role_removed)s)"""
_PEOPLE = f"""{_HELD},
holders AS (
  SELECT a.user_id FROM assigned a
   UNION
  SELECT m.user_id FROM members m WHERE m.group_name IN (SELECT gv.group_name FROM given gv)),
people AS (
  SELECT u.id, u.email
    FROM holders h JOIN accounts_user u ON u.id = h.user_id
    LEFT JOIN changed c ON c.whose = u.id AND c.group_name IS NULL
   WHERE u.organisation_id = %(organisation)s AND COALESCE(c.event = %(closed)s, u.is_active)
     AND (%(person)s = '' OR strpos(u.email, %(person)s) > 0
          OR strpos(lower(u.name), %(person)s) > 0))"""
_COUNT = f"{_PEOPLE} SELECT count(*) FROM people"
_BY_ADDRESS = f"""{_PEOPLE}
SELECT p.id FROM people p ORDER BY p.email, p.id LIMIT %(most)s OFFSET %(begin)s"""
_FROM = f"""{_PEOPLE}
SELECT p.id FROM people p WHERE p.id >= %(after_user)s ORDER BY p.id LIMIT %(most)s"""
_HOLDINGS = f"""{_HELD}
SELECT held.*, CASE WHEN held.grant_id IS NULL THEN FALSE ELSE COALESCE((
         SELECT ge.kind = %(suspended)s FROM access_grantevent ge
          WHERE ge.grant_id = held.grant_id AND ge.at <= %(at)s AND ge.kind = ANY (%(turns)s)
          ORDER BY ge.id DESC LIMIT 1), FALSE) END
  FROM (
    SELECT a.user_id, a.role_id, CAST(a.id AS text) AS way, CAST(NULL AS text) AS group_name,
           a.grant_id, a.starts_at, a.ends_at, a.resources
      FROM assigned a WHERE a.user_id = ANY (%(people)s)
     UNION ALL
    SELECT m.user_id, gv.role_id, 'group ' || m.group_name, m.group_name, NULL, NULL, NULL, NULL
      FROM members m JOIN given gv ON gv.group_name = m.group_name
     WHERE m.user_id = ANY (%(people)s)) held
 WHERE (held.user_id, held.role_id, held.way)
       > (%(after_user)s, CAST(%(after_role)s AS uuid), %(after_way)s)
 ORDER BY held.user_id, held.role_id, held.way
 LIMIT %(most)s"""


def count_people(then: Then) -> int:
    """How many people held any of it: one statement."""
    ((count,),) = _rows(_COUNT, then)
    return int(count)


def people_by_address(then: Then, *, begin: int, end: int) -> list[User]:
    """From the one to the other, in the order of their addresses: two statements."""
    return _users(then, _rows(_BY_ADDRESS, then, begin=begin, most=end - begin))


def people_after(then: Then, *, after: UUID | None, most: int) -> list[User]:
    """The next ones, in the order of their ids, which never changes: two statements."""
    begin = _NIL if after is None else UUID(int=after.int + 1)
    return _users(then, _rows(_FROM, then, after_user=begin, most=most))


def holdings_of(then: Then, people: Sequence[User]) -> list[Holding]:
    """All that these people held, by the name of the role: two statements."""
    found = _holdings(then, people, Key(), most=None)
    return sorted(found, key=lambda each: (each.role.name, each.way))


def holdings_after(then: Then, *, after: Key, most: int) -> list[Holding]:
    """The next ones, in the order of the key: four statements."""
    rows = _rows(_FROM, then, after_user=after.user_id, most=most + 1)
    return _holdings(then, _users(then, rows), after, most=most)


def _holdings(then: Then, people: Sequence[User], after: Key, *, most: int | None) -> list[Holding]:
    rows = _rows(
        _HOLDINGS,
        then,
        people=[each.pk for each in people],
        after_user=after.user_id,
        after_role=after.role_id,
        after_way=after.way,
        most=most,
    )
    roles = Role.objects.within_id(then.organisation_id).in_bulk({row[1] for row in rows})
    users = {each.pk: each for each in people}
    return [
        Holding(
            user=users[user_id],
            role=roles[role_id],
            way=way,
            group=group,
            grant_id=grant_id,
            starts_at=starts_at,
            ends_at=ends_at,
            resources=None if resources is None else json.loads(resources),
            is_suspended=is_suspended,
        )
        for user_id, role_id, way, group, grant_id, starts_at, ends_at, resources, is_suspended
        in rows
    ]  # fmt: skip


def _users(then: Then, rows: Sequence[Sequence[Any]]) -> list[User]:
    found = User.objects.within_id(then.organisation_id).in_bulk([row[0] for row in rows])
    return [found[row[0]] for row in rows if row[0] in found]


def _rows(statement: str, then: Then, **params: Any) -> list[Sequence[Any]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, {**_FIXED, **_asked(then), **params})
        found: list[Sequence[Any]] = cursor.fetchall()
    return found


def _asked(then: Then) -> dict[str, Any]:
    return {
        "organisation": then.organisation_id,
        "at": then.at,
        "role": then.role,
        "person": then.person.strip().lower(),
    }


_FIXED: Mapping[str, Any] = {
    "changes": [
        each.value
        for each in (
            Event.GROUP_MEMBER_ADDED, Event.GROUP_MEMBER_REMOVED, Event.GROUP_ROLE_ADDED,
            Event.GROUP_ROLE_REMOVED, Event.USER_DEACTIVATED, Event.USER_REACTIVATED,
        )
    ],
    "member_removed": Event.GROUP_MEMBER_REMOVED.value,
    "role_removed": Event.GROUP_ROLE_REMOVED.value,
    "closed": Event.USER_DEACTIVATED.value,
    "suspended": EventKind.SUSPENDED.value,
    "turns": [EventKind.SUSPENDED.value, EventKind.RESUMED.value],
}  # fmt: skip
