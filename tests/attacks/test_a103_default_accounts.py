"""A103: default accounts, or a set-up page that stays open."""

import pytest
from django.test import Client as Browser
from django.urls import reverse

from accounts.models import User


def test_a_fresh_installation_has_no_account(db: None) -> None:
    assert not User.unscoped.exists()


@pytest.mark.parametrize("login", ["admin", "admin@localhost", "root@localhost"])
@pytest.mark.parametrize("password", ["admin", "password", "sallyport"])
def test_usual_guesses_open_nothing(client: Browser, db: None, login: str, password: str) -> None:
    client.post(reverse("account_login"), {"login": login, "password": password})
    assert "_auth_user_id" not in client.session


@pytest.mark.parametrize("path", ["/setup/", "/install/", "/setup", "/admin/setup/", "/wizard/"])
def test_there_is_no_set_up_page(client: Browser, db: None, path: str) -> None:
    assert client.get(path).status_code in {302, 404}
    assert not User.unscoped.exists()
