"""Passwords, addresses and the stamp that ties sessions to them."""

import uuid
from datetime import datetime
from uuid import UUID

from axes.utils import reset as reset_axes
from django.db import models, transaction

from accounts import budget
from accounts.models import User
from accounts.signals import credentials_changed
from audit.events import Event
from audit.recorder import record
from core.errors import Refusal


@transaction.atomic
def rotate_security_stamp(*, user: User, now: datetime) -> UUID:
    """Give the user a new security stamp: sessions that carry the old one are over.

    Refuses not_found when the user is gone. `credentials_changed` is sent inside the transaction.
    """
    stamp = uuid.uuid4()
    if not User.unscoped.filter(pk=user.pk).update(security_stamp=stamp):
        raise Refusal.not_found()
    user.security_stamp = stamp
    credentials_changed.send(User, user=user, stamp=stamp, now=now)
    return stamp


@transaction.atomic
def change_password(*, user: User, password: str, now: datetime) -> None:
    """Set a password that the validators have accepted. Ends every other session of the user."""
    User.unscoped.select_for_update().get(pk=user.pk)
    user.set_password(password)
    user.save(update_fields=["password"])
    rotate_security_stamp(user=user, now=now)
    record(
        Event.PASSWORD_CHANGED,
        organisation_id=user.organisation_id,
        actor=user,
        subject=user,
        now=now,
    )


@transaction.atomic
def forget_password(*, user: User, now: datetime) -> None:
    """Make the password unusable, since whoever set it has not shown that the address is theirs."""
    user.set_unusable_password()
    user.save(update_fields=["password"])
    rotate_security_stamp(user=user, now=now)
    record(
        Event.PASSWORD_DISCARDED,
        organisation_id=user.organisation_id,
        subject=user,
        now=now,
    )


@transaction.atomic
def note_email_change(*, user: User, old: str, new: str, now: datetime) -> None:
    """The user signs in by another address now. Mail to the old one is the adapter's."""
    rotate_security_stamp(user=user, now=now)
    budget.clear(old, now=now)
    record(
        Event.EMAIL_CHANGED,
        organisation_id=user.organisation_id,
        actor=user,
        subject=user,
        now=now,
        old=old,
        new=new,
    )


@transaction.atomic
def unlock_account(*, user: User, now: datetime, actor: models.Model | None = None) -> None:
    """Forget failed guesses: after a password reset, or because an administrator says so."""
    budget.clear(user.email, now=now)
    reset_axes(username=user.email)
    record(
        Event.ACCOUNT_UNLOCKED,
        organisation_id=user.organisation_id,
        actor=actor or user,
        subject=user,
        now=now,
    )
