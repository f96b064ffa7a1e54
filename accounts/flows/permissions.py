"""What roles let their holders do, and who may give such rights away.

Nobody gives what they do not hold. Administrators hold everything of their organisation; somebody
else holds what a standing role gives them. What a grant lends for a while is not theirs to give.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, models, transaction
from django.db.models import Q

from accounts.flows.elevation import standing_roles
from accounts.models import ANY, Role, RolePermission, User
from audit.events import Event
from audit.recorder import record
from core.errors import Refusal

WORD = re.compile(r"[\x21-\x7e]{1,128}")


@transaction.atomic
def give_permission(
    *, role: Role, resource_type: str, action: str, now: datetime,
    actor: models.Model | None = None,
) -> RolePermission:  # fmt: skip
    """Let holders of the role do this to resources of the type; `*` stands for any.

    Refuses invalid_request for what is no word, conflict if the role has it, not_allowed if the
    actor does not hold it.
    """
    for word in (resource_type, action):
        if not WORD.fullmatch(word):
            raise Refusal.invalid_request("A type or an action is a word without spaces.")
    check_may_give(
        actor=actor,
        organisation_id=role.organisation_id,
        permissions=[(resource_type, action)],
        now=now,
    )
    try:
        with transaction.atomic():
            given = RolePermission.objects.create(
                organisation_id=role.organisation_id,
                role=role,
                resource_type=resource_type,
                action=action,
            )
    except IntegrityError as error:
        raise Refusal.conflict(f"The role {role} has this permission already.") from error
    _record(Event.PERMISSION_ADDED, given, now, actor)
    return given


@transaction.atomic
def take_permission(
    *, permission: RolePermission, now: datetime, actor: models.Model | None = None
) -> bool:
    """Take a permission away from its role; returns whether this call did it."""
    if not RolePermission.unscoped.filter(pk=permission.pk).delete()[0]:
        return False
    _record(Event.PERMISSION_REMOVED, permission, now, actor)
    return True


def held_permissions(*, user: User, now: datetime) -> set[tuple[str, str]]:
    """What the user's standing roles allow, as (type, action)."""
    found = RolePermission.objects.within_id(user.organisation_id).filter(
        role__in=standing_roles(user=user, now=now)
    )
    return set(found.values_list("resource_type", "action"))


def check_may_give(
    *, actor: models.Model | None, organisation_id: UUID, now: datetime,
    permissions: Iterable[tuple[str, str]] = (), roles: Iterable[Role] = (),
) -> None:  # fmt: skip
    """Refuse not_allowed unless the actor holds all of what is given away.

    actor: None where the product itself acts, as a command of the operator does.
    """
    if actor is None or is_administrator(actor, organisation_id):
        return
    wanted, given = set(permissions), {role.pk for role in roles}
    if isinstance(actor, User) and actor.organisation_id == organisation_id and actor.is_active:
        held = held_permissions(user=actor, now=now)
        own = {role.pk for role in standing_roles(user=actor, now=now)}
        if given <= own and all(_covers(held, pair) for pair in wanted) and (wanted or given):
            return
    raise Refusal.not_allowed("Nobody gives a right that they do not hold.")


def is_administrator(actor: models.Model, organisation_id: UUID) -> bool:
    """Whether this is somebody who administers the organisation, by the row as it is now."""
    if not isinstance(actor, User):
        return False
    of_it = Q(organisation_id=organisation_id, is_staff=True) | Q(is_superuser=True, is_staff=True)
    return User.unscoped.filter(of_it, pk=actor.pk, is_active=True).exists()


def _covers(held: set[tuple[str, str]], pair: tuple[str, str]) -> bool:
    resource_type, action = pair
    wider = {(resource_type, action), (ANY, action), (resource_type, ANY), (ANY, ANY)}
    return not held.isdisjoint(wider)


def _record(event: Event, about: RolePermission, now: datetime, actor: models.Model | None) -> None:
    record(
        event,
        organisation_id=about.organisation_id,
        actor=actor,
        subject=about.role,
        now=now,
        role=about.role.name,
        resource_type=about.resource_type,
        action=about.action,
    )
