"""A browser that was seen before is known, and no more."""

import pytest
from django.db import IntegrityError, transaction

from audit.events import Event
from audit.models import AuditEvent
from core import clock
from core.ids import digest
from devices.flows import describe, recognise
from devices.models import Browser
from tests.cast import FIREFOX
from tests.support.racing import race

pytestmark = pytest.mark.django_db

PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1"
)


def meet(who, cookie=None, *, user_agent=FIREFOX, address="203.0.113.7"):
    return recognise(
        user=who.user, cookie=cookie, user_agent=user_agent, address=address, now=clock.now()
    )


def test_a_new_browser_gets_a_secret_and_is_written_down(employee):
    met = meet(employee)

    assert met.is_new
    assert len(met.cookie) == 43
    assert bytes(met.browser.cookie_digest) == digest(met.cookie)
    assert met.browser.organisation_id == employee.user.organisation_id
    event = AuditEvent.objects.get(event=Event.BROWSER_SEEN_FIRST)
    assert (event.subject, event.address) == (f"devices.Browser:{met.browser.id}", "203.0.113.7")
    assert event.facts == {"name": "Firefox on Linux"}


def test_it_is_known_by_its_cookie_the_next_time(employee, later):
    first = meet(employee)
    at = later(days=3)

    again = meet(employee, first.cookie, user_agent=PHONE, address="198.51.100.4")

    assert (again.is_new, again.browser, again.cookie) == (False, first.browser, first.cookie)
    again.browser.refresh_from_db()
    assert again.browser.name == "Mobile Safari on iOS"
    assert again.browser.last_address == "198.51.100.4"
    assert (again.browser.last_seen_at - at).total_seconds() < 5
    assert again.browser.first_seen_at < at
    assert AuditEvent.objects.filter(event=Event.BROWSER_SEEN_FIRST).count() == 1


def test_a_browser_of_two_people_is_two_rows(employee, approver):
    mine = meet(employee)
    theirs = meet(approver, mine.cookie)

    assert theirs.is_new
    assert theirs.cookie == mine.cookie
    assert theirs.browser != mine.browser


@pytest.mark.parametrize("cookie", ["", None, "x" * 65, "x" * 100_000])
def test_what_cannot_be_our_cookie_is_replaced(employee, cookie):
    assert meet(employee, cookie).cookie != cookie


def test_a_made_up_cookie_finds_nobody_elses(employee, approver):
    meet(approver)

    assert meet(employee, "made-up").is_new


def test_the_database_keeps_one_row_for_each_person_and_cookie(employee):
    met = meet(employee)
    met.browser.pk = None

    with pytest.raises(IntegrityError), transaction.atomic():
        Browser.unscoped.bulk_create([met.browser])


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (FIREFOX, "Firefox on Linux"),
        (PHONE, "Mobile Safari on iOS"),
        ("", "Unknown browser on an unknown system"),
        ("curl/8.11.0", "curl on an unknown system"),
        ("<script>alert(1)</script>", "Unknown browser on an unknown system"),
        ("Mozilla/5.0 " + "(" * 100_000, "Unknown browser on an unknown system"),
    ],
)
def test_its_name_is_plain_words(user_agent, name):
    assert describe(user_agent) == name


@pytest.mark.django_db(transaction=True)
def test_two_sign_ins_at_once_with_one_cookie_are_one_row(employee):
    met = race(lambda _: meet(employee, "c" * 43), runners=4)

    assert len({one.browser.id for one in met}) == 1
    assert sum(one.is_new for one in met) == 1
