"""Administrators see the devices of their organisation by tier, and say what becomes of them."""

from datetime import timedelta

import pytest

from audit.events import Event
from audit.models import AuditEvent
from core import clock
from devices import flows
from devices.models import Device, TierCount
from tests import cast
from tests.support.machine import Machine

pytestmark = pytest.mark.django_db

LIST = "/admin/devices/device/"


@pytest.fixture
def devices(client, employee, outsider):
    """One in tier 2, one that has said nothing, one lost, and one of another organisation."""
    browser = type(client)()
    rows = {"good": Machine(name="good-laptop").trusted_by(employee.user, browser)}
    for name in ("silent", "lost"):
        rows[name] = Machine(name=f"{name}-laptop").enrolled_by(employee.user)
    flows.report_lost(device=rows["lost"], actor=employee.user, now=clock.now())
    rows["theirs"] = Machine(name="their-laptop").enrolled_by(outsider.user)
    return rows


@pytest.fixture
def administrator(client, approver):
    cast.sign_in(client, approver)
    return client


def act(browser, action, *devices, reason="it was sold"):
    chosen = [str(device.pk) for device in devices]
    form = {"action": action, "_selected_action": chosen, "reason": reason}
    return browser.post(LIST, form, follow=True)


def test_the_list_holds_ones_own_organisation(administrator, devices):
    page = administrator.get(LIST).content.decode()

    assert "good-laptop" in page
    assert "silent-laptop" in page
    assert "their-laptop" not in page
    assert "alice@acme.example" in page


@pytest.mark.parametrize(
    ("tier", "names"),
    [("0", {"silent"}), ("1", set()), ("2", {"good"}), ("3", set()), ("4", set()), ("9", None)],
)
def test_it_is_filtered_by_the_tier_of_now(administrator, devices, tier, names):
    page = administrator.get(LIST, {"tier": tier}, follow=True).content.decode()

    expected = {"good", "silent", "lost"} if names is None else names
    assert {name for name in ("good", "silent", "lost") if f"{name}-laptop" in page} == expected


def test_what_has_faded_is_found_in_its_lower_tier(administrator, devices, approver, later):
    later(hours=25)
    cast.sign_in(administrator, approver)

    assert "good-laptop" in administrator.get(LIST, {"tier": "1"}).content.decode()
    assert "good-laptop" not in administrator.get(LIST, {"tier": "2"}).content.decode()


def test_the_picture_shows_the_days_that_were_counted(administrator, devices, acme):
    yesterday = clock.now().date() - timedelta(days=1)
    TierCount.objects.create(organisation=acme, day=yesterday, counts=[4, 0, 0, 0, 0])

    page = administrator.get(LIST).content.decode()

    assert "Today T0 1, T1 0, T2 1, T3 0, T4 0; the tallest day has 4." in page
    assert page.count('class="tier-0"') == 3, "two days and the legend"
    assert "style=" not in page[page.index("inventory__plot") : page.index("inventory__legend")]


def test_another_organisations_counts_are_not_in_it(administrator, devices, globex):
    TierCount.objects.create(organisation=globex, day=clock.now().date(), counts=[9, 9, 9, 9, 9])

    assert "the tallest day has 2" in administrator.get(LIST).content.decode()


def test_one_device_is_shown_with_its_checks(administrator, devices):
    page = administrator.get(f"{LIST}{devices['good'].pk}/change/").content.decode()

    assert "Disk encrypted" in page
    assert "12 of 15" in page
    assert f"/devices/{devices['good'].pk}/score/?explain=1" in page


@pytest.mark.parametrize(
    ("action", "who", "state", "event"),
    [
        ("suspend", "good", "suspended", Event.DEVICE_SUSPENDED),
        ("revoke", "good", "revoked", Event.DEVICE_REVOKED),
        ("revoke", "lost", "revoked", Event.DEVICE_REVOKED),
        ("retire", "silent", "retired", Event.DEVICE_RETIRED),
    ],
)
def test_actions_go_through_the_flows(administrator, approver, devices, action, who, state, event):
    act(administrator, action, devices[who])

    assert Device.unscoped.get(pk=devices[who].pk).state == state
    written = AuditEvent.objects.get(event=event, subject=f"devices.Device:{devices[who].pk}")
    assert written.actor == f"accounts.User:{approver.user.pk}"


def test_nothing_is_revoked_without_a_reason(administrator, devices):
    page = act(administrator, "revoke", devices["good"], reason=" ").content.decode()

    assert "Say why" in page
    assert Device.unscoped.get(pk=devices["good"].pk).state == "enrolled"
    assert not AuditEvent.objects.filter(event=Event.DEVICE_REVOKED).exists()


@pytest.mark.parametrize("reason", ["x" * 201, "a\u202eb"], ids=["long", "turned"])
def test_a_reason_is_one_plain_line(administrator, devices, reason):
    page = act(administrator, "suspend", devices["good"], reason=reason).content.decode()

    assert "A reason has up to 200 printable characters" in page
    assert Device.unscoped.get(pk=devices["good"].pk).state == "enrolled"


def test_the_reason_stands_in_audit_on_the_history_and_on_its_owners_page(
    client, administrator, employee, devices
):
    act(administrator, "suspend", devices["good"], reason="  it acts  up ")

    written = AuditEvent.objects.get(event=Event.DEVICE_SUSPENDED)
    assert written.facts["reason"] == "it acts up"
    history = administrator.get(f"{LIST}{devices['good'].pk}/history/").content.decode()
    assert "it acts up" in history
    assert "enrolled → suspended" in history
    assert "bob@acme.example" in history
    owner = type(client)()
    cast.sign_in(owner, employee)
    assert "it acts up" in owner.get(f"/devices/{devices['good'].pk}/").content.decode()


def test_the_history_of_another_organisations_device_is_out_of_reach(administrator, devices):
    answer = administrator.get(f"{LIST}{devices['theirs'].pk}/history/")

    assert answer.status_code == 404


def test_a_suspended_device_is_resumed(administrator, devices):
    act(administrator, "suspend", devices["good"])
    act(administrator, "resume", devices["good"])

    assert Device.unscoped.get(pk=devices["good"].pk).state == "enrolled"


def test_one_that_waits_is_let_in(administrator, employee, settings):
    settings.DEVICES_ADMINISTRATOR_APPROVES = True
    waiting = Machine().enrolled_by(employee.user)

    act(administrator, "let_in", waiting)

    waiting.refresh_from_db()
    assert waiting.state == "enrolled"
    assert waiting.enrolled_at is not None


def test_what_cannot_be_is_told(administrator, devices):
    page = act(administrator, "suspend", devices["lost"]).content.decode()

    assert "This device is reported lost by now" in page


def test_another_organisations_device_is_out_of_reach(administrator, devices):
    act(administrator, "revoke", devices["theirs"])

    assert Device.unscoped.get(pk=devices["theirs"].pk).state == "enrolled"
    assert administrator.get(f"{LIST}{devices['theirs'].pk}/change/").status_code in {302, 404}


@pytest.mark.parametrize("path", ["add/", "{}/delete/"])
def test_nothing_is_added_or_deleted_by_hand(administrator, devices, path):
    assert administrator.get(LIST + path.format(devices["good"].pk)).status_code == 403


def test_reports_are_read_as_they_came(administrator, devices):
    reports = "/admin/devices/posturereport/"
    page = administrator.get(reports).content.decode()
    report = devices["good"].reports.first()

    assert "agent" in page
    assert report.raw[:40] in administrator.get(f"{reports}{report.pk}/change/").content.decode()


def test_people_who_administer_nothing_see_nothing(client, employee, devices):
    cast.sign_in(client, employee)

    assert client.get(LIST, follow=True).status_code == 404
