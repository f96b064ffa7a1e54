"""What accounts tidies in the background. No right depends on it; all may run doubled."""

from datetime import timedelta

from axes.models import AccessAttempt
from celery import shared_task

from accounts import flows
from accounts.budget import TOTAL_FAILURES
from accounts.models import GuessBudget, Invitation
from core import clock

UNVERIFIED_LIFETIME = timedelta(days=7)
INVITATIONS_KEPT_FOR = timedelta(days=30)
BUDGETS_KEPT_FOR = timedelta(days=30)
LOCKED_BUDGETS_KEPT_FOR = timedelta(days=365)


@shared_task
def deliver_mail() -> int:
    """Send mail that is due."""
    return flows.deliver_due_mail()


@shared_task
def expire_role_assignments() -> int:
    """Write down which roles ended by time."""
    return flows.expire_due_role_assignments(now=clock.now())


@shared_task
def purge() -> None:
    """Delete what is over: mail, invitations, forgotten guesses, sign-ups nobody confirmed."""
    now = clock.now()
    flows.purge_mail(now=now)
    flows.purge_unverified(before=now - UNVERIFIED_LIFETIME, now=now)
    Invitation.unscoped.filter(expires_at__lt=now - INVITATIONS_KEPT_FOR).delete()
    GuessBudget.objects.filter(
        window_started_at__lt=now - BUDGETS_KEPT_FOR, total__lt=TOTAL_FAILURES
    ).delete()
    GuessBudget.objects.filter(window_started_at__lt=now - LOCKED_BUDGETS_KEPT_FOR).delete()
    AccessAttempt.objects.filter(expiration__expires_at__lte=now).delete()
