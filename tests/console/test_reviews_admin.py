"""Administrators say what is still needed, and are told what to look at."""

from datetime import timedelta

import pytest

from access import flows
from access.models import AccessReview, AccessReviewItem, Eligibility
from accounts import flows as accounts
from accounts.models import RoleAssignment
from core import clock
from tests import cast
from tests.support import access
from tests.support.rows import changed, snapshot

pytestmark = pytest.mark.django_db

LIST = "/admin/access/accessreview/"


@pytest.fixture
def administrator(client, approver):
    cast.sign_in(client, approver)
    return client


@pytest.fixture
def offered(acme, employee, newcomer):
    """alice may ask for db-admin; nina holds it for good, and the approver auditor."""
    return access.entitlement(acme, by=[newcomer], eligible=[employee])


@pytest.fixture
def review(acme, approver, newcomer, offered):
    now = clock.now()
    accounts.assign_role(user=newcomer.user, role=access.role(acme, "db-admin"), now=now)
    accounts.assign_role(user=approver.user, role=access.role(acme, "auditor"), now=now)
    return flows.open_review(organisation=acme, now=now)


def item(review, what):
    return AccessReviewItem.unscoped.get(review=review, what=what)


def decide(browser, one, decision, reason=""):
    form = {"decision": decision, "reason": reason}
    return browser.post(f"{LIST}items/{one.pk}/", form, follow=True)


def text(answer):
    return " ".join(answer.content.decode().split())


def test_a_review_is_begun_once(administrator, acme, offered):
    assert "The review is open" in text(administrator.post(f"{LIST}open/", follow=True))
    assert "A review is open already" in text(administrator.post(f"{LIST}open/", follow=True))
    assert AccessReview.objects.within(acme).count() == 1


def test_what_is_kept_stays_and_what_is_removed_ends(administrator, acme, newcomer, review):
    role, may_ask = item(review, "role db-admin"), item(review, "may ask for db-admin")
    assert "3 are left" in text(administrator.get(f"{LIST}{review.pk}/change/"))
    page = text(decide(administrator, role, "keep", "on call"))
    assert "Still needed, says" in page
    assert ": on call" in page
    assert "2 are left" in page
    decide(administrator, may_ask, "remove")

    held = RoleAssignment.unscoped.get(user=newcomer.user)
    assert held.ended_at is None
    assert Eligibility.unscoped.get(pk=may_ask.eligibility_id).ended_at is not None


def test_a_decision_stands(administrator, review):
    role = item(review, "role db-admin")
    decide(administrator, role, "keep")

    assert "decided otherwise" in text(decide(administrator, role, "remove"))


def test_nobody_decides_about_themselves(administrator, approver, review):
    own = item(review, "role auditor")
    page = text(administrator.get(f"{LIST}{review.pk}/change/"))
    assert "Somebody else decides about you." in page
    assert f"items/{own.pk}/" not in page

    assert "Nobody reviews access of their own." in text(decide(administrator, own, "keep"))
    assert item(review, "role auditor").decision == ""


def test_items_of_another_organisation_are_not_found(client, globex, review):
    cast.sign_in(client, cast.person("m@globex.example", globex, totp=True, is_staff=True))
    before = snapshot()

    assert decide(client, item(review, "role db-admin"), "remove").status_code == 404
    assert client.get(f"{LIST}{review.pk}/change/").status_code == 404
    assert changed(before) == []


@pytest.mark.parametrize("path", ["open/", "items/{}/"])
def test_a_link_decides_nothing(administrator, review, path):
    before = snapshot()
    where = path.format(item(review, "role db-admin").pk)

    assert administrator.get(LIST + where).status_code == 405
    assert changed(before) == []


@pytest.mark.parametrize(
    ("asked", "count"),
    [({}, 3), ({"show": "open"}, 2), ({"show": "keep"}, 1), ({"show": "remove"}, 0),
     ({"q": "ALICE"}, 1), ({"q": "db-admin"}, 2)],
    ids=["all", "open", "kept", "removed", "a person", "a thing"],
)  # fmt: skip
def test_items_are_found(administrator, review, asked, count):
    decide(administrator, item(review, "role db-admin"), "keep")
    page = administrator.get(f"{LIST}{review.pk}/change/", asked)

    assert len(page.context["items"]) == count


def test_a_closed_review_tells_what_was_left(administrator, review):
    administrator.post(LIST, {"action": "close", "_selected_action": [str(review.pk)]})
    page = text(administrator.get(f"{LIST}{review.pk}/change/"))

    assert "3 were not decided" in page
    assert 'name="decision"' not in page


def test_many_items_come_by_the_page_in_as_many_statements(
    administrator, acme, review, django_assert_max_num_queries
):
    where = f"{LIST}{review.pk}/change/"
    with django_assert_max_num_queries(20) as few:
        administrator.get(where)
    AccessReviewItem.unscoped.bulk_create(
        AccessReviewItem(
            organisation=acme, review=review, subject=f"p{number:03}@acme.example", what="role x",
            user=cast.person(f"p{number:03}@acme.example", acme).user,
        )
        for number in range(60)
    )  # fmt: skip
    with django_assert_max_num_queries(len(few)):
        page = text(administrator.get(where))

    assert "Page 1 of 2" in page


def test_alerts_tell_whom_to_look_at(administrator, newcomer, employee, acme, review, later):
    emergency = access.entitlement(
        acme, eligible=[employee], name="emergency", break_glass_duration=timedelta(minutes=5)
    )
    grant = flows.break_glass(
        entitlement=emergency, requester=employee.user,
        session_id=access.session_of(employee).pk, reason="it burns",
        duration=timedelta(minutes=5), now=clock.now(),
    )  # fmt: skip
    page = text(administrator.get(f"{LIST}alerts/"))

    assert "Held for good: 1" in page
    assert newcomer.email in page
    assert "Emergency not reviewed: 1" in page
    assert f"/admin/access/grant/{grant.pk}/change/" in page


def test_whoever_administers_all_looks_after_another_organisation(
    client, globex, acme, offered, review, newcomer
):
    ruth = cast.person("r@globex.example", globex, totp=True, is_staff=True, is_superuser=True)
    cast.sign_in(client, ruth)

    assert f'href="?organisation={acme.slug}"' in text(client.get(f"{LIST}alerts/"))
    seen = text(client.get(f"{LIST}alerts/", {"organisation": acme.slug}))
    assert f"Of {acme.name}." in seen
    assert newcomer.email in seen
    assert client.get(f"{LIST}alerts/", {"organisation": "nowhere"}).status_code == 404
    assert f'<option value="{acme.slug}">' in text(client.get(LIST))
    assert client.post(f"{LIST}open/", {"organisation": "nowhere"}).status_code == 404
    flows.close_review(review=review, now=clock.now())
    client.post(f"{LIST}open/", {"organisation": acme.slug})
    opened = AccessReview.objects.within(acme).get(closed_at=None)
    page = text(decide(client, item(opened, "role db-admin"), "remove", "left"))
    assert f"Not needed, says {ruth.email}" in page
    assert RoleAssignment.unscoped.get(user=newcomer.user).ended_at is not None


def test_others_look_after_their_own_whatever_they_name(client, globex, acme, review, newcomer):
    cast.sign_in(client, cast.person("m@globex.example", globex, totp=True, is_staff=True))

    seen = text(client.get(f"{LIST}alerts/", {"organisation": acme.slug}))

    assert newcomer.email not in seen
    assert acme.name not in seen
    assert (
        "<select"
        not in text(client.get(LIST)).partition('id="open-review"')[2].partition("</form>")[0]
    )
    client.post(f"{LIST}open/", {"organisation": acme.slug})
    assert AccessReview.objects.within(acme).get() == review
