"""What an administrator should look at. Nothing of it is kept: it is found by asking the rows."""

from datetime import datetime
from typing import Any
from uuid import UUID

from ninja import Query, Router, Schema

from access.alerts import Alert, Kind, alerts_of
from console.api.door import Administration, Administrator
from console.api.paging import Place
from console.api.shapes import NamedResource

router = Router(auth=Administrator())


class AlertTold(Schema):
    """what: a role or an entitlement. since: from when on it is so, if known. times: how often.

    grant: the emergency that nobody has reviewed. resources: for which alone the entitlement gives
    its roles, none for all that they reach.
    """

    kind: Kind
    user: UUID
    email: str
    what: str
    resources: list[NamedResource] | None
    since: datetime | None
    times: int
    grant: UUID | None


class Alerts(Schema):
    items: list[AlertTold]
    next: str | None


class OfKind(Place):
    kind: Kind | None = None


@router.get("", response=Alerts)
def list_alerts(request: Administration, narrowed: Query[OfKind]) -> dict[str, Any]:
    """Standing privilege, what is unused or too often begun, emergencies that nobody reviewed."""
    caller = request.auth
    found = alerts_of(organisation_id=caller.organisation.pk, now=caller.now)
    if narrowed.kind is not None:
        found = [alert for alert in found if alert.kind == narrowed.kind]
    listing = caller.listing("alerts", narrowed, kind=narrowed.kind)
    return listing.page_of_found(found, _show)


def _show(alert: Alert) -> dict[str, Any]:
    return {
        "kind": alert.kind,
        "user": alert.user.pk,
        "email": alert.user.email,
        "what": alert.what,
        "resources": list(alert.resources) or None,
        "since": alert.since,
        "times": alert.times,
        "grant": alert.grant_id,
    }
