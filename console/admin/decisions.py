"""The decision explorer: what policy answered lately, and why it did.

Staff of one organisation see answers about its people and applications; the others are not there.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.dateparse import parse_datetime

from access.words import RULES, told
from accounts.models import User
from core import clock
from core.errors import Refusal
from idp.models import Client
from policy import engine
from policy.bundle import Bundle
from policy.decision_log import Logged, find, logged
from policy.evaluator import UNDEFINED, PolicyUnavailable
from policy.explaining import Explained, explain
from policy.models import DecisionBatch
from policy.simulation import settled
from policy.versions import Published

ON_A_PAGE = 50
# How many answers are looked at for a page of those that are asked for.
MOST_LOOKED_AT, AT_ONCE = 10_000, 500
MOST_DAYS = 14
QUESTIONS = {
    engine.DECISION: "a session",
    engine.RESPONSE: "what follows from a signal",
    engine.ACCESS: "access for a time",
    "sallyport/authzen/decisions": "AuthZEN",
}
OUTCOMES = ("allow", "restrict", "step_up", "deny", "revoke", "refuse", "no answer")


class FilterForm(forms.Form):
    person = forms.CharField(required=False, max_length=254, label="Person (address)")
    client = forms.CharField(required=False, max_length=200, label="Application (client id)")
    path = forms.ChoiceField(
        required=False, label="Question", choices=[("", "Any"), *QUESTIONS.items()]
    )
    outcome = forms.ChoiceField(
        required=False,
        choices=[("", "Any"), *((each, each.replace("_", " ")) for each in OUTCOMES)],
    )


@dataclass(frozen=True, slots=True)
class Row:
    """An answer as the list tells it. who: an address, "" where nobody is known."""

    one: Logged
    who: str
    question: str
    word: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """rows: the newest first. older: from where the next page goes on. looked_at: how many."""

    rows: list[Row]
    older: datetime | None
    looked_at: int


class _Reach:
    """Whose answers this administrator may see, asked of the rows by the hundred."""

    def __init__(self, user: Any) -> None:
        self._everywhere = bool(user.is_superuser)
        self._organisation_id = user.organisation_id
        self._people: dict[UUID, str | None] = {}
        self._clients: dict[str, bool] = {}

    def learn(self, some: list[Logged]) -> None:
        ids = {each.about.user_id for each in some if each.about.user_id} - self._people.keys()
        names = {each.about.client for each in some if each.about.client} - self._clients.keys()
        people, clients = (
            User.unscoped.filter(pk__in=ids),
            Client.unscoped.filter(client_id__in=names),
        )
        if not self._everywhere:
            people = people.filter(organisation_id=self._organisation_id)
            clients = clients.filter(organisation_id=self._organisation_id)
        self._people |= dict.fromkeys(ids) | dict(people.values_list("pk", "email"))
        known = set(clients.values_list("client_id", flat=True))
        self._clients |= {name: name in known for name in names}

    def holds(self, one: Logged) -> bool:
        """By the person that it is about; by the application where it is about nobody."""
        if self._everywhere:
            return True
        if one.about.user_id:
            return self._people.get(one.about.user_id) is not None
        return self._clients.get(one.about.client, False)

    def name(self, one: Logged) -> str:
        return (self._people.get(one.about.user_id) or "") if one.about.user_id else ""


def look(
    *, user: Any, until: datetime, person: User | None, client: str, path: str, outcome: str
) -> Found:
    """The latest answers before `until` that are asked for and may be seen."""
    reach, rows, looked_at = _Reach(user), list[Row](), 0
    asked = logged(
        since=until - timedelta(days=MOST_DAYS),
        until=until,
        path=path,
        user_id=person.pk if person else None,
        client=client,
    )
    for some in _by_the_hundred(asked):
        reach.learn(some)
        for one in some:
            looked_at += 1
            if not reach.holds(one):
                continue
            row = _row(one, reach.name(one))
            if not outcome or row.word == outcome:
                rows.append(row)
            if len(rows) == ON_A_PAGE:
                return Found(rows, one.at, looked_at)
        if looked_at >= MOST_LOOKED_AT:
            return Found(rows, some[-1].at, looked_at)
    return Found(rows, None, looked_at)


def _by_the_hundred(asked: Iterator[Logged]) -> Iterator[list[Logged]]:
    while some := list(islice(asked, AT_ONCE)):
        yield some


def _row(one: Logged, who: str) -> Row:
    if one.error:
        return Row(one, who, QUESTIONS.get(one.path, one.path), "no answer", ())
    made = settled(one.path, one.result)
    return Row(one, who, QUESTIONS.get(one.path, one.path), made.word, made.reasons)


@admin.register(DecisionBatch)
class DecisionAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """A batch is how answers are kept; shown are the answers."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return _is_administrator(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return _is_administrator(request)

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def get_urls(self) -> list[URLPattern]:
        guard = self.admin_site.admin_view
        return [
            path("<uuid:decision_id>/explain/", guard(self.explain), name="policy_decision"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:  # noqa: ARG002
        """The latest answers, and a way to older ones."""
        form = FilterForm(request.GET)
        found, until = None, clock.now()
        before = parse_datetime(request.GET.get("before", "")) if "before" in request.GET else None
        if before is not None and before.tzinfo is not None:
            until = min(until, before)
        if form.is_valid():
            person = _person(request, form.cleaned_data["person"])
            if form.cleaned_data["person"] and person is None:
                form.add_error("person", "Nobody here has this address.")
            else:
                found = look(
                    user=request.user,
                    until=until,
                    person=person,
                    client=form.cleaned_data["client"].strip(),
                    path=form.cleaned_data["path"],
                    outcome=form.cleaned_data["outcome"],
                )
        query = request.GET.copy()
        query.pop("before", None)
        return self._page(
            request, "list", title="Decisions", form=form, found=found, query=query.urlencode()
        )

    def change_view(
        self,
        request: HttpRequest,  # noqa: ARG002
        object_id: str,  # noqa: ARG002
        form_url: str = "",  # noqa: ARG002
        extra_context: Any = None,  # noqa: ARG002
    ) -> HttpResponse:
        """There is no page of a batch."""
        raise Refusal.not_found()

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        return self.change_view(request, object_id, extra_context=extra_context)

    def explain(self, request: HttpRequest, decision_id: UUID) -> HttpResponse:
        """One answer, what it was given for, and which rules spoke."""
        one = find(decision_id)
        reach = _Reach(request.user)
        if one is not None:
            reach.learn([one])
        if one is None or not reach.holds(one):
            raise Refusal.not_found()
        bundle, is_same = _bundle(one.revision)
        explained = explain(bundle, one.path, one.input) if bundle else None
        row = _row(one, reach.name(one))
        return self._page(
            request,
            "one",
            title="One decision",
            row=row,
            one=one,
            words=[
                (each, told(each, passed=False) if each in RULES else "") for each in row.reasons
            ],
            microseconds=one.nanoseconds // 1000,
            input=json.dumps(one.input, indent=2, ensure_ascii=False),
            result="nothing"
            if one.result is UNDEFINED
            else json.dumps(one.result, indent=2, ensure_ascii=False),
            explained=explained,
            spoken=[rule for rule in explained.rules if rule.has_spoken] if explained else [],
            silent=[rule for rule in explained.rules if not rule.has_spoken] if explained else [],
            is_same_revision=is_same,
            is_same_answer=_is_same_answer(one, explained),
        )

    def _page(self, request: HttpRequest, name: str, **context: Any) -> TemplateResponse:
        shown = {**self.admin_site.each_context(request), "opts": self.opts} | context
        return TemplateResponse(request, f"admin/policy/decisionbatch/{name}.html", shown)


def _is_same_answer(one: Logged, explained: Explained | None) -> bool:
    """Whether the rules say the same again: what was masked may make a difference."""
    if explained is None or one.error:
        return False
    return bool(settled(one.path, one.result).rest == settled(one.path, explained.result).rest)


def _bundle(revision: str) -> tuple[Bundle | None, bool]:
    """The rules that answered, or else those that count now; and whether they are the same."""
    try:
        shipped = engine.shipped()
        if revision == shipped.revision:
            return shipped, True
        published = Published()
        try:
            return published.load(revision), True
        except PolicyUnavailable:
            active = published.active()
            return (published.load(active) if active else shipped), False
    except PolicyUnavailable:
        return None, False


def _person(request: HttpRequest, address: str) -> User | None:
    user: Any = request.user
    people = User.unscoped.filter(email=address.strip().lower())
    if not user.is_superuser:
        people = people.filter(organisation_id=user.organisation_id)
    return people.first()


def _is_administrator(request: HttpRequest) -> bool:
    user: Any = request.user
    return bool(user.is_active and user.is_staff)
