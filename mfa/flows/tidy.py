"""Deleting what nobody can use any more."""

from datetime import datetime, timedelta

from django.db import transaction

from mfa.models import PasskeyChallenge

BATCH = 1000
KEPT_FOR = timedelta(hours=1)


def purge(*, now: datetime) -> int:
    """Delete challenges that ended an hour ago; returns how many.

    Rows that another worker holds are skipped, so two workers are harmless.
    """
    deleted = 0
    while True:
        with transaction.atomic():
            over = list(
                PasskeyChallenge.objects.filter(expires_at__lt=now - KEPT_FOR)
                .order_by("expires_at")
                .select_for_update(skip_locked=True)
                .values_list("id", flat=True)[:BATCH]
            )
            PasskeyChallenge.objects.filter(id__in=over).delete()
        deleted += len(over)
        if len(over) < BATCH:
            return deleted
