"""What happened, in words and as facts. Plain text: whoever shapes it makes it harmless.

What people have typed stands in values alone, never in the title.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from access.alerts import Kind
from access.chat.models import TEST, ChatDelivery, Happening
from access.limited import limits_of
from access.models import EventKind, Grant
from access.notices import link_to
from accounts import mail
from accounts.limited import few_named
from accounts.models import User

TITLES: Mapping[str, str] = {
    EventKind.REQUESTED: "Access is asked for",
    EventKind.APPROVED: "Access is approved",
    EventKind.DENIED: "Access is denied",
    EventKind.ACTIVATED: "Access has begun",
    EventKind.SUSPENDED: "Access is suspended",
    EventKind.REVOKED: "Access is revoked",
}
# Where it is asked to publish a policy.
OF_POLICY: Mapping[str, str] = {
    EventKind.REQUESTED: "Publishing a policy is asked for",
    EventKind.APPROVED: "Publishing a policy is approved",
    EventKind.DENIED: "Publishing a policy is denied",
    EventKind.PUBLISHED: "A policy is published",
    EventKind.REVOKED: "An approval to publish a policy is revoked",
}
EMERGENCY = "EMERGENCY: access was taken without approval"
OF_ALERTS: Mapping[str, str] = {
    Kind.STANDING: "held for good",
    Kind.STALE: "held by somebody who is away",
    Kind.UNUSED: "never used",
    Kind.OFTEN: "begun very often",
    Kind.UNREVIEWED: "an emergency that nobody has reviewed",
}


@dataclass(frozen=True, slots=True)
class Message:
    """type: as machines know it. title: words of ours. facts: a label of ours, and a value.

    link: the page that shows it. data: the same for machines, without the link.
    """

    type: str
    title: str
    at: datetime
    link: str
    link_text: str = "See it in Sallyport"
    facts: tuple[tuple[str, str], ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)


def message_of(row: ChatDelivery) -> Message:
    """The message of a delivery; what it names is looked up in its organisation."""
    if row.grant is not None:
        return _of_grant(row, row.grant)
    if row.review is not None:
        due = row.review.due_at
        return Message(
            type="access.review.due",
            title="An access review is open",
            at=row.created_at,
            link=mail.here("admin:access_accessreview_change", str(row.review.pk)),
            facts=(("To be decided by", _instant(due)),),
            data={"review": str(row.review.pk), "due_at": due.isoformat()},
        )
    if row.happening == Happening.ALERT:
        return _of_alerts(row)
    return Message(
        type=TEST,
        title="A test message: this room is told of access",
        at=row.created_at,
        link=mail.here("access:mine"),
    )


def _of_grant(row: ChatDelivery, grant: Grant) -> Message:
    about, terms = row.about, grant.terms
    is_emergency = row.happening == Happening.BREAK_GLASS
    kind = "break_glass" if is_emergency else about["kind"]
    actor = _person(row, about.get("actor", ""))
    by = "" if actor is None or actor.pk == grant.requester_id else _named(actor)
    why = about.get("reason") or about.get("cause") or ""
    until = datetime.fromisoformat(about["ends_at"]) if "ends_at" in about else None
    requester = terms["requester"]
    policy = terms.get("publication")
    titles = TITLES if policy is None else OF_POLICY
    resources = limits_of([grant]).get(grant.pk)
    length = _length(timedelta(seconds=terms["duration"])) if policy is None else ""
    facts = [
        ("Access", terms["entitlement"]["name"]),
        ("Roles", ", ".join(grant.role_names)),
        ("Only for", few_named(resources)),
        ("Policy", f"{policy['revision']}: {policy['note']}" if policy else ""),
        ("For", grant.workload_name or f"{requester['name']} ({requester['email']})"),
        ("Answers for it", (terms.get("workload") or {}).get("responsible", "")),
        ("How long", length),
        ("Until", _instant(until) if until else ""),
        ("Reason", grant.reason),
        ("Ticket", grant.ticket),
        ("By", by),
        ("Because", why if about["kind"] in {EventKind.SUSPENDED, EventKind.REVOKED} else ""),
    ]
    return Message(
        type=f"access.grant.{kind}",
        title=EMERGENCY if is_emergency else titles[about["kind"]],
        at=row.created_at,
        link=link_to(grant),
        facts=tuple((label, value) for label, value in facts if value),
        data={
            "grant": str(grant.pk),
            "entitlement": terms["entitlement"]["name"],
            "roles": grant.role_names,
            "resources": resources,
            "requester": {
                "id": str(grant.requester_id),
                "name": requester["name"],
                "email": requester["email"],
            },
            "workload": grant.workload_name or None,
            "duration": terms["duration"],
            "policy_revision": policy["revision"] if policy else "",
            "reason": grant.reason,
            "ticket": grant.ticket,
            "by": None if actor is None else {"id": str(actor.pk), "email": actor.email},
            "because": why,
            "ends_at": until and until.isoformat(),
        },
    )


def _of_alerts(row: ChatDelivery) -> Message:
    told, count = row.about["alerts"], row.about["count"]
    people = User.objects.within_id(row.organisation_id).in_bulk(
        [UUID(each["user"]) for each in told]
    )
    lines = [
        (OF_ALERTS[each["kind"]].capitalize(), f"{_what(each)}: {_named(people[whose])}")
        for each in told
        if (whose := UUID(each["user"])) in people
    ]
    if count > len(told):
        lines = [*lines[:-1], ("And", f"{count - len(told) + 1} more")]
    return Message(
        type="access.alert",
        title="A new alert about access" if count == 1 else f"{count} new alerts about access",
        at=row.created_at,
        link=mail.here("admin:access_alerts"),
        facts=tuple(lines),
        data={"count": count, "alerts": told},
    )


def _what(alert: Mapping[str, Any]) -> str:
    """A role or an entitlement, with what that is limited to."""
    limit = few_named(alert.get("resources"))
    return f"{alert['what']} (only for {limit})" if limit else str(alert["what"])


def _person(row: ChatDelivery, reference: str) -> User | None:
    label, _, key = reference.partition(":")
    if label != "accounts.User":
        return None
    return User.objects.within_id(row.organisation_id).filter(pk=key).first()


def _named(user: User) -> str:
    return f"{user.name} ({user.email})" if user.name else user.email


def _instant(when: datetime) -> str:
    return f"{when.astimezone(UTC):%-d %B %Y, %H:%M} UTC"


def _length(length: timedelta) -> str:
    minutes = int(length.total_seconds()) // 60
    days, minutes = divmod(minutes, 24 * 60)
    hours, minutes = divmod(minutes, 60)
    parts = [
        f"{number} {name}{'s' if number != 1 else ''}"
        for number, name in ((days, "day"), (hours, "hour"), (minutes, "minute"))
        if number
    ]
    return " ".join(parts) or f"{int(length.total_seconds())} seconds"
