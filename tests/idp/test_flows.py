"""Registering and changing clients."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client as Browser
from joserfc.jwk import ECKey

from accounts.models import Organisation
from audit.models import AuditEvent
from core import clock
from core.errors import Refusal
from core.ids import digest
from idp.flows import (
    RegisteredClient,
    deactivate_client,
    register_client,
    rotate_client_secret,
    update_client,
)
from idp.models import Client, RefreshFamily
from tests import cast
from tests.cast import Person
from tests.support.oauth import basic, issue_code, redeem, refresh, send

URI = "https://app.acme.example/cb"


def register(organisation: Organisation, **changes: Any) -> RegisteredClient:
    values = {"name": "Wiki", "kind": "confidential", "redirect_uris": [URI]} | changes
    return register_client(organisation=organisation, now=clock.now(), **values)


class TestRegisterClient:
    def test_a_confidential_client_gets_a_secret_kept_as_its_digest(
        self, acme: Organisation
    ) -> None:
        registered = register(acme)

        assert registered.secret is not None
        assert len(registered.secret) == 43
        client = Client.unscoped.get()
        assert bytes(client.secret_digest or b"") == digest(registered.secret)
        assert client.has_secret(registered.secret)
        assert client.token_endpoint_auth_method == "client_secret_basic"
        assert client.grant_types == ["authorization_code", "refresh_token"]
        assert client.signing_alg == "ES256"

    def test_a_public_client_gets_none(self, acme: Organisation) -> None:
        registered = register(acme, kind="public")

        assert registered.secret is None
        assert registered.client.token_endpoint_auth_method == "none"

    def test_audit_keeps_what_was_registered_but_no_secret(
        self, acme: Organisation, approver: Person
    ) -> None:
        registered = register(acme, actor=approver.user)

        event = AuditEvent.objects.get(event="idp.client.registered")
        assert event.actor == f"accounts.User:{approver.user.pk}"
        assert event.organisation_id == acme.id
        assert event.facts["redirect_uris"] == [URI]
        assert registered.secret not in str(event.facts)

    @pytest.mark.parametrize(
        "uri",
        [
            "https://app.acme.example/cb",
            "https://app.acme.example:8443/cb?tenant=1",
            "http://localhost:8010/cb",
            "http://127.0.0.1/cb",
            "http://[::1]:9/cb",
        ],
    )
    def test_plain_addresses_can_be_registered(self, acme: Organisation, uri: str) -> None:
        assert register(acme, redirect_uris=[uri]).client.redirect_uris == [uri]

    @pytest.mark.parametrize(
        "uri",
        [
            "",
            "app.acme.example/cb",
            "/cb",
            "//app.acme.example/cb",
            "https:///cb",
            "http://app.acme.example/cb",
            "http://localhost.evil.example/cb",
            "https://app.acme.example/cb#fragment",
            "https://user@app.acme.example/cb",
            "https://app.acme.example@evil.example/cb",
            "https://*.acme.example/cb",
            "https://app.acme.example/*",
            "https://app.acme.example/a/../cb",
            "https://app.acme.example/a/%2e%2E/cb",
            "https://app.acme.example/..;/cb",
            "https://app.acme.example/c b",
            "https://app.acme.example\\cb",
            "https://app.acme.example/cb\n",
            "https://app.acme.example/é",
            "https://[::1/cb",
            "https://app.acme.example:port/cb",
            "javascript:alert(1)",
            "data:text/html,x",
            "com.example.app:/cb",
            "https://app.acme.example/" + "a" * 500,
        ],
    )
    def test_anything_else_cannot(self, acme: Organisation, uri: str) -> None:
        with pytest.raises(Refusal):
            register(acme, redirect_uris=[uri])
        with pytest.raises(Refusal):
            register(acme, post_logout_redirect_uris=[uri])

        assert not Client.unscoped.exists()

    def test_a_public_client_may_have_a_scheme_of_its_own(self, acme: Organisation) -> None:
        registered = register(acme, kind="public", redirect_uris=["com.example.app:/cb"])

        assert registered.client.redirect_uris == ["com.example.app:/cb"]

    @pytest.mark.parametrize("uri", ["myapp:/cb", "javascript.:alert(1)", "data:text/html,x"])
    def test_but_only_a_reverse_domain(self, acme: Organisation, uri: str) -> None:
        with pytest.raises(Refusal):
            register(acme, kind="public", redirect_uris=[uri])

    @pytest.mark.parametrize(
        "changes",
        [
            {"name": ""},
            {"name": "x" * 101},
            {"name": "Wiki\u202egnp.exe"},
            {"name": "Wi\x00ki"},
            {"name": "Wi\u200bki"},
            {"kind": "secret"},
            {"grant_types": ["password"]},
            {"grant_types": ["implicit"]},
            {"grant_types": []},
            {"grant_types": ["refresh_token"]},
            {"grant_types": ["client_credentials"], "kind": "public"},
            {"redirect_uris": []},
            {"redirect_uris": [f"{URI}{n}" for n in range(21)]},
            {"scopes": ["open id"]},
            {"scopes": ['a"b']},
            {"scopes": ["s" * 65]},
            {"scopes": [f"{'s' * 60}{n}" for n in range(10)]},
            {"signing_alg": "none"},
            {"signing_alg": "HS256"},
            {"required_acr": "aal9"},
            {"audience": "two words"},
            {"token_endpoint_auth_method": "none"},
            {"token_endpoint_auth_method": "client_secret_basic", "kind": "public"},
        ],
    )
    def test_what_makes_no_sense_is_refused(
        self, acme: Organisation, changes: dict[str, Any]
    ) -> None:
        with pytest.raises(Refusal) as refused:
            register(acme, **changes)

        assert refused.value.code == "invalid_request"
        assert not Client.unscoped.exists()

    def test_a_machine_needs_no_redirect_uri(self, acme: Organisation) -> None:
        registered = register(acme, grant_types=["client_credentials"], redirect_uris=[])

        assert registered.client.grant_types == ["client_credentials"]


class TestUpdateClient:
    def test_it_changes_and_tells_audit_what_was_before(self, acme_web: Client) -> None:
        changed = update_client(client=acme_web, name="New name", now=clock.now())

        assert changed.name == "New name"
        assert changed.changed_at > acme_web.changed_at
        event = AuditEvent.objects.get(event="idp.client.updated")
        assert event.facts == {"changed": {"name": "New name"}, "before": {"name": "Acme Web"}}

    def test_no_change_leaves_no_trace(self, acme_web: Client) -> None:
        update_client(client=acme_web, name=acme_web.name, now=clock.now())

        assert not AuditEvent.objects.exists()

    def test_the_same_rules_hold_as_for_registering(self, acme_web: Client) -> None:
        for changes in ({"redirect_uris": []}, {"redirect_uris": ["http://a.example/"]}):
            with pytest.raises(Refusal):
                update_client(client=acme_web, now=clock.now(), **changes)

        acme_web.refresh_from_db()
        assert acme_web.redirect_uris == [cast.REDIRECT_URI]

    @pytest.mark.parametrize("name", ["kind", "client_id", "organisation", "secret_digest"])
    def test_what_a_client_is_cannot_change(self, acme_web: Client, name: str) -> None:
        with pytest.raises(TypeError):
            update_client(client=acme_web, now=clock.now(), **{name: "x"})


class TestRotateClientSecret:
    def test_the_old_secret_stops_working_at_once(self, acme_machine: Client) -> None:
        registered = rotate_client_secret(client=acme_machine, now=clock.now())

        form = {"grant_type": "client_credentials"}
        old = send("POST", "/oauth/token", form=form, authorization=basic("acme-machine"))
        assert registered.secret is not None
        new = send(
            "POST", "/oauth/token", form=form,
            authorization=basic("acme-machine", registered.secret),
        )  # fmt: skip
        assert (old.status, new.status) == (401, 200)
        assert AuditEvent.objects.filter(event="idp.client.secret_rotated").count() == 1

    def test_a_public_client_has_none(self, acme_spa: Client) -> None:
        with pytest.raises(Refusal):
            rotate_client_secret(client=acme_spa, now=clock.now())


class TestDeactivateClient:
    def test_nothing_of_it_works_any_more(self, acme_web: Client, employee: Person) -> None:
        session = cast.sign_in(Browser(), employee)
        tokens = redeem(acme_web, issue_code(acme_web, session)).json

        deactivate_client(client=acme_web, now=clock.now())

        assert refresh(acme_web, tokens["refresh_token"]).status in {400, 401}
        assert RefreshFamily.unscoped.get().revoke_reason == "administrator"
        event = AuditEvent.objects.get(event="idp.client.deactivated")
        assert event.facts == {"refresh_families": 1}

    def test_twice_is_once(self, acme_web: Client) -> None:
        deactivate_client(client=acme_web, now=clock.now())
        deactivate_client(client=acme_web, now=clock.now())

        assert AuditEvent.objects.filter(event="idp.client.deactivated").count() == 1


class TestCommands:
    def test_register_client_prints_the_secret_once(
        self, acme: Organisation, capsys: pytest.CaptureFixture[str]
    ) -> None:
        call_command("register_client", "acme", "Wiki", "--redirect-uri", URI, "--scope", "openid")

        printed = dict(line.split(": ") for line in capsys.readouterr().out.splitlines())
        client = Client.objects.within(acme).get(client_id=printed["client_id"])
        assert client.has_secret(printed["client_secret"])
        assert client.scopes == ["openid"]

    def test_register_client_takes_a_key_in_place_of_a_secret(
        self, acme: Organisation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        keys = {"keys": [ECKey.generate_key("P-256").as_dict(private=False)]}
        (tmp_path / "keys.json").write_text(json.dumps({"jwks": keys}))

        call_command(
            *("register_client", "acme", "Wiki", "--redirect-uri", URI, "--signing-alg", "PS256"),
            *("--auth-method", "private_key_jwt", "--metadata", str(tmp_path / "keys.json")),
        )

        printed = dict(line.split(": ") for line in capsys.readouterr().out.splitlines())
        client = Client.objects.within(acme).get(client_id=printed["client_id"])
        assert "client_secret" not in printed
        assert client.token_endpoint_auth_method == "private_key_jwt"
        assert client.signing_alg == "PS256"

    def test_it_explains_what_cannot_be_registered(self, acme: Organisation) -> None:
        with pytest.raises(CommandError, match="https"):
            call_command("register_client", "acme", "Wiki", "--redirect-uri", "http://a.example/")
        with pytest.raises(CommandError, match="no organisation"):
            call_command("register_client", "nobody", "Wiki")

    def test_rotate_client_secret_prints_the_new_one(
        self, acme_web: Client, capsys: pytest.CaptureFixture[str]
    ) -> None:
        call_command("rotate_client_secret", "acme-web")

        secret = capsys.readouterr().out.removeprefix("client_secret: ").strip()
        acme_web.refresh_from_db()
        assert acme_web.has_secret(secret)

    def test_it_refuses_a_client_without_one(self, acme_spa: Client) -> None:
        with pytest.raises(CommandError):
            call_command("rotate_client_secret", "acme-spa")
        with pytest.raises(CommandError):
            call_command("rotate_client_secret", "nobody")
