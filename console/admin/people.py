"""Whose an account is: administrators note that two are one person's, or that one is not.

It stands here, above `accounts`, since what follows from it follows for access.
"""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from accounts import flows
from accounts.admin import actor_of
from accounts.models import User
from console.linking import accounts_of, follow
from core import clock
from core.errors import Refusal
from sessions.admin import PeopleAdmin

MOST_FOUND = 20

admin.site.unregister(User)


class FindForm(forms.Form):
    q = forms.CharField(label="Address or name", max_length=254, min_length=2, strip=True)


@admin.register(User)
class PersonAdmin(PeopleAdmin):
    change_form_template = "admin/accounts/user/change_form.html"

    def get_urls(self) -> list[URLPattern]:
        whose = self.admin_site.admin_view(self.whose)
        return [path("<uuid:pk>/person/", whose, name="accounts_person"), *super().get_urls()]

    def whose(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """The accounts of one person: another is found, looked at, and linked; one is unlinked."""
        user = self._within(request, pk)
        if request.method == "POST":
            return self._act(request, user)
        others = User.objects.within_id(user.organisation_id).exclude(person_id=user.person_id)
        other = _named(others, request.GET.get("other", ""))
        form = FindForm(request.GET if "q" in request.GET else None)
        found = None
        if form.is_valid():
            part = form.cleaned_data["q"].replace("\0", "")
            matching = others.filter(Q(email__icontains=part) | Q(name__icontains=part))
            found = list(matching.order_by("email")[: MOST_FOUND + 1])
        context = {
            **self.admin_site.each_context(request),
            "title": f"Whose account is {user.email}?",
            "opts": self.opts,
            "account": user,
            "mine": actor_of(request).person_id == user.person_id,
            "accounts": accounts_of(user),
            "form": form,
            "found": found and found[:MOST_FOUND],
            "has_more": found is not None and len(found) > MOST_FOUND,
            "nobody": found == [],
            "other": other,
            "others": [] if other is None else accounts_of(other),
            "following": None if other is None else follow(user, other, actor=actor_of(request)),
        }
        return TemplateResponse(request, "admin/accounts/user/person.html", context)

    def _act(self, request: HttpRequest, user: User) -> HttpResponse:
        said = request.POST
        people = User.objects.within_id(user.organisation_id)
        common: dict[str, Any] = {"now": clock.now(), "actor": actor_of(request)}
        try:
            if "unlink" in said:
                whom = _named(people.filter(person_id=user.person_id), said["unlink"])
                if whom is None:
                    raise Refusal.conflict("These accounts are not linked.")
                flows.unlink_account(user=whom, **common)
                told = f"This is an account of somebody else now: {whom.email}."
            else:
                other = _named(people, said.get("other", ""))
                if other is None:
                    raise Refusal.invalid_request("Choose an account.")
                flows.link_accounts(user=user, other=other, **common)
                told = f"These are one person's: {user.email} and {other.email}."
        except Refusal as refusal:
            self.message_user(request, refusal.detail, messages.ERROR)
        else:
            self.message_user(request, told)
        return redirect("admin:accounts_person", user.pk)

    def _within(self, request: HttpRequest, pk: UUID) -> User:
        user: User | None = self.get_queryset(request).filter(pk=pk).first()
        if user is None:
            raise Refusal.not_found()
        return user


def _named(rows: "QuerySet[User]", text: str) -> User | None:
    """By an id that somebody has sent."""
    try:
        return rows.filter(pk=UUID(text)).first()
    except ValueError:
        return None
