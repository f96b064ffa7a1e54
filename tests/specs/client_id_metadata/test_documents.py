"""draft-ietf-oauth-client-id-metadata-document-02, OAuth Client ID Metadata Document."""

import itertools
import json
import threading
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.test import Client as Browser

from accounts.models import Organisation
from audit.models import AuditEvent
from core import clock
from idp import tasks
from idp.client_documents import fetching
from idp.flows import deactivate_client
from idp.machine import discovery
from idp.models import AuthorizationRequest, Client, ClientLogo, Consent, RefreshFamily
from idp.tasks import follow_client_documents
from tests.cast import Person
from tests.support import assertions, oauth, pictures
from tests.support.authorize import authorize, is_error_page
from tests.support.documents import (
    PATH,
    allow,
    ask,
    callback,
    consent_page,
    fetches,
    parameters,
    publish,
)
from tests.support.elsewhere import Elsewhere, answers_for_every_name
from tests.support.oauth import VERIFIER

pytestmark = pytest.mark.django_db


def token(client_id: str, code: str, server: Elsewhere, **more: str) -> oauth.Reply:
    form = {
        "grant_type": "authorization_code",
        "client_id": client_id,
        "code": code,
        "redirect_uri": callback(server),
        "code_verifier": VERIFIER,
    }
    return oauth.send("POST", "/oauth/token", form=form | more)


class TestAddress:
    @pytest.mark.parametrize(
        "uri",
        [
            "https://app.example",
            "https://app.example?x=1",
            "http://app.example/c",
            "https://app.example/a/../c",
            "https://app.example/./c",
            "https://app.example/a/%2e%2E/c",
            "https://app.example/c#f",
            "https://app.example/c#",
            "https://user@app.example/c",
            "https://user:pw@app.example/c",
            "https://@app.example/c",
            "https://app.example:/c",
            "https://app.example:0443/c",
            "https://app.example:0/c",
            "https://app.example:65536/c",
            "https://app.example:443:80/c",
            "https://app.example./c",
            "https://App.example/c",
            "HTTPS://app.example/c",
            "https://app.example\\c",
            "https://app.example/c d",
            "https://\u0430pp.example/c",
            "https://127.0.0.1/c",
            "https://[::1]/c",
            "https:///c",
            "https://app..example/c",
            "https://app.example/" + "c" * 255,
        ],
    )
    def test_section_3_what_is_no_address(self, client: Browser, uri: str) -> None:
        response = client.get("/oauth/authorize", {"client_id": uri, "redirect_uri": uri})

        assert is_error_page(response)
        assert not Client.unscoped.exists()

    @pytest.mark.parametrize(
        "uri",
        [
            "https://app.example/",
            "https://app.example/c.json",
            "https://app.example:8443/c",
            "https://app.example:443/c",
            "https://xn--pp-7kc.example/c",
            "https://app.example/c?v=1",
            "https://app.example/a..b/.well-known",
        ],
    )
    def test_section_3_what_is_one(
        self,
        alice: Browser,
        elsewhere: Elsewhere,
        monkeypatch: pytest.MonkeyPatch,
        employee: Person,
        uri: str,
    ) -> None:
        parts = urlsplit(uri)
        there = f"https://{parts.netloc}/callback"
        with Elsewhere(host=str(parts.hostname)) as server:
            answers_for_every_name(monkeypatch, server)
            publish(server, path=parts.path, client_id=uri, redirect_uris=[there])

            answer = allow(alice, authorize(alice, uri, redirect_uri=there))

        assert "code" in answer
        assert [path for _, path, *_ in server.requests] == [uri.removeprefix(there[:-9])]
        assert Client.unscoped.get().client_id == uri

    @pytest.mark.spec("Client ID Metadata Document", "3", "an address is compared byte for byte")
    def test_another_spelling_is_another_client(self, alice: Browser, elsewhere: Elsewhere) -> None:
        client_id = publish(elsewhere)
        allow(alice, ask(alice, elsewhere, client_id))

        response = ask(alice, elsewhere, f"{client_id}?")

        assert is_error_page(response)
        assert Client.unscoped.count() == 1


class TestDocument:
    def test_section_4_a_stranger_signs_people_in(
        self, alice: Browser, elsewhere: Elsewhere, employee: Person
    ) -> None:
        client_id = publish(elsewhere)

        code = allow(alice, ask(alice, elsewhere, client_id))["code"]
        reply = token(client_id, code, elsewhere)

        assert reply.status == 200
        claims = oauth.claims_of(reply.json["id_token"])
        assert (claims["aud"], claims["sub"]) == (client_id, str(employee.user.pk))
        row = Client.unscoped.get()
        assert (row.client_id, row.name, row.kind) == (client_id, "Notes", "public")
        assert row.is_by_document
        assert not row.is_first_party
        event = AuditEvent.objects.get(event="idp.client.registered")
        assert event.facts["by_document"] is True
        refreshed = oauth.send(
            "POST",
            "/oauth/token",
            form={
                "grant_type": "refresh_token",
                "client_id": client_id,
                "refresh_token": reply.json["refresh_token"],
            },
        )
        assert refreshed.status == 200

    @pytest.mark.parametrize(
        "changes",
        [
            {"client_id": "https://other.example/client.json"},
            {"client_id": None},
            {"client_id": ["x"]},
            {"client_secret": "s"},
            {"client_secret_expires_at": 0},
            {"token_endpoint_auth_method": "client_secret_basic"},
            {"token_endpoint_auth_method": "client_secret_post"},
            {"token_endpoint_auth_method": "client_secret_jwt"},
            {"token_endpoint_auth_method": "tls_client_auth"},
            {"token_endpoint_auth_method": "private_key_jwt"},
            {"token_endpoint_auth_method": 7},
            {"redirect_uris": None},
            {"redirect_uris": []},
            {"redirect_uris": "x"},
            {"redirect_uris": ["javascript:alert(1)"]},
            {"redirect_uris": ["https://evil.example/callback"]},
            {"post_logout_redirect_uris": ["https://evil.example/"]},
            {"backchannel_logout_uri": "https://evil.example/"},
            {"jwks_uri": "https://evil.example/jwks"},
            {"jwks": {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}},
            {"response_types": ["code token"]},
            {"grant_types": ["client_credentials"]},
            {"require_pushed_authorization_requests": True},
            {"client_name": "A\u202eB"},
        ],
        ids=lambda changes: "-".join(f"{name}={value}"[:40] for name, value in changes.items()),
    )
    def test_section_4_1_what_is_no_document(
        self, alice: Browser, elsewhere: Elsewhere, changes: dict[str, Any]
    ) -> None:
        client_id = publish(elsewhere, **changes)

        response = ask(alice, elsewhere, client_id)

        assert is_error_page(response)
        assert not Client.unscoped.exists()
        refused = AuditEvent.objects.get(event="idp.registration.refused")
        assert refused.facts["client_id"] == client_id

    def test_section_4_what_other_servers_offer_is_passed_over(
        self, alice: Browser, elsewhere: Elsewhere
    ) -> None:
        client_id = publish(
            elsewhere,
            scope="openid roles their:own",
            grant_types=["authorization_code", "urn:example:theirs"],
            something={"of": "theirs"},
            token_endpoint_auth_method=None,
        )

        allow(alice, ask(alice, elsewhere, client_id, scope="openid"))

        row = Client.unscoped.get()
        assert (row.scopes, row.grant_types) == (["openid"], ["authorization_code"])
        assert row.token_endpoint_auth_method == "none"

    @pytest.mark.parametrize("content_type", ["application/cimd+json", "application/json; a=b"])
    def test_section_4_the_type_is_json(
        self, alice: Browser, elsewhere: Elsewhere, content_type: str
    ) -> None:
        client_id = publish(elsewhere, headers={"Content-Type": content_type})

        assert "Notes" in consent_page(alice, ask(alice, elsewhere, client_id))

    @pytest.mark.parametrize("content_type", ["text/html", "text/json", "", "application/jsonx"])
    def test_section_4_no_other_type_is_read(
        self, alice: Browser, elsewhere: Elsewhere, content_type: str
    ) -> None:
        client_id = publish(elsewhere, headers={"Content-Type": content_type})

        assert is_error_page(ask(alice, elsewhere, client_id))

    @pytest.mark.parametrize("status", [201, 204, 301, 404, 500])
    def test_section_5_only_200_is_an_answer(
        self, alice: Browser, elsewhere: Elsewhere, status: int
    ) -> None:
        client_id = publish(elsewhere, status=status)

        assert is_error_page(ask(alice, elsewhere, client_id))

    @pytest.mark.parametrize(
        "body", [b"", b"[]", b"{", b'{"client_id":"a","client_id":"b"}', b"[" * 2000, b"\xff"]
    )
    def test_section_5_1_what_is_no_json_object(
        self, alice: Browser, elsewhere: Elsewhere, body: bytes
    ) -> None:
        assert is_error_page(ask(alice, elsewhere, elsewhere.serve(PATH, body)))

    def test_section_8_7_a_large_document_is_not_read(
        self, alice: Browser, elsewhere: Elsewhere
    ) -> None:
        client_id = publish(elsewhere, padding="x" * 5_200)

        assert is_error_page(ask(alice, elsewhere, client_id))

    def test_section_4_2_a_redirect_uri_is_compared_exactly(
        self, alice: Browser, elsewhere: Elsewhere
    ) -> None:
        client_id = publish(elsewhere)

        response = ask(alice, elsewhere, client_id, redirect_uri=f"{callback(elsewhere)}/x")

        assert is_error_page(response)

    @pytest.mark.parametrize(
        ("uri", "is_native"),
        [
            ("http://127.0.0.1:33418/", True),
            ("localhost.app:/callback", True),
            ("http://localhost/cb", False),
        ],
    )
    def test_section_4_2_this_computer_is_a_place_to_return_to(
        self, alice: Browser, elsewhere: Elsewhere, uri: str, is_native: bool
    ) -> None:
        client_id = publish(
            elsewhere,
            redirect_uris=[uri],
            application_type="native" if is_native else "web",
        )

        response = ask(alice, elsewhere, client_id, redirect_uri=uri)

        assert response["Location"].startswith("/oauth/consent?")

    def test_section_4_2_a_scheme_of_another_host_is_refused(
        self, alice: Browser, elsewhere: Elsewhere
    ) -> None:
        client_id = publish(
            elsewhere, redirect_uris=["com.bank.app:/cb"], application_type="native"
        )

        assert is_error_page(ask(alice, elsewhere, client_id, redirect_uri="com.bank.app:/cb"))


class TestCaching:
    def test_section_5_2_it_is_asked_once_for_as_long_as_it_says(
        self, alice: Browser, elsewhere: Elsewhere, later: Any
    ) -> None:
        client_id = publish(elsewhere)

        for _ in range(3):
            ask(alice, elsewhere, client_id)
        later(minutes=59)
        ask(alice, elsewhere, client_id)
        assert fetches(elsewhere) == 1

        later(minutes=2)
        ask(alice, elsewhere, client_id)
        assert fetches(elsewhere) == 2

    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({}, 300),
            ({"cache-control": "max-age=3600"}, 3600),
            ({"cache-control": "public, Max-Age=3600, must-revalidate"}, 3600),
            ({"cache-control": 'max-age="3600"'}, 3600),
            ({"cache-control": "max-age=60, s-maxage=7200"}, 7200),
            ({"cache-control": "max-age=3600", "age": "600"}, 3000),
            ({"cache-control": "max-age=1"}, 300),
            ({"cache-control": "max-age=999999999"}, 86400),
            ({"cache-control": "max-age=-1"}, 300),
            ({"cache-control": "max-age=99999999999999999999"}, 300),
            ({"cache-control": "no-store"}, 300),
            ({"cache-control": "no-cache, max-age=3600"}, 300),
            ({"expires": "Fri, 01 Jan 2100 00:00:00 GMT"}, 86400),
            ({"expires": "0"}, 300),
            ({"expires": f"Fri, 01 Jan 2100 00:00:00 +{'9' * 20}"}, 300),
            ({"expires": "Fri, 01 Jan 2100 00:00:00"}, 300),
        ],
        ids=str,
    )
    def test_section_5_2_headers_count_within_bounds(
        self,
        client: Browser,
        elsewhere: Elsewhere,
        later: Any,
        headers: dict[str, str],
        seconds: int,
    ) -> None:
        client_id = publish(elsewhere)
        status, _, body = elsewhere.pages[PATH]
        elsewhere.pages[PATH] = (status, {"Content-Type": "application/json"} | headers, body)
        ask(client, elsewhere, client_id)

        later(seconds=seconds - 10)
        ask(client, elsewhere, client_id)
        assert fetches(elsewhere) == 1

        later(seconds=20)
        ask(client, elsewhere, client_id)
        assert fetches(elsewhere) == 2

    def test_section_5_2_an_error_is_not_kept(
        self, alice: Browser, elsewhere: Elsewhere, later: Any
    ) -> None:
        client_id = publish(elsewhere, status=500)
        assert is_error_page(ask(alice, elsewhere, client_id))
        publish(elsewhere)
        assert is_error_page(ask(alice, elsewhere, client_id)), "not asked again at once"
        assert fetches(elsewhere) == 1

        later(seconds=31)

        assert "Notes" in consent_page(alice, ask(alice, elsewhere, client_id))

    def test_section_8_4_a_document_that_fails_later_lets_nobody_in(
        self, alice: Browser, elsewhere: Elsewhere, later: Any
    ) -> None:
        client_id = publish(elsewhere)
        allow(alice, ask(alice, elsewhere, client_id))
        publish(elsewhere, status=404)

        later(hours=2)

        assert is_error_page(ask(alice, elsewhere, client_id))


@pytest.mark.django_db(transaction=True)
class TestFlight:
    def test_many_at_once_ask_once(
        self, alice: Browser, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("WAIT_SECONDS", "FLIGHT_SECONDS", "TIMEOUT_SECONDS"):
            monkeypatch.setattr(fetching, name, 60)  # however slow this machine is
        client_id = publish(elsewhere)
        page, all_wait, waiting = elsewhere.pages[PATH], threading.Event(), itertools.count(1)
        wait = fetching._wait

        def counted(*args: Any) -> Any:
            if next(waiting) == 5:
                all_wait.set()
            return wait(*args)

        monkeypatch.setattr(fetching, "_wait", counted)

        def slowly(handler: Any) -> None:
            all_wait.wait(30)
            handler.send_response(200)
            handler.send_header("Content-Type", "application/json")
            handler.end_headers()
            handler.wfile.write(page[2])

        elsewhere.pages[PATH] = slowly
        statuses: list[int] = []

        def visit() -> None:
            try:
                response = ask(Browser(), elsewhere, client_id)
                statuses.append(response.status_code)
            finally:
                connection.close()

        threads = [threading.Thread(target=visit) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert all_wait.is_set()
        assert statuses == [303] * 6
        assert fetches(elsewhere) == 1


class TestConsent:
    @pytest.mark.spec("Client ID Metadata Document", "8.5", "people see the host, and the mark")
    def test_the_host_is_what_people_are_asked_about(
        self, alice: Browser, elsewhere: Elsewhere
    ) -> None:
        client_id = publish(elsewhere, client_name="Your Bank", logo_uri="https://a.example/l.png")

        page = consent_page(alice, ask(alice, elsewhere, client_id))

        assert '<span class="break" id="consent-host">localhost</span>' in page
        assert "Not verified by your organisation" in page
        assert "Allow Your Bank" not in page
        assert "l.png" not in page

    def test_its_logo_is_fetched_once_somebody_has_allowed_it(
        self, alice: Browser, elsewhere: Elsewhere
    ) -> None:
        logo = elsewhere.serve("/l.png", pictures.png(), content_type="image/png")
        client_id = publish(elsewhere, logo_uri=logo)
        assert "<img" not in consent_page(alice, ask(alice, elsewhere, client_id))
        assert tasks.fetch_client_logos() == 0
        allow(alice, ask(alice, elsewhere, client_id))
        assert tasks.fetch_client_logos() == 1

        page = consent_page(alice, ask(alice, elsewhere, client_id, prompt="consent"))

        path = Client.unscoped.get().logo_path
        assert f'<img class="tile logo" src="{path}" alt=""' in page
        assert logo not in page

    def test_a_logo_that_is_not_at_its_origin_is_passed_over(
        self, alice: Browser, elsewhere: Elsewhere
    ) -> None:
        for uri in ("https://a.example/l.png", "http://localhost/l.png", 5, "x" * 3_000):
            client_id = publish(elsewhere, path=f"/{len(str(uri))}.json", logo_uri=uri)
            allow(alice, ask(alice, elsewhere, client_id))

        assert Client.unscoped.count() == 4
        assert not Client.unscoped.filter(metadata__has_key="logo_uri").exists()
        assert not ClientLogo.unscoped.exists()

    def test_nothing_is_kept_of_a_client_that_nobody_allowed(
        self, alice: Browser, elsewhere: Elsewhere
    ) -> None:
        response = ask(alice, elsewhere, publish(elsewhere))
        consent_page(alice, response)
        handle = response["Location"].partition("id=")[2]
        answered = alice.post("/oauth/consent", {"request": handle, "decision": "deny"})

        assert parameters(answered)["error"] == "access_denied"
        assert not Client.unscoped.exists()
        assert AuthorizationRequest.unscoped.get().client is None

    def test_it_is_asked_before_anything_else_silently(
        self, alice: Browser, elsewhere: Elsewhere
    ) -> None:
        response = ask(alice, elsewhere, publish(elsewhere), prompt="none")

        assert parameters(response)["error"] == "consent_required"

    def test_a_stranger_signs_in_first(self, elsewhere: Elsewhere) -> None:
        response = ask(Browser(), elsewhere, publish(elsewhere))

        assert response["Location"].startswith("/accounts/login/")
        assert not Client.unscoped.exists()

    def test_people_of_another_organisation_are_refused(
        self, client: Browser, outsider: Person, elsewhere: Elsewhere
    ) -> None:
        from tests import cast

        cast.sign_in(client, outsider)

        response = ask(client, elsewhere, publish(elsewhere))

        assert parameters(response)["error"] == "access_denied"

    def test_it_is_remembered_while_the_document_stays(
        self, alice: Browser, elsewhere: Elsewhere, later: Any
    ) -> None:
        client_id = publish(elsewhere)
        allow(alice, ask(alice, elsewhere, client_id))

        later(hours=2)

        assert "code" in parameters(ask(alice, elsewhere, client_id))
        assert fetches(elsewhere) == 2

    @pytest.mark.spec("Client ID Metadata Document", "8.4", "a change asks people again")
    @pytest.mark.parametrize("change", ["redirect_uris", "scope"])
    def test_a_changed_document_is_asked_about_again(
        self, alice: Browser, elsewhere: Elsewhere, later: Any, change: str
    ) -> None:
        client_id = publish(elsewhere)
        allow(alice, ask(alice, elsewhere, client_id))
        changed: dict[str, Any] = {
            "redirect_uris": {"redirect_uris": [callback(elsewhere), elsewhere.url("/more")]},
            "scope": {"scope": "openid profile email"},
        }[change]
        publish(elsewhere, **changed)
        later(hours=2)

        response = ask(alice, elsewhere, client_id)

        assert response["Location"].startswith("/oauth/consent?")
        assert not Consent.unscoped.filter(revoked_at=None).exists()
        event = AuditEvent.objects.get(event="idp.client.updated")
        assert event.facts["consents_withdrawn"] == 1

    def test_a_new_logo_is_fetched_and_asks_nothing(
        self, alice: Browser, elsewhere: Elsewhere, later: Any
    ) -> None:
        for name, colour in (("/a.png", (9, 9, 9)), ("/b.png", (200, 0, 0))):
            elsewhere.serve(name, pictures.png(colour=colour), content_type="image/png")
        client_id = publish(elsewhere, logo_uri=elsewhere.url("/a.png"))
        allow(alice, ask(alice, elsewhere, client_id))
        tasks.fetch_client_logos()
        publish(elsewhere, logo_uri=elsewhere.url("/b.png"))
        later(hours=2)
        assert "code" in parameters(ask(alice, elsewhere, client_id))

        assert Client.unscoped.get().logo_path == ""
        assert tasks.fetch_client_logos() == 1
        shown = oauth.send("GET", Client.unscoped.get().logo_path)
        assert shown.body == pictures.png(colour=(200, 0, 0))

    def test_a_new_name_is_taken_over_and_asks_nothing(
        self, alice: Browser, elsewhere: Elsewhere, later: Any
    ) -> None:
        client_id = publish(elsewhere)
        allow(alice, ask(alice, elsewhere, client_id))
        publish(elsewhere, client_name="Notebooks")
        later(hours=2)

        assert "code" in parameters(ask(alice, elsewhere, client_id))
        assert Client.unscoped.get().name == "Notebooks"

    def test_a_change_is_noticed_when_nobody_comes(
        self, alice: Browser, elsewhere: Elsewhere, later: Any
    ) -> None:
        client_id = publish(elsewhere)
        token(client_id, allow(alice, ask(alice, elsewhere, client_id))["code"], elsewhere)
        publish(elsewhere, scope="openid")
        assert follow_client_documents() == 1
        assert fetches(elsewhere) == 1, "not before it is old"
        later(hours=2)

        assert follow_client_documents() == 1
        assert Client.unscoped.get().scopes == ["openid"]
        assert not Consent.unscoped.filter(revoked_at=None).exists()

        publish(elsewhere, status=404)
        later(hours=2)
        assert follow_client_documents() == 0
        assert RefreshFamily.unscoped.get().revoked_at is None

    def test_the_list_of_applications_says_where_it_is_from(
        self, alice: Browser, elsewhere: Elsewhere
    ) -> None:
        client_id = publish(elsewhere, client_name="Your Bank")
        allow(alice, ask(alice, elsewhere, client_id))

        page = alice.get("/security/applications/").content.decode()
        assert f"{client_id}</span> (not verified)" in page

    def test_a_document_that_changes_meanwhile_is_judged_again(
        self, alice: Browser, elsewhere: Elsewhere, later: Any
    ) -> None:
        response = ask(alice, elsewhere, publish(elsewhere, headers={"Cache-Control": "no-store"}))
        publish(elsewhere, redirect_uris=[elsewhere.url("/other")])
        later(minutes=6)

        assert is_error_page(alice.get(response["Location"]))


class TestKeys:
    @pytest.mark.spec("Client ID Metadata Document", "8.2", "a client with keys must use them")
    def test_a_client_authenticates_by_its_published_key(
        self, alice: Browser, elsewhere: Elsewhere
    ) -> None:
        keys = assertions.jwks(assertions.ec_key())
        uri = elsewhere.serve("/jwks.json", json.dumps(keys).encode())
        client_id = publish(elsewhere, token_endpoint_auth_method="private_key_jwt", jwks_uri=uri)
        code = allow(alice, ask(alice, elsewhere, client_id))["code"]
        assertion = assertions.sign(assertions.claims(client_id))

        bare = token(client_id, code, elsewhere)
        reply = token(
            client_id,
            code,
            elsewhere,
            client_assertion=assertion,
            client_assertion_type=assertions.TYPE,
        )

        assert (bare.status, bare.error) == (401, "invalid_client")
        assert reply.status == 200

    def test_another_way_of_proving_itself_ends_what_it_has(
        self, alice: Browser, elsewhere: Elsewhere, later: Any
    ) -> None:
        client_id = publish(elsewhere)
        token(client_id, allow(alice, ask(alice, elsewhere, client_id))["code"], elsewhere)
        publish(
            elsewhere,
            token_endpoint_auth_method="private_key_jwt",
            jwks=assertions.jwks(assertions.ec_key()),
        )
        later(hours=2)

        response = ask(alice, elsewhere, client_id)

        assert response["Location"].startswith("/oauth/consent?")
        assert RefreshFamily.unscoped.get().revoked_at is not None
        assert Client.unscoped.get().kind == "confidential"


class TestWho:
    def test_section_6_discovery_says_so(self, settings) -> None:
        def said() -> bool:
            discovery.document.cache_clear()
            reply = oauth.send("GET", "/.well-known/oauth-authorization-server")
            return reply.json["client_id_metadata_document_supported"]

        assert said() is True

        settings.CLIENT_DOCUMENTS_HOSTS = []

        assert said() is False

    @pytest.mark.parametrize(
        ("hosts", "is_good"),
        [
            ([], False),
            (["localhost"], True),
            (["other.example"], False),
            (["*.localhost"], False),
            (["*"], True),
        ],
        ids=str,
    )
    def test_only_chosen_hosts_are_asked(
        self, settings, alice: Browser, elsewhere: Elsewhere, hosts: list[str], is_good: bool
    ) -> None:
        settings.CLIENT_DOCUMENTS_HOSTS = hosts

        response = ask(alice, elsewhere, publish(elsewhere))

        assert (response.status_code == 303) is is_good
        assert fetches(elsewhere) == is_good

    @pytest.mark.parametrize(
        ("host", "is_good"),
        [
            ("a.example.com", True),
            ("a.b.example.com", True),
            ("example.com", False),
            ("evilexample.com", False),
            ("a.example.com.evil.example", False),
        ],
    )
    def test_a_host_below_another_is_named_by_a_star(
        self,
        settings,
        alice: Browser,
        elsewhere: Elsewhere,
        monkeypatch: pytest.MonkeyPatch,
        host: str,
        is_good: bool,
    ) -> None:
        settings.CLIENT_DOCUMENTS_HOSTS = ["*.example.com"]
        with Elsewhere(host=host) as server:
            answers_for_every_name(monkeypatch, server)

            response = ask(alice, server, publish(server))

        assert (response.status_code == 303) is is_good
        assert fetches(server) == is_good

    def test_it_is_off_without_an_organisation(
        self, settings, alice: Browser, elsewhere: Elsewhere
    ) -> None:
        settings.CLIENT_DOCUMENTS_ORGANISATION = ""

        assert is_error_page(ask(alice, elsewhere, publish(elsewhere)))
        assert fetches(elsewhere) == 0

    def test_switching_it_off_ends_what_was_given_out(
        self, settings, alice: Browser, elsewhere: Elsewhere
    ) -> None:
        from idp.clients import authentication

        client_id = publish(elsewhere)
        code = allow(alice, ask(alice, elsewhere, client_id))["code"]
        settings.CLIENT_DOCUMENTS_ORGANISATION = ""
        authentication.forget()

        assert token(client_id, code, elsewhere).error == "invalid_client"

    def test_an_administrator_blocks_one(self, alice: Browser, elsewhere: Elsewhere) -> None:
        client_id = publish(elsewhere)
        code = allow(alice, ask(alice, elsewhere, client_id))["code"]
        deactivate_client(client=Client.unscoped.get(), now=clock.now())

        assert is_error_page(ask(alice, elsewhere, client_id))
        assert token(client_id, code, elsewhere).error == "invalid_client"
        assert fetches(elsewhere) == 1

    def test_a_client_of_ours_is_asked_about_nowhere(
        self, alice: Browser, acme: Organisation, acme_spa: Client
    ) -> None:
        assert authorize(alice, acme_spa)["Location"].startswith("/oauth/consent?")
