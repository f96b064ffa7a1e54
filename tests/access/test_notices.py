"""Mail of access: it can be read, it leads to pages of ours, and nobody else's words are in it."""

from datetime import timedelta
from pathlib import Path

import pytest

from access import flows
from access.notices import TEMPLATES, link_to, tell_requester
from access.offers import StageLine
from accounts.mail import unpack
from accounts.models import OutgoingMail
from core import clock
from tests.support import access

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parent.parent.parent / "templates" / TEMPLATES
OF_GRANTS = sorted(
    path.name.removesuffix("_subject.txt")
    for path in ROOT.glob("*_subject.txt")
    if not path.name.startswith("review")
)
EVIL = "click https://evil.example/ now"


@pytest.fixture(autouse=True)
def _outbox(settings):
    settings.EMAIL_BACKEND = "accounts.mail.OutboxBackend"


def mails() -> list:
    return [unpack(each.message) for each in OutgoingMail.objects.order_by("id")]


@pytest.mark.parametrize("what", OF_GRANTS)
def test_each_can_be_read(entitlement, employee, session, what):
    employee.user.name = EVIL
    employee.user.save()
    grant = access.ask(entitlement, employee, session, reason=EVIL)
    OutgoingMail.objects.all().delete()

    tell_requester(grant, what, now=clock.now())

    (mail,) = mails()
    assert "db-admin" in mail.subject
    assert link_to(grant) in mail.body
    assert "evil" not in mail.subject + mail.body
    assert "{" not in mail.subject + mail.body


def test_there_is_one_for_each_occasion():
    used = {
        "requested", "escalated", "approved", "denied", "activation_failed", "ready", "ending",
        "suspended", "revoked", "break_glass",
    }  # fmt: skip

    assert set(OF_GRANTS) == used


def test_links_are_of_this_installation_whatever_was_asked_by(request_, settings):
    assert link_to(request_) == f"{settings.ISSUER}/access/grants/{request_.pk}/"


def test_approvers_of_the_stage_are_asked_and_nobody_else(acme, employee, approver, lead, session):
    offered = access.entitlement(
        acme, eligible=[employee],
        stages=[StageLine(access.named(approver)), StageLine(access.named(lead))],
    )  # fmt: skip
    access.ask(offered, employee, session)

    assert [mail.to for mail in mails()] == [[approver.email]]


def test_its_owner_hears_of_the_answer(request_, approver, employee):
    OutgoingMail.objects.all().delete()
    access.approve(request_, approver)

    (mail,) = mails()
    assert mail.to == [employee.email]
    assert "may begin" in mail.subject


def test_its_owner_is_reminded_once_before_it_ends(active, later):
    OutgoingMail.objects.all().delete()
    later(minutes=49)
    assert flows.remind_due(now=clock.now()) == 0
    later(minutes=1)
    assert flows.remind_due(now=clock.now()) == 1
    assert flows.remind_due(now=clock.now()) == 0
    assert "ends soon" in mails()[0].subject


def test_not_of_what_is_short_anyway(acme, employee, session, later):
    short = access.entitlement(acme, eligible=[employee], max_duration=timedelta(minutes=20))
    access.activate(access.ask(short, employee, session), employee, session)
    later(minutes=15)

    assert flows.remind_due(now=clock.now()) == 0


def test_others_hear_of_each_change_on_commit(
    acme, employee, session, django_capture_on_commit_callbacks
):
    from access.signals import grant_changed

    heard = []

    def hear(sender, grant, kind, **_):
        heard.append(kind)

    grant_changed.connect(hear)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            free = access.entitlement(acme, eligible=[employee])
            access.activate(access.ask(free, employee, session), employee, session)
    finally:
        grant_changed.disconnect(hear)

    assert heard == ["requested", "approved", "activated"]
