"""The decision explorer: what policy answered lately, and why it did."""

import json
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from access.words import RULES, told
from accounts.models import User
from console.decisions import OUTCOMES, QUESTIONS, Place, Reach, look, look_at
from core import clock
from core.errors import Refusal
from policy.evaluator import UNDEFINED
from policy.models import DecisionBatch


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
        form, found = FilterForm(request.GET), None
        if form.is_valid():
            person = _person(request, form.cleaned_data["person"])
            if form.cleaned_data["person"] and person is None:
                form.add_error("person", "Nobody here has this address.")
            else:
                found = look(
                    reach=_reach(request),
                    until=clock.now(),
                    after=Place.read(request.GET.get("before", "")),
                    person=person.pk if person else None,
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
        found = look_at(decision_id, _reach(request))
        if found is None:
            raise Refusal.not_found()
        row, explained = found.row, found.explained
        one = row.one
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
            is_same_revision=found.is_same_revision,
            is_same_answer=found.is_same_answer,
        )

    def _page(self, request: HttpRequest, name: str, **context: Any) -> TemplateResponse:
        shown = {**self.admin_site.each_context(request), "opts": self.opts} | context
        return TemplateResponse(request, f"admin/policy/decisionbatch/{name}.html", shown)


def _person(request: HttpRequest, address: str) -> User | None:
    user: Any = request.user
    people = User.unscoped.filter(email=address.strip().lower())
    if not user.is_superuser:
        people = people.filter(organisation_id=user.organisation_id)
    return people.first()


def _reach(request: HttpRequest) -> Reach:
    user: Any = request.user
    return Reach(None if user.is_superuser else user.organisation_id)


def _is_administrator(request: HttpRequest) -> bool:
    user: Any = request.user
    return bool(user.is_active and user.is_staff)
