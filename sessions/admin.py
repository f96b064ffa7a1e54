"""What the administration of people does to their sessions."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.admin import UserAdmin
from accounts.models import User
from core import clock
from sessions.flows import sign_out_everywhere
from sessions.models import EndReason

admin.site.unregister(User)


@admin.register(User)
class PeopleAdmin(UserAdmin):
    """People as `accounts` lists them, which knows of no sessions."""

    actions: Any = (*UserAdmin.actions, "sign_out")

    @admin.action(description="Sign out everywhere: sessions and tokens end now")
    def sign_out(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        administrator: Any = request.user
        for user in chosen:
            sign_out_everywhere(
                user=user,
                reason=EndReason.ENDED_BY_ADMINISTRATOR,
                now=clock.now(),
                actor=f"accounts.User:{administrator.pk}",
            )
            self.message_user(request, f"{user} is signed out everywhere.")
