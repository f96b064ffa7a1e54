"""What every page may show of access: how much waits for an answer."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from access.reading import count_inbox
from accounts.models import User
from core import clock


def access_inbox(request: HttpRequest) -> dict[str, Any]:
    """`access_inbox`: how many requests wait for this person; only pages that show it ask."""
    return {"access_inbox": SimpleLazyObject(lambda: _count(request))}


def _count(request: HttpRequest) -> int:
    user = getattr(request, "user", None)
    return count_inbox(approver=user, now=clock.now()) if isinstance(user, User) else 0
