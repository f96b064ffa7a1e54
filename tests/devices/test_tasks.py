"""What beat does for devices: it announces and tidies. Nothing is trusted longer without it."""

import pytest

from config.celery import app
from core import clock
from devices import tasks
from devices.models import Device, Nonce, PostureReport, TierCount
from tests.support.machine import Machine

pytestmark = pytest.mark.django_db


@pytest.fixture
def device(client, employee):
    return Machine().trusted_by(employee.user, client)


def test_each_is_scheduled():
    scheduled = {entry["task"] for entry in app.conf.beat_schedule.values()}

    assert {f"devices.tasks.{name}" for name in ("note_faded", "count_tiers", "purge")} <= scheduled


def test_they_do_their_work(device, later):
    tasks.count_tiers()
    assert TierCount.unscoped.get().counts == [0, 0, 1, 0, 0]

    later(hours=25)
    assert tasks.note_faded() == 1
    later(days=91)
    assert tasks.purge() > 0
    assert not PostureReport.unscoped.exists()
    assert not Nonce.unscoped.exists()


def test_without_them_trust_fades_all_the_same(device, later):
    ends_at = device.tier_ends_at

    later(seconds=(ends_at[0] - clock.now()).total_seconds() + 1)

    untouched = Device.unscoped.get(pk=device.pk)
    assert untouched.known_tier == 2
    assert untouched.tier_at(clock.now()) == 0
