"""Mail about requests and grants. A link leads to a page of ours that asks again; none acts."""

from collections.abc import Iterable
from datetime import datetime
from urllib.parse import urljoin

from django.conf import settings
from django.urls import reverse

from access.approvers import approvers_in
from access.limited import limits_of
from access.models import AccessReview, Grant, Stage
from accounts import mail
from accounts.limited import named
from accounts.models import User

TEMPLATES = "access/email/"


def ask_approvers(grant: Grant, stage: Stage, *, is_escalated: bool, now: datetime) -> None:
    """Tell everybody who may answer now."""
    people = approvers_in(
        stage, requester=grant.requester, workload=grant.workload, author=grant.author,
        is_escalated=is_escalated, now=now,
    )  # fmt: skip
    tell_people(people, grant, "escalated" if is_escalated else "requested", now=now)


def tell_requester(grant: Grant, what: str, *, now: datetime) -> None:
    """And who is responsible for the workload, where it is one's."""
    people = {grant.requester_id: grant.requester}
    if grant.workload is not None:
        people[grant.workload.responsible_id] = grant.workload.responsible
    tell_people(people.values(), grant, what, now=now)


def tell_people(people: Iterable[User], grant: Grant, what: str, *, now: datetime) -> None:
    """what: the name of a template."""
    limit = named(limits_of([grant]).get(grant.pk))
    for person in people:
        mail.notify(
            person,
            f"{TEMPLATES}{what}",
            now=now,
            grant=grant,
            terms=grant.terms,
            limit=limit,
            link=link_to(grant),
        )


def tell_administrators(review: AccessReview, *, now: datetime) -> None:
    """Ask for decisions of an access review."""
    staff = User.objects.within_id(review.organisation_id).filter(is_staff=True, is_active=True)
    for person in staff.order_by("email"):
        mail.notify(
            person,
            f"{TEMPLATES}review",
            now=now,
            review=review,
            link=urljoin(
                settings.ISSUER, reverse("admin:access_accessreview_change", args=[review.pk])
            ),
        )


def link_to(grant: Grant) -> str:
    """The page of a grant, built from the address of this installation alone."""
    return mail.here("access:grant", str(grant.pk))
