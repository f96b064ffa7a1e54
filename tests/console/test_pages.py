"""Home, the security home, activity and connected applications."""

import pytest
from django.test import Client as Browser
from django.urls import reverse

from accounts import flows
from audit.events import Event
from audit.recorder import record
from console.strength import Protection, judge
from core import clock
from tests import cast
from tests.cast import Person

PAGES = ["console:home", "console:security", "console:activity", "console:applications"]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_for_who_is_signed_in(client: Browser, newcomer: Person, name: str) -> None:
    assert client.get(reverse(name))["Location"].startswith(reverse("account_login"))
    cast.sign_in(client, newcomer, acr="aal1")
    response = client.get(reverse(name))
    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_takes_no_post(client: Browser, newcomer: Person, name: str) -> None:
    cast.sign_in(client, newcomer, acr="aal1")
    assert client.post(reverse(name)).status_code == 405


@pytest.mark.parametrize(
    ("known", "strength", "next_step"),
    [
        (Protection(0, False, None, True), "weak", "add_second_factor"),
        (Protection(0, False, None, False), "weak", "confirm_email"),
        (Protection(0, True, None, True), "fair", "make_recovery_codes"),
        (Protection(0, True, 0, True), "fair", "make_recovery_codes"),
        (Protection(0, True, 8, True), "fair", "add_passkey"),
        (Protection(1, False, 8, True), "strong", "add_spare_passkey"),
        (Protection(1, True, 8, True), "strong", ""),
        (Protection(2, False, 8, True), "strong", ""),
        (Protection(2, False, None, True), "strong", "make_recovery_codes"),
    ],
)
def test_each_account_is_told_one_next_step(
    known: Protection, strength: str, next_step: str
) -> None:
    assert (judge(known).strength, judge(known).next_step) == (strength, next_step)


def test_the_security_home_tells_what_protects_the_account(
    client: Browser, employee: Person
) -> None:
    cast.sign_in(client, employee)
    response = client.get(reverse("console:security"))
    told = response.context
    assert (told["strength"], told["has_totp"], told["has_password"]) == ("fair", True, True)
    assert told["recovery_codes_left"] is None
    assert [session.browser.name for session in told["sessions"]] == ["Firefox on Linux"]
    assert "Signed in" in response.content.decode()


def test_home_lists_roles_of_mine_and_of_my_groups(client: Browser, newcomer: Person) -> None:
    now, acme = clock.now(), newcomer.user.organisation
    own = flows.create_role(organisation=acme, name="employee", now=now)
    shared = flows.create_role(organisation=acme, name="auditor", now=now)
    group = flows.create_group(organisation=acme, name="finance", now=now)
    flows.assign_role(user=newcomer.user, role=own, now=now)
    flows.give_group_role(group=group, role=shared, now=now)
    flows.add_group_member(group=group, user=newcomer.user, now=now)
    cast.sign_in(client, newcomer, acr="aal1")
    response = client.get(reverse("console:home"))
    assert [held.role.name for held in response.context["roles"]] == ["auditor", "employee"]


def test_activity_shows_mine_in_plain_words_and_nobody_elses(
    client: Browser, newcomer: Person, employee: Person, outsider: Person
) -> None:
    for who in (newcomer, employee, outsider):
        record(
            Event.PASSWORD_CHANGED,
            organisation_id=who.user.organisation_id,
            actor=who.user,
            subject=who.user,
            now=clock.now(),
            whose=who.email,
        )
    cast.sign_in(client, newcomer, acr="aal1")
    page = client.get(reverse("console:activity"))
    entries = list(page.context["page"].object_list)
    assert {entry.facts.get("whose") for entry in entries} <= {newcomer.email, None}
    assert entries == sorted(entries, key=lambda entry: entry.at, reverse=True)
    text = page.content.decode()
    assert "Password changed" in text
    assert "accounts.password" not in text


def test_what_others_did_to_me_is_my_activity_too(
    client: Browser, newcomer: Person, approver: Person
) -> None:
    now = clock.now()
    role = flows.create_role(organisation=newcomer.user.organisation, name="auditor", now=now)
    flows.assign_role(user=newcomer.user, role=role, now=now, actor=approver.user)
    cast.sign_in(client, newcomer, acr="aal1")
    assert "Role given: auditor" in client.get(reverse("console:activity")).content.decode()


@pytest.mark.parametrize("page", ["0", "-1", "x", "999999", "\x00", "\uff11"])
def test_any_page_number_is_answered(client: Browser, newcomer: Person, page: str) -> None:
    cast.sign_in(client, newcomer, acr="aal1")
    assert client.get(reverse("console:activity"), {"page": page}).status_code == 200


def test_pages_of_activity_are_short(client: Browser, newcomer: Person) -> None:
    for _ in range(30):
        record(
            Event.LOGIN_FAILED,
            organisation_id=newcomer.user.organisation_id,
            subject=newcomer.user,
            now=clock.now(),
        )
    cast.sign_in(client, newcomer, acr="aal1")
    first = client.get(reverse("console:activity")).context["page"]
    assert len(first.object_list) == 25
    assert first.has_next()


def test_a_new_device_is_told_by_mail_but_not_the_first(
    client: Browser, newcomer: Person, mailoutbox
) -> None:
    cast.sign_in(client, newcomer, acr="aal1")
    assert mailoutbox == []
    cast.sign_in(Browser(), newcomer, acr="aal1")
    (notice,) = mailoutbox
    assert notice.subject == "Was this you? An unusual sign-in"
    assert "Firefox on Linux" in notice.body
    assert "127.0.0.1" in notice.body
