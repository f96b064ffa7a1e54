"""Geographic data that is missing, damaged or cannot be prepared keeps nobody from signing in."""

import pytest
from django.test import Client as Browser
from django.urls import reverse

from risk import bundled, geo
from risk.levels import RiskLevel
from risk.models import SignIn
from tests.cast import Person


@pytest.fixture(autouse=True)
def _forgotten():
    geo.forget()
    yield
    geo.forget()


def sign_in(who: Person) -> SignIn:
    answer = Browser().post(
        reverse("account_login"),
        {"login": who.email, "password": who.password},
        REMOTE_ADDR="8.8.8.8",
    )
    assert answer.status_code == 302
    return SignIn.unscoped.latest("at")


@pytest.mark.parametrize("fault", ["missing", "damaged", "folder without any"])
def test_a_database_that_cannot_be_read_is_left_out(newcomer, settings, tmp_path, fault):
    settings.GEO_DATABASE = tmp_path / "city.mmdb"
    settings.GEO_DIR = tmp_path / "not a folder"
    settings.GEO_DIR.write_text("")
    if fault == "damaged":
        settings.GEO_DATABASE.write_bytes(b"no database at all" * 1000)
    elif fault == "folder without any":
        settings.GEO_DATABASE.mkdir()

    judged = sign_in(newcomer)

    assert (judged.place, judged.network, judged.level) == ("", "", RiskLevel.LOW)
    assert "engine_fault" not in [code for code, _ in judged.reasons]


def test_nor_does_a_package_that_is_not_there(newcomer, settings, tmp_path, monkeypatch):
    settings.GEO_DATABASE, settings.GEO_DIR = None, tmp_path
    monkeypatch.setattr(bundled, "PACKAGE", "a-package-that-nobody-has")

    assert sign_in(newcomer).level == RiskLevel.LOW


def test_nor_one_whose_preparation_dies(newcomer, settings, tmp_path, monkeypatch):
    settings.GEO_DATABASE, settings.GEO_DIR = None, tmp_path
    monkeypatch.setattr(bundled.sys, "executable", "/bin/false")

    assert sign_in(newcomer).level == RiskLevel.LOW
    assert not list(tmp_path.glob("*.bin"))
