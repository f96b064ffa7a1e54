"""What browsers of a person have at proxied applications, and that the person takes it back.

Their cookies end at the next request. Nobody comes back in by a proof that is older than that, in
whichever browser: else it would let itself in again by the login session that it still has.
"""

from datetime import datetime
from uuid import UUID

from django.db.models import Max, QuerySet

from accounts.models import User
from idp.models import Client, ForwardCode, ForwardSession
from sessions.models import LoginSession


def live_at(organisation_id: UUID, now: datetime) -> QuerySet[ForwardSession]:
    """Cookies that are good, as far as they and their login sessions say."""
    rows: QuerySet[ForwardSession] = ForwardSession.objects.within_id(organisation_id).filter(
        ended_at=None, ends_at__gt=now, session__ended_at=None, session__expires_at__gt=now
    )
    return rows


def withdraw(*, client: Client, user: User, now: datetime) -> int:
    """End every cookie of a person at an application, and say how many there were.

    Codes come first: a browser that gets its cookie just now is waited for, or gets none.
    """
    ForwardCode.objects.within_id(client.organisation_id).filter(
        client=client, session__user=user, used_at=None, expires_at__gt=now
    ).update(expires_at=now)
    live = live_at(client.organisation_id, now).filter(client=client, session__user=user)
    return live.update(ended_at=now, withdrawn_at=now)


def last_withdrawal(*, client: Client, session: LoginSession) -> datetime | None:
    """When the person took the access back, unless this session was proven since."""
    found = ForwardSession.objects.within_id(client.organisation_id).filter(
        client=client, session__user=session.user_id, withdrawn_at__gte=session.auth_time
    )
    latest: datetime | None = found.aggregate(latest=Max("withdrawn_at"))["latest"]
    return latest
