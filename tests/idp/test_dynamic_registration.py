"""Initial access tokens: made by administrators, spent by applications."""

import re
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client as Browser

from accounts.models import Organisation
from audit.models import AuditEvent
from core import clock, strict_json
from core.errors import Refusal
from idp.dynamic_registration.flows import (
    make_initial_access_token,
    withdraw_initial_access_token,
)
from idp.models import Client, InitialAccessToken
from tests import cast
from tests.cast import Person
from tests.support import oauth
from tests.support.racing import race
from tests.support.registering import initial_token, manage, post, register


class TestMaking:
    def test_the_command_prints_it_once(self, acme: Organisation) -> None:
        out = StringIO()

        call_command("make_initial_access_token", "acme", "--uses=3", stdout=out, stderr=StringIO())

        text = out.getvalue().removeprefix("initial_access_token: ").strip()
        assert register(text).status == 201
        assert InitialAccessToken.objects.within(acme).get().uses_left == 2
        event = AuditEvent.objects.get(event="idp.initial_access_token.created")
        assert (event.facts["uses"], event.organisation_id) == (3, acme.pk)

    @pytest.mark.parametrize(
        "arguments",
        [
            ["nobody"], ["acme", "--uses=0"], ["acme", "--days=0"], ["acme", "--days=366"],
            ["acme", "--grant-type=password"], ["acme", '--scope=a"b'],
        ],
    )  # fmt: skip
    def test_the_command_says_what_cannot_be(self, acme: Organisation, arguments: Any) -> None:
        with pytest.raises(CommandError):
            call_command("make_initial_access_token", *arguments)

        assert not InitialAccessToken.unscoped.exists()

    def test_an_administrator_makes_and_withdraws_one(
        self, approver: Person, acme: Organisation, client: Browser
    ) -> None:
        cast.sign_in(client, approver)
        form = {"name": "CI", "uses": "2", "days": "7", "scopes": "openid"}

        page = client.post("/admin/idp/initialaccesstoken/add/", form)

        assert page.status_code == 200, page.content.decode()
        assert "no-store" in page["Cache-Control"]
        text = page.content.decode().partition('id="initial-access-token">')[2].partition("<")[0]
        row = InitialAccessToken.objects.within(acme).get()
        assert (row.uses_left, row.created_by, row.scopes) == (2, approver.user, ["openid"])
        assert register(text).json["scope"] == "openid"
        action = {"action": "withdraw", "_selected_action": [str(row.pk)]}
        client.post("/admin/idp/initialaccesstoken/", action)
        assert register(text).status == 401

    @pytest.mark.parametrize("changes", [{"uses": "0"}, {"days": "1000"}, {"scopes": 'a"b'}])
    def test_the_form_explains_what_cannot_be(
        self, approver: Person, client: Browser, changes: dict[str, str]
    ) -> None:
        cast.sign_in(client, approver)
        form = {"name": "", "uses": "1", "days": "1", "scopes": ""} | changes

        page = client.post("/admin/idp/initialaccesstoken/add/", form)

        assert "errorlist" in page.content.decode()
        assert not InitialAccessToken.unscoped.exists()

    def test_the_flow_refuses_too(self, acme: Organisation) -> None:
        for wrong in ({"uses": 1001}, {"lifetime": timedelta(0)}, {"grant_types": ["password"]}):
            with pytest.raises(Refusal):
                make_initial_access_token(organisation=acme, now=clock.now(), **wrong)

    def test_withdrawing_twice_is_once(self, acme: Organisation) -> None:
        made = make_initial_access_token(organisation=acme, now=clock.now(), uses=4)

        for _ in range(2):
            withdraw_initial_access_token(token=made.token, now=clock.now())

        event = AuditEvent.objects.get(event="idp.initial_access_token.revoked")
        assert event.facts["unused"] == 4


class TestRegisterClientCommand:
    def test_it_takes_metadata_from_a_file(self, acme: Organisation, tmp_path: Any) -> None:
        file = tmp_path / "metadata.json"
        file.write_text('{"logo_uri": "https://app.acme.example/logo.png"}')
        arguments = ["acme", "Wiki", "--redirect-uri", cast.REDIRECT_URI, "--metadata", str(file)]

        call_command("register_client", *arguments, stdout=StringIO(), stderr=StringIO())

        metadata = Client.objects.within(acme).get().metadata
        assert metadata == {"logo_uri": "https://app.acme.example/logo.png"}

    @pytest.mark.parametrize("text", ["[]", "{", '{"logo_uri": "http://a"}', '{"unknown": 1}'])
    def test_it_says_what_is_wrong(self, acme: Organisation, tmp_path: Any, text: str) -> None:
        file = tmp_path / "metadata.json"
        file.write_text(text)

        with pytest.raises(CommandError):
            call_command(
                "register_client", "acme", "Wiki", "--redirect-uri", cast.REDIRECT_URI,
                "--metadata", str(file),
            )  # fmt: skip
        assert not Client.unscoped.exists()


@pytest.mark.django_db(transaction=True)
def test_a_token_with_one_use_registers_one_client_of_twenty_that_ask_at_once() -> None:
    text = initial_token(cast.organisation("acme"))

    replies = race(lambda _: register(text), runners=20)

    assert sorted(reply.status for reply in replies) == [201] + [401] * 19
    assert Client.unscoped.count() == 1
    assert InitialAccessToken.unscoped.get().uses_left == 0
    assert AuditEvent.objects.filter(event="idp.client.registered").count() == 1


class TestOpenRegistrationWithoutPkce:
    def test_a_setting_lets_confidential_clients_do_without(
        self, acme: Organisation, settings: Any
    ) -> None:
        settings.REGISTRATION_OPEN_FOR, settings.REGISTRATION_REQUIRE_PKCE = "acme", False

        confidential = register(None).json["client_id"]
        public = register(None, token_endpoint_auth_method="none").json["client_id"]

        rows = Client.objects.within(acme)
        assert rows.get(client_id=confidential).metadata == {"require_pkce": False}
        assert rows.get(client_id=public).metadata == {}


class TestBadInput:
    @pytest.mark.parametrize(
        "body",
        [
            "", "null", "[]", '"a"', "1", "{", '{"a":1,"a":2}', '{"jwks":{"keys":[],"keys":[]}}',
            '{"default_max_age":NaN}', '{"default_max_age":1e999}', '{"default_max_age":' + "9" * 40 + "}",
            '{"client_name":"\\ud800"}', '{"client_name":"a\\u0000b"}', '{"jwks":{"a":"\\u0000"}}',
            '{"a":' * 5000 + "1" + "}" * 5000, "[" * 60000, '{"redirect_uris":' + "[" * 900 + "]" * 900 + "}",
            '{"client_name":"' + "a" * 60000 + '"}', "\xff\xfe", "{'a':1}", '{"client_name":{}}',
        ],
    )  # fmt: skip
    def test_no_body_breaks_it(self, acme: Organisation, body: str) -> None:
        reply = post(body, initial_token(acme))

        assert reply.status == 400
        assert reply.error in {"invalid_client_metadata", "invalid_redirect_uri"}
        assert not Client.unscoped.exists()

    def test_a_body_that_is_too_large_is_not_read(self, acme: Organisation) -> None:
        assert post("{" + " " * 70_000 + "}", initial_token(acme)).status == 413

    @pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded"])
    def test_only_json_is_read(self, acme: Organisation, kind: str) -> None:
        reply = post("{}", initial_token(acme), content_type=kind)

        assert reply.error == "invalid_client_metadata"

    def test_no_member_breaks_it(self, acme: Organisation) -> None:
        from idp.dynamic_registration.document import COLUMNS
        from idp.registration import metadata

        token = initial_token(acme, uses=999)
        values = ["", "\n", "x" * 3000, 0, -1, 10**14, 1.5, True, [], [[]], {}, {"a": []}, ["\t"]]
        statuses = set()
        for name in [*metadata.NAMES, *COLUMNS, "software_statement", "client_id"]:
            for value in values:
                from django.core.cache import cache

                cache.clear()  # the limit is another test's
                statuses.add(register(token, **{name: value}).status)

        assert statuses == {201, 400}


class TestSecrets:
    """A070: what is told once stands nowhere else."""

    def test_no_listing_or_event_holds_a_secret(
        self, acme: Organisation, approver: Person, client: Browser
    ) -> None:
        text = initial_token(acme)
        made = register(text).json
        row = Client.unscoped.get()
        cast.sign_in(client, approver)

        pages = [
            client.get(path).content.decode()
            for path in (
                "/admin/idp/client/", f"/admin/idp/client/{row.pk}/change/",
                "/admin/idp/initialaccesstoken/",
                f"/admin/idp/initialaccesstoken/{InitialAccessToken.unscoped.get().pk}/change/",
            )
        ]  # fmt: skip
        kept = [str(list(AuditEvent.objects.values())), str(Client.unscoped.values().get())]

        for secret in (text, made["client_secret"], made["registration_access_token"]):
            assert not [page for page in [*pages, *kept] if secret in page]
        assert "client_secret" not in manage("GET", made).json
        for column in ("secret_digest", "registration_digest"):
            assert not any(re.search(rf'name="{column}"', page) for page in pages)


class TestStrictJson:
    def test_what_is_plain_is_read(self) -> None:
        assert strict_json.parse_object(b'{"a": [1, 1.5, "\\u00e9", null]}') == {
            "a": [1, 1.5, "é", None]
        }


def test_a_path_below_that_is_no_client_is_answered_alike(db: None) -> None:
    assert oauth.send("GET", "/oauth/register/a/b", authorization="Bearer x").status in {302, 404}
