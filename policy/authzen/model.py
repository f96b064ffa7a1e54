"""The information model (§5 of the specification): subject, action, resource, context."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Malformed(Exception):  # noqa: N818 - names a state
    """A request is not one of the specification's. The text is for whoever sent it."""


@dataclass(frozen=True, slots=True)
class Entity:
    """A subject or a resource. properties: what whoever enforces says of it; we never saw that."""

    type: str
    id: str
    properties: Mapping[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        return {"type": self.type, "id": self.id, "properties": self.properties}


@dataclass(frozen=True, slots=True)
class Action:
    name: str
    properties: Mapping[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        return {"name": self.name, "properties": self.properties}


@dataclass(frozen=True, slots=True)
class Question:
    """Whether this subject may do this to this resource."""

    subject: Entity
    action: Action
    resource: Entity
    context: Mapping[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        return {
            "subject": self.subject.document(),
            "action": self.action.document(),
            "resource": self.resource.document(),
            "context": self.context,
        }


class Semantic(StrEnum):
    """How far a batch is answered (§7.1.2.1)."""

    EXECUTE_ALL = "execute_all"
    DENY_ON_FIRST_DENY = "deny_on_first_deny"
    PERMIT_ON_FIRST_PERMIT = "permit_on_first_permit"


@dataclass(frozen=True, slots=True)
class Batch:
    """Questions in the order of the request; in the place of one that cannot be read, its fault."""

    items: tuple[Question | Malformed, ...]
    semantic: Semantic = Semantic.EXECUTE_ALL

    @property
    def questions(self) -> tuple[Question, ...]:
        return tuple(item for item in self.items if isinstance(item, Question))


class Wanted(StrEnum):
    """What a search looks for."""

    SUBJECT = "subject"
    RESOURCE = "resource"
    ACTION = "action"


@dataclass(frozen=True, slots=True)
class Search:
    """A question with one part open: the id of `subject` or `resource`, or the name of `action`.

    limit: results on a page, None where nothing was said; token: of the page before, or "".
    is_paged: whether the request spoke of pages at all.
    """

    wanted: Wanted
    question: Question
    limit: int | None = None
    token: str = ""
    is_paged: bool = False

    def with_candidate(self, name: str) -> Question:
        """The closed question about one candidate."""
        asked = self.question
        subject, action, resource = asked.subject, asked.action, asked.resource
        if self.wanted is Wanted.SUBJECT:
            subject = Entity(subject.type, name, subject.properties)
        elif self.wanted is Wanted.RESOURCE:
            resource = Entity(resource.type, name, resource.properties)
        else:
            action = Action(name)
        return Question(subject, action, resource, asked.context)

    def result(self, name: str) -> dict[str, str]:
        """One result as the response carries it."""
        if self.wanted is Wanted.ACTION:
            return {"name": name}
        whole = self.question.subject if self.wanted is Wanted.SUBJECT else self.question.resource
        return {"type": whole.type, "id": name}
