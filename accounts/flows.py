"""Changes of people, credentials and roles, each one transaction that ends in audit."""

import uuid
from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.models import User
from accounts.signals import credentials_changed
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
