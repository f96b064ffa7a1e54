"""Administration of people: lists, and actions that go through flows.

Everybody with `is_staff` administers their own organisation; superusers administer all. The door
(`console.admin_site`) has seen to two factors. Nothing here writes by itself.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from allauth.account.models import EmailAddress, EmailConfirmation
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib import admin, messages
from django.contrib.auth.models import Group as DjangoGroup
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseRedirect

from accounts import flows
from accounts.forms import LockForm
from accounts.models import (
    Group,
    GroupMember,
    GroupRole,
    Invitation,
    Lock,
    LockTarget,
    Organisation,
    Resource,
    Role,
    RoleAssignment,
    RolePermission,
    User,
)
from core import clock
from core.errors import Refusal

# These would be doors past flows and audit.
for unguarded in (
    EmailAddress, EmailConfirmation, AccessAttempt, AccessFailureLog, AccessLog, DjangoGroup,
):  # fmt: skip
    if admin.site.is_registered(unguarded):
        admin.site.unregister(unguarded)

M = TypeVar("M", bound=models.Model)


class ScopedAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows of the administrator's organisation, and choices from it; others do not exist."""

    actions_on_bottom = False
    may_add = False
    may_change = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return _within_reach(super().get_queryset(request), request)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        choices: QuerySet[Any] = db_field.related_model._default_manager.all()  # noqa: SLF001
        kwargs["queryset"] = _within_reach(choices, request)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> Any:
        """Only who reaches several organisations is asked which one."""
        excluded = [*(super().get_exclude(request, obj) or [])]
        user: Any = request.user
        return excluded if user.is_superuser and obj is None else [*excluded, "organisation"]

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any], *where: Any) -> Any:
        """What is named by no id is none of the rows; Django fails over it."""
        try:
            return super().response_action(request, queryset, *where)
        except ValidationError:
            self.message_user(request, "There is no such row.", messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def has_module_permission(self, request: HttpRequest) -> bool:
        return _is_administrator(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_administrator(request) and _is_within_reach(obj, request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.may_add and _is_administrator(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may_change and self.has_view_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Django's own log is not kept: audit tells more, and cannot be changed."""

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """As `log_addition`."""

    def organisation_for(self, request: HttpRequest, row: Any) -> Organisation:
        user: Any = request.user
        chosen: Organisation = row.organisation if row.organisation_id else user.organisation
        return chosen


class WithinReachFilter(admin.RelatedFieldListFilter):
    """Choices of the administrator's organisation: what stands beside a table tells names, too."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:  # noqa: ARG002
        rows = _within_reach(field.related_model._default_manager.all(), request)  # noqa: SLF001
        return sorted(((row.pk, str(row)) for row in rows), key=lambda choice: choice[1])


@admin.register(Organisation)
class OrganisationAdmin(ScopedAdmin):
    list_display = ("name", "slug", "is_active", "created_at")
    ordering = ("name",)
    actions = ("deactivate",)

    @admin.action(description="Close: nobody in it may sign in any more")
    def deactivate(self, request: HttpRequest, chosen: QuerySet[Organisation]) -> None:
        user: Any = request.user
        if not user.is_superuser:
            raise Refusal.not_allowed("Only an administrator of every organisation may do this.")
        act_on_each(self, request, chosen, lambda row: flows.deactivate_organisation(
            organisation=row, now=clock.now(), actor=user
        ), "closed")  # fmt: skip


@admin.register(User)
class UserAdmin(ScopedAdmin):
    list_display = ("email", "name", "organisation", "is_active", "is_staff", "last_login")
    list_filter = ("is_active", "is_staff")
    search_fields = ("email", "name")
    ordering = ("email",)
    fields = ("email", "name", "organisation", "is_active", "is_staff", "created_at", "last_login")
    actions = ("deactivate", "reactivate", "unlock")

    @admin.action(description="Close accounts: sessions and tokens end now")
    def deactivate(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        act_on_each(self, request, chosen, lambda row: flows.deactivate_user(
            user=row, now=clock.now(), actor=actor_of(request)
        ), "closed")  # fmt: skip

    @admin.action(description="Open accounts again")
    def reactivate(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        act_on_each(self, request, chosen, lambda row: flows.reactivate_user(
            user=row, now=clock.now(), actor=actor_of(request)
        ), "opened")  # fmt: skip

    @admin.action(description="Forget failed sign-ins")
    def unlock(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        act_on_each(self, request, chosen, lambda row: flows.unlock_account(
            user=row, now=clock.now(), actor=actor_of(request)
        ), "unlocked")  # fmt: skip


@admin.register(Invitation)
class InvitationAdmin(ScopedAdmin):
    list_display = ("email", "organisation", "role", "invited_by", "expires_at", "used_at")
    ordering = ("-created_at",)
    actions = ("withdraw",)
    may_add = True

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is not None:
            return ("email", "role", "invited_by", "created_at", "expires_at", "used_at")
        user: Any = request.user
        return ("organisation", "email", "role") if user.is_superuser else ("email", "role")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: ARG002, FBT001
        saved, _ = flows.invite(
            organisation=self.organisation_for(request, obj),
            email=obj.email,
            role=obj.role,
            invited_by=actor_of(request),
            now=clock.now(),
        )
        obj.__dict__.update(saved.__dict__)

    @admin.action(description="Withdraw: links that were not used work no more")
    def withdraw(self, request: HttpRequest, chosen: QuerySet[Invitation]) -> None:
        act_on_each(self, request, chosen, lambda row: flows.withdraw_invitation(
            invitation=row, now=clock.now(), actor=actor_of(request)
        ), "withdrawn")  # fmt: skip


class _ScopedInline(admin.TabularInline):  # type: ignore[type-arg]
    extra = 1

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        choices: QuerySet[Any] = db_field.related_model._default_manager.all()  # noqa: SLF001
        kwargs["queryset"] = _within_reach(choices, request)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return _is_administrator(request)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return _is_administrator(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return _is_administrator(request)


class _PermissionInline(_ScopedInline):
    model = RolePermission
    fields = ("resource_type", "action")


@admin.register(Role)
class RoleAdmin(ScopedAdmin):
    list_display = ("name", "organisation", "required_acr", "required_tier", "description")
    search_fields = ("name",)
    ordering = ("name",)
    may_add = may_change = True
    inlines = (_PermissionInline,)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:  # noqa: ARG002
        return ("name",) if obj is not None else ()

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:  # noqa: FBT001, ARG002
        added = formset.save(commit=False)
        common: dict[str, Any] = {"now": clock.now(), "actor": actor_of(request)}
        for row in formset.deleted_objects:
            flows.take_permission(permission=row, **common)
        for row in added:
            flows.give_permission(
                role=form.instance, resource_type=row.resource_type, action=row.action, **common
            )

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: ARG002, FBT001
        if change:
            flows.update_role(
                role=obj,
                description=obj.description,
                required_acr=obj.required_acr,
                required_tier=obj.required_tier,
                now=clock.now(),
                actor=actor_of(request),
            )
            return
        saved = flows.create_role(
            organisation=self.organisation_for(request, obj),
            name=obj.name,
            description=obj.description,
            required_acr=obj.required_acr,
            required_tier=obj.required_tier,
            now=clock.now(),
            actor=actor_of(request),
        )
        obj.__dict__.update(saved.__dict__)


@admin.register(Resource)
class ResourceAdmin(ScopedAdmin):
    list_display = ("type", "name", "organisation", "classification", "owner", "changed_at")
    list_filter = ("classification", "type")
    list_select_related = ("organisation", "owner")
    search_fields = ("type", "name")
    ordering = ("type", "name")
    may_add = may_change = True
    actions = ("remove",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        asked = ("type", "name", "classification", "owner", "properties")
        user: Any = request.user
        return ("organisation", *asked) if obj is None and user.is_superuser else asked

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:  # noqa: ARG002
        return ("type", "name") if obj is not None else ()

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: ARG002, FBT001
        said: dict[str, Any] = {
            "classification": obj.classification,
            "properties": obj.properties,
            "owner": obj.owner,
            "now": clock.now(),
            "actor": actor_of(request),
        }
        if change:
            flows.update_resource(resource=obj, **said)
            return
        organisation = self.organisation_for(request, obj)
        saved = flows.register_resource(
            organisation=organisation, type=obj.type, name=obj.name, **said
        )
        obj.__dict__.update(saved.__dict__)

    @admin.action(description="Forget: internal, and nobody's, from now on")
    def remove(self, request: HttpRequest, chosen: QuerySet[Resource]) -> None:
        act_on_each(self, request, chosen, lambda row: flows.remove_resource(
            resource=row, now=clock.now(), actor=actor_of(request)
        ), "forgotten")  # fmt: skip


@admin.register(Lock)
class LockAdmin(ScopedAdmin):
    form = LockForm
    list_display = (
        "target_type", "target", "reason", "organisation", "created_at", "created_by", "ends_at",
        "needs_recovery", "lifted_at",
    )  # fmt: skip
    list_filter = ("target_type", ("lifted_at", admin.EmptyFieldListFilter))
    list_select_related = ("organisation",)
    search_fields = ("target", "reason")
    ordering = ("-created_at",)
    may_add = True
    actions = ("lift",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is not None:
            return (
                "target_type", "target", "reason", "message", "needs_recovery", "created_at",
                "created_by", "ends_at", "lifted_at", "lifted_by",
            )  # fmt: skip
        user: Any = request.user
        asked = ("target_type", "target", "reason", "message", "minutes", "needs_recovery")
        return ("organisation", *asked) if user.is_superuser else asked

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: ARG002, FBT001
        now, minutes = clock.now(), form.cleaned_data["minutes"]
        organisation = self.organisation_for(request, obj)
        saved = flows.place_lock(
            organisation_id=organisation.pk,
            target_type=LockTarget(obj.target_type),
            target=flows.find_target(
                organisation_id=organisation.pk,
                target_type=LockTarget(obj.target_type),
                named=obj.target,
            ),
            reason=obj.reason,
            message=obj.message,
            ends_at=now + timedelta(minutes=minutes) if minutes else None,
            needs_recovery=obj.needs_recovery,
            now=now,
            actor=actor_of(request),
        )
        obj.__dict__.update(saved.__dict__)

    @admin.action(description="Lift: what they stop goes on")
    def lift(self, request: HttpRequest, chosen: QuerySet[Lock]) -> None:
        act_on_each(self, request, chosen, lambda row: flows.lift_lock(
            lock=row, now=clock.now(), actor=actor_of(request)
        ), "lifted")  # fmt: skip


@admin.register(RoleAssignment)
class RoleAssignmentAdmin(ScopedAdmin):
    list_display = (
        "user", "role", "limited_to", "organisation", "starts_at", "ends_at", "ended_at",
        "grant_id",
    )  # fmt: skip
    list_filter = (("role", WithinReachFilter), ("grant_id", admin.EmptyFieldListFilter))
    search_fields = ("user__email", "role__name")
    ordering = ("-starts_at",)
    fields = ("user", "role", "starts_at", "ends_at")
    list_select_related = ("user", "role", "organisation")
    may_add = True
    actions = ("take_back",)

    @admin.display(description="only for", empty_value="all that it reaches")
    def limited_to(self, assignment: RoleAssignment) -> str | None:
        return assignment.limit or None

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"starts_at": clock.now()} | super().get_changeform_initial_data(request)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: ARG002, FBT001
        saved = flows.assign_role(
            user=obj.user,
            role=obj.role,
            starts_at=obj.starts_at,
            ends_at=obj.ends_at,
            now=clock.now(),
            actor=actor_of(request),
        )
        obj.__dict__.update(saved.__dict__)

    @admin.action(description="Take roles back now")
    def take_back(self, request: HttpRequest, chosen: QuerySet[RoleAssignment]) -> None:
        act_on_each(self, request, chosen, lambda row: flows.end_role_assignment(
            assignment=row, now=clock.now(), actor=actor_of(request)
        ), "taken back")  # fmt: skip


class _MemberInline(_ScopedInline):
    model = GroupMember
    fields = ("user",)


class _RoleInline(_ScopedInline):
    model = GroupRole
    fields = ("role",)


@admin.register(Group)
class GroupAdmin(ScopedAdmin):
    list_display = ("name", "organisation")
    search_fields = ("name",)
    ordering = ("name",)
    may_add = may_change = True
    inlines = (_MemberInline, _RoleInline)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:  # noqa: ARG002
        return ("name",) if obj is not None else ()

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: ARG002, FBT001
        if change:
            return
        saved = flows.create_group(
            organisation=self.organisation_for(request, obj),
            name=obj.name,
            now=clock.now(),
            actor=actor_of(request),
        )
        obj.__dict__.update(saved.__dict__)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:  # noqa: FBT001, ARG002
        added = formset.save(commit=False)
        common: dict[str, Any] = {"now": clock.now(), "actor": actor_of(request)}
        for row in formset.deleted_objects:
            if isinstance(row, GroupMember):
                flows.remove_group_member(group=form.instance, user=row.user, **common)
            else:
                flows.take_group_role(group=form.instance, role=row.role, **common)
        for row in added:
            if isinstance(row, GroupMember):
                flows.add_group_member(group=form.instance, user=row.user, **common)
            else:
                flows.give_group_role(group=form.instance, role=row.role, **common)


def actor_of(request: HttpRequest) -> User:
    user: Any = request.user
    return User.unscoped.get(pk=user.pk)


def organisation_named(request: HttpRequest, slug: str) -> Organisation:
    """The administrator's own; who administers all may name another. Refuses not_found."""
    user: Any = request.user
    if slug and user.is_superuser:
        found = Organisation.objects.filter(slug=slug).first()
        if found is None:
            raise Refusal.not_found()
        return found
    own: Organisation = user.organisation
    return own


def organisations_to_name(request: HttpRequest) -> list[Organisation]:
    """Those that `organisation_named` may be asked for; none where there is only one's own."""
    user: Any = request.user
    found = Organisation.objects.filter(is_active=True).order_by("name")
    return list(found) if user.is_superuser else []


def _is_administrator(request: HttpRequest) -> bool:
    user: Any = request.user
    return bool(user.is_active and user.is_staff)


def _is_within_reach(row: Any, request: HttpRequest) -> bool:
    user: Any = request.user
    if row is None or user.is_superuser:
        return True
    return bool(_organisation_id(row) == user.organisation_id)


def _within_reach(rows: QuerySet[M], request: HttpRequest) -> QuerySet[M]:
    user: Any = request.user
    if user.is_superuser:
        return rows
    key = "pk" if rows.model is Organisation else "organisation_id"
    return rows.filter(**{key: user.organisation_id})


def _organisation_id(row: Any) -> Any:
    return row.pk if isinstance(row, Organisation) else row.organisation_id


def act_on_each(
    page: ScopedAdmin, request: HttpRequest, rows: QuerySet[M], act: Callable[[M], Any], done: str
) -> None:
    """Run a flow for each row; a refusal is told and does not stop the others."""
    count = 0
    for row in rows:
        try:
            act(row)
        except Refusal as refusal:
            page.message_user(request, f"{row}: {refusal.detail}", messages.ERROR)
        else:
            count += 1
    page.message_user(request, f"{count} {done}.")
