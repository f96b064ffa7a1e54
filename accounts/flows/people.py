"""Organisations and the people in them."""

from datetime import datetime

from allauth.account.models import EmailAddress
from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q

from accounts.flows.credentials import rotate_security_stamp
from accounts.models import Organisation, User
from audit.events import Event
from audit.recorder import record
from core.errors import Refusal
from core.ids import new_id


@transaction.atomic
def create_organisation(*, slug: str, name: str, now: datetime) -> Organisation:
    """Refuses conflict if the slug is taken."""
    organisation, is_new = Organisation.objects.get_or_create(
        slug=slug, defaults={"name": name, "created_at": now}
    )
    if not is_new:
        raise Refusal.conflict(f"There is an organisation {slug} already.")
    record(
        Event.ORGANISATION_CREATED,
        organisation_id=organisation.id,
        subject=organisation,
        now=now,
        slug=slug,
    )
    return organisation


@transaction.atomic
def deactivate_organisation(
    *, organisation: Organisation, now: datetime, actor: models.Model | None = None
) -> None:
    """Close an organisation. Nobody in it may do anything from now on.

    Every use of a session asks whether the organisation is open; rotating the stamps ends the
    sessions at once as well, so that lists are true.
    """
    if not Organisation.objects.filter(pk=organisation.pk, is_active=True).update(is_active=False):
        return
    organisation.is_active = False
    for user in User.objects.within(organisation).filter(is_active=True).iterator():
        rotate_security_stamp(user=user, now=now)
    record(
        Event.ORGANISATION_DEACTIVATED,
        organisation_id=organisation.id,
        actor=actor,
        subject=organisation,
        now=now,
    )


@transaction.atomic
def note_registration(*, user: User, now: datetime, how: str) -> None:
    """Write down that an account was made. how: "sign_up" or "invitation"."""
    record(
        Event.USER_REGISTERED,
        organisation_id=user.organisation_id,
        actor=user,
        subject=user,
        now=now,
        how=how,
    )


@transaction.atomic
def note_repeated_sign_up(*, email: str, password: str, now: datetime) -> None:
    """Write down that somebody signed up with an address that has an account.

    Does the work of a registration and undoes it, so that the time it takes tells nothing.
    """
    user = (
        User.unscoped.filter(Q(email=email) | Q(emailaddress__email=email))
        .select_related("organisation")
        .first()
    )
    if user is None:  # gone since the form was read
        return
    with transaction.atomic():
        rehearsal = User.objects.create_user(
            email=f"{new_id()}@rehearsal.invalid",
            organisation=user.organisation,
            now=now,
            password=password,
        )
        EmailAddress.objects.create(user=rehearsal, email=rehearsal.email, primary=True)
        transaction.set_rollback(True)
    record(
        Event.SIGN_UP_REPEATED,
        organisation_id=user.organisation_id,
        subject=user,
        now=now,
    )


@transaction.atomic
def deactivate_user(*, user: User, now: datetime, actor: models.Model | None = None) -> None:
    """Close an account: its sessions and tokens end. Refuses not_allowed for one's own."""
    if actor is not None and actor.pk == user.pk:
        raise Refusal.not_allowed("You cannot close your own account here.")
    if not User.unscoped.filter(pk=user.pk, is_active=True).update(is_active=False):
        return
    user.is_active = False
    rotate_security_stamp(user=user, now=now)
    record(
        Event.USER_DEACTIVATED,
        organisation_id=user.organisation_id,
        actor=actor,
        subject=user,
        now=now,
    )


@transaction.atomic
def reactivate_user(*, user: User, now: datetime, actor: models.Model | None = None) -> None:
    """Open an account again. Old sessions stay ended."""
    if not User.unscoped.filter(pk=user.pk, is_active=False).update(is_active=True):
        return
    user.is_active = True
    record(
        Event.USER_REACTIVATED,
        organisation_id=user.organisation_id,
        actor=actor,
        subject=user,
        now=now,
    )


@transaction.atomic
def link_accounts(
    *, user: User, other: User, now: datetime, actor: models.Model | None = None
) -> None:
    """Note that both are one person's, and whoever else shares an account with either.

    Refuses not_found across organisations.
    """
    if user.organisation_id != other.organisation_id:
        raise Refusal.not_found()
    everybody = User.objects.within_id(user.organisation_id)
    persons = set(
        everybody.filter(pk__in=[user.pk, other.pk])
        .order_by("pk")
        .select_for_update(no_key=True)
        .values_list("person_id", flat=True)
    )
    if len(persons) == 1:
        return
    person_id = min(persons)
    everybody.filter(person_id__in=persons).update(person_id=person_id)
    user.person_id = other.person_id = person_id
    record(
        Event.USER_LINKED,
        organisation_id=user.organisation_id,
        actor=actor,
        subject=user,
        now=now,
        other=other.pk,
    )


@transaction.atomic
def unlink_account(*, user: User, now: datetime, actor: User | None = None) -> None:
    """Note that the account is somebody else's than those it was linked with.

    Refuses not_allowed for an account of one's own: whoever did that could answer themselves.
    """
    held = User.objects.within_id(user.organisation_id).select_for_update().get(pk=user.pk)
    if actor is not None:
        same = User.unscoped.filter(pk=actor.pk, person_id=held.person_id)
        if same.exists():
            raise Refusal.not_allowed("Somebody else has to say this of your own accounts.")
    user.person_id = new_id()
    User.objects.within_id(user.organisation_id).filter(pk=user.pk).update(person_id=user.person_id)
    record(
        Event.USER_UNLINKED,
        organisation_id=user.organisation_id,
        actor=actor,
        subject=user,
        now=now,
    )


@transaction.atomic
def make_administrator(*, user: User, now: datetime, is_everywhere: bool = False) -> None:
    """Let the user administer their organisation, or every one."""
    user.is_staff = True
    user.is_superuser = user.is_superuser or is_everywhere
    user.save(update_fields=["is_staff", "is_superuser"])
    record(
        Event.ADMINISTRATOR_MADE,
        organisation_id=user.organisation_id,
        subject=user,
        now=now,
        is_everywhere=user.is_superuser,
    )


def discard_unverified(*, email: str, now: datetime, keep: User | None = None) -> bool:
    """Delete a sign-up that holds this address but never confirmed it; returns whether it did.

    Called when somebody else has shown that the address is theirs: an unconfirmed account is
    never linked to, merged with, or in the way of its owner.
    """
    squatters = _unverified().filter(email=email)
    if keep is not None:
        squatters = squatters.exclude(pk=keep.pk)
    return _discard(squatters, now) > 0


def purge_unverified(*, before: datetime, now: datetime) -> int:
    """Delete sign-ups that were not confirmed in time; returns how many."""
    return _discard(_unverified().filter(created_at__lt=before), now)


def _unverified() -> "models.QuerySet[User]":
    verified = EmailAddress.objects.filter(user_id=OuterRef("pk"), verified=True)
    return User.unscoped.filter(~Exists(verified), last_login=None, is_staff=False)


@transaction.atomic
def _discard(users: "models.QuerySet[User]", now: datetime) -> int:
    found = list(users.select_for_update(skip_locked=True))
    for user in found:
        record(
            Event.USER_DISCARDED,
            organisation_id=user.organisation_id,
            subject=user,
            now=now,
        )
        user.delete()
    return len(found)
