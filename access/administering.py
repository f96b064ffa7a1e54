"""Who may set the rules of access: administrators, by what they are and never by what they won.

`is_staff` is given to an account and by no role, so that no grant leads to it.
"""

from datetime import datetime
from uuid import UUID

from access.models import Kind
from accounts.flows import is_locked_out
from accounts.models import User
from core.errors import Refusal


def may_administer(actor: User, organisation_id: UUID, *, now: datetime) -> bool:
    """Judged by the account as it is now, not as whoever asks remembers it."""
    account = User.unscoped.filter(pk=actor.pk, is_active=True, is_staff=True).first()
    if account is None or is_locked_out(user=account, address=None, now=now):
        return False
    return account.is_superuser or account.organisation_id == organisation_id


def may_administer_everywhere(actor: User, *, now: datetime) -> bool:
    """Whether this person administers every organisation, and so may see to policy."""
    everywhere = User.unscoped.filter(pk=actor.pk, is_superuser=True)
    return everywhere.exists() and may_administer(actor, actor.organisation_id, now=now)


def demand_administrator_everywhere(actor: User | None, *, now: datetime) -> None:
    """Refuses not_allowed. None is the installation itself, by a command."""
    if actor is not None and not may_administer_everywhere(actor, now=now):
        raise Refusal.not_allowed("Policy is for administrators of every organisation.")


def demand_administrator_of(
    actor: User | None, kind: str, organisation_id: UUID, *, now: datetime
) -> None:
    """For an entitlement of this kind. Refuses not_allowed."""
    if kind == Kind.PUBLICATION:
        demand_administrator_everywhere(actor, now=now)
    else:
        demand_administrator(actor, organisation_id, now=now)


def demand_administrator(actor: User | None, organisation_id: UUID, *, now: datetime) -> None:
    """Refuses not_allowed. None is the installation itself, by a command."""
    if actor is not None and not may_administer(actor, organisation_id, now=now):
        raise Refusal.not_allowed("Only administrators set the rules of access.")
