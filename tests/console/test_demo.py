"""load_demo: something to try the product with, its secrets in one file."""

import json
import stat

import pytest
from django.core.management import CommandError, call_command
from django.test import Client as Browser
from django.urls import reverse

from accounts.models import Organisation, User
from idp.models import Client
from mfa.models import TotpFactor


@pytest.fixture
def var(settings, tmp_path, db: None):
    settings.VAR_DIR = tmp_path
    return tmp_path


def load(var) -> dict:
    call_command("load_demo")
    return json.loads((var / "demo.json").read_text())


def test_the_demo_is_two_organisations_that_can_be_signed_in_to(var, capsys) -> None:
    demo = load(var)
    assert {organisation.slug for organisation in Organisation.objects.all()} == {"acme", "globex"}
    assert [user["email"] for user in demo["users"]] == [
        "alice@acme.example", "bob@acme.example", "carol@globex.example", "dora@acme.example",
        "emil@acme.example",
    ]  # fmt: skip
    assert {client["name"] for client in demo["clients"]} == {"demo", "demo-machine", "globex-app"}
    for told in demo["users"]:
        assert User.unscoped.get(email=told["email"]).check_password(told["password"])
        assert told["password"] not in capsys.readouterr().out
    for told in demo["clients"]:
        assert Client.unscoped.get(client_id=told["client_id"]).has_secret(told["client_secret"])
    carol = demo["users"][2]
    browser = Browser()
    response = browser.post(
        reverse("account_login"), {"login": carol["email"], "password": carol["password"]}
    )
    assert response["Location"] == reverse("console:security")


def test_two_people_publish_policy_and_no_other_administers_every_organisation(var) -> None:
    load(var)
    everywhere = User.unscoped.filter(is_staff=True, is_superuser=True).order_by("email")
    assert [user.email for user in everywhere] == ["dora@acme.example", "emil@acme.example"]


def test_only_its_owner_may_read_the_file(var) -> None:
    load(var)
    assert stat.S_IMODE((var / "demo.json").stat().st_mode) == 0o600
    assert [path.name for path in var.iterdir()] == ["demo.json"]


def test_loading_it_again_changes_nothing(var) -> None:
    first = load(var)
    written_at = (var / "demo.json").stat().st_mtime_ns
    assert load(var) == first
    assert (var / "demo.json").stat().st_mtime_ns == written_at
    assert (User.unscoped.count(), Client.unscoped.count()) == (5, 4)


def test_another_port_moves_the_demo_application_and_keeps_the_secrets(var, settings) -> None:
    first = load(var)
    settings.ENV = settings.ENV.model_copy(update={"port": 8123})
    settings.ISSUER = "http://localhost:8123"
    second = load(var)
    assert second["base_url"] == "http://localhost:8123"
    assert second["clients"][0]["redirect_uris"] == ["http://localhost:8133/callback"]
    assert second["users"] == first["users"]
    line = Client.unscoped.get(client_id=second["command_line"]["client_id"])
    assert line.audience == "http://localhost:8123/api/v1"
    client = Client.unscoped.get(client_id=second["clients"][0]["client_id"])
    assert client.redirect_uris == ["http://localhost:8133/callback"]
    assert client.has_secret(first["clients"][0]["client_secret"])


def test_a_lost_file_gets_new_secrets_for_the_same_people(var) -> None:
    first = load(var)
    (var / "demo.json").unlink()
    second = load(var)
    assert second["users"][0]["password"] != first["users"][0]["password"]
    user = User.unscoped.get(email="alice@acme.example")
    assert user.check_password(second["users"][0]["password"])
    assert TotpFactor.objects.filter(user=user).count() == 1


def test_the_administrator_role_demands_two_factors(var) -> None:
    load(var)
    bob = User.unscoped.get(email="bob@acme.example")
    assert bob.is_staff
    assert not bob.is_superuser
    levels = [held.role.required_acr for held in bob.role_assignments.select_related("role")]
    assert "aal2" in levels


def test_it_refuses_in_production(var, settings) -> None:
    settings.IS_PRODUCTION = True
    with pytest.raises(CommandError):
        call_command("load_demo")
    assert not User.unscoped.exists()
    assert not (var / "demo.json").exists()
