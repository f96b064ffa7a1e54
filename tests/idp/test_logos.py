"""Logos: asked for by a worker, kept here, shown from our own origin."""

from datetime import timedelta
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.test import Client as Browser

from accounts.models import Organisation
from audit.events import Event
from audit.models import AuditEvent
from core import clock
from core.limits import Limit
from idp import flows, tasks
from idp.clients import logos
from idp.models import Client, ClientLogo
from tests import cast
from tests.cast import Person
from tests.support import ciba, device, oauth, pictures
from tests.support.authorize import authorize, query
from tests.support.elsewhere import Elsewhere
from tests.support.racing import race
from tests.support.registering import initial_token, manage, register

RED, BLUE = pictures.png(colour=(200, 0, 0)), pictures.png(colour=(0, 0, 200))


@pytest.fixture
def uri(elsewhere: Elsewhere) -> str:
    return elsewhere.serve("/logo.png", RED, content_type="image/png")


@pytest.fixture
def pictured(acme: Organisation, uri: str) -> Client:
    """An application of acme's whose administrator has given it a logo."""
    return make(acme, uri)


def make(of: Organisation, uri: str, name: str = "Ledger") -> Client:
    return flows.register_client(
        organisation=of,
        name=name,
        kind="public",
        redirect_uris=[cast.REDIRECT_URI],
        metadata={"logo_uri": uri},
        now=clock.now(),
    ).client


def asked(elsewhere: Elsewhere) -> int:
    return len(elsewhere.requests)


def path_of(client: Client) -> str:
    return Client.unscoped.get(pk=client.pk).logo_path


def shown(client: Client) -> bytes | None:
    """What a browser gets of it."""
    path = path_of(client)
    return oauth.send("GET", path).body if path else None


class TestFetching:
    def test_registering_asks_nobody(self, pictured: Client, elsewhere: Elsewhere) -> None:
        assert asked(elsewhere) == 0
        assert path_of(pictured) == ""

    def test_a_worker_is_asked_to_hurry(
        self, acme: Organisation, uri: str, monkeypatch: pytest.MonkeyPatch,
        django_capture_on_commit_callbacks: Any,
    ) -> None:  # fmt: skip
        hurried: list[str] = []
        monkeypatch.setattr("core.background.hurry", hurried.append)
        with django_capture_on_commit_callbacks(execute=True):
            make(acme, uri)

        assert hurried == ["idp.tasks.fetch_client_logos"]

    def test_a_worker_brings_it(self, pictured: Client, elsewhere: Elsewhere) -> None:
        assert tasks.fetch_client_logos() == 1

        assert shown(pictured) == RED
        method, path, headers, _ = elsewhere.requests[0]
        assert (method, path) == ("GET", "/logo.png")
        assert not {"Cookie", "Referer", "Authorization"} & headers.keys()
        event = AuditEvent.objects.get(event=Event.CLIENT_LOGO_CHANGED)
        assert event.facts["digest"] == path_of(pictured).rpartition("/")[2]
        assert event.facts["before"] is None

    def test_once_a_day_and_no_more(self, pictured: Client, elsewhere: Elsewhere, later) -> None:
        for _ in range(3):
            tasks.fetch_client_logos()
        later(hours=23)
        tasks.fetch_client_logos()
        assert asked(elsewhere) == 1

        later(hours=25)
        elsewhere.serve("/logo.png", BLUE, content_type="image/png")
        assert tasks.fetch_client_logos() == 1
        assert shown(pictured) == BLUE
        assert AuditEvent.objects.filter(event=Event.CLIENT_LOGO_CHANGED).count() == 2

    def test_the_same_again_is_no_event(self, pictured: Client, later) -> None:
        tasks.fetch_client_logos()
        before = path_of(pictured)
        later(days=2)

        assert tasks.fetch_client_logos() == 1
        assert path_of(pictured) == before
        assert AuditEvent.objects.filter(event=Event.CLIENT_LOGO_CHANGED).count() == 1

    @pytest.mark.parametrize(
        "page",
        [
            pytest.param((404, {"Content-Type": "image/png"}, RED), id="not there"),
            pytest.param((200, {"Content-Type": "image/png"}, b"<svg/>"), id="no picture"),
            pytest.param((200, {"Content-Type": "text/html"}, RED), id="another type"),
            pytest.param((200, {"Content-Type": "image/png"}, RED + bytes(102_400)), id="too large"),
            pytest.param((302, {"Location": "/other.png"}, b""), id="elsewhere"),
        ],
    )  # fmt: skip
    def test_what_it_was_stays_when_there_is_nothing_good(
        self, pictured: Client, elsewhere: Elsewhere, page: Any, later
    ) -> None:
        tasks.fetch_client_logos()
        later(days=2)
        elsewhere.pages["/logo.png"] = page

        assert tasks.fetch_client_logos() == 0
        assert shown(pictured) == RED
        assert ClientLogo.unscoped.get().last_error
        assert ClientLogo.unscoped.get().next_attempt_at is not None

    def test_nobody_is_asked_for_ever(self, pictured: Client, elsewhere: Elsewhere, later) -> None:
        elsewhere.pages.clear()
        for day in range(10):
            later(days=day)
            tasks.fetch_client_logos()

        assert asked(elsewhere) == logos.MAX_ATTEMPTS
        assert ClientLogo.unscoped.get().next_attempt_at is None
        assert ClientLogo.unscoped.get().last_error == "the answer has status 404"

    def test_who_registered_themselves_come_last(
        self, acme: Organisation, elsewhere: Elsewhere
    ) -> None:
        stranger = elsewhere.serve("/stranger.png", BLUE, content_type="image/png")
        register(initial_token(acme), logo_uri=stranger)
        make(acme, elsewhere.serve("/ours.png", RED, content_type="image/png"))

        tasks.fetch_client_logos()

        assert [path for _, path, *_ in elsewhere.requests] == ["/ours.png", "/stranger.png"]

    def test_one_host_is_asked_so_often_and_no_more(
        self, acme: Organisation, elsewhere: Elsewhere, uri: str, monkeypatch: pytest.MonkeyPatch,
        early_in_a_window: None,
    ) -> None:  # fmt: skip
        few = Limit(name="few", burst=2, period=timedelta(minutes=1), why="A test.")
        monkeypatch.setattr(logos, "CLIENT_LOGO_HOSTS", few)
        for number in range(4):
            make(acme, uri, f"Ledger {number}")

        assert tasks.fetch_client_logos() == 2
        assert asked(elsewhere) == 2
        waiting = ClientLogo.unscoped.filter(digest=None)
        assert set(waiting.values_list("attempts", flat=True)) == {0}
        assert all(row.next_attempt_at > clock.now() for row in waiting)

    def test_of_a_client_that_is_switched_off_nobody_is_asked(
        self, pictured: Client, elsewhere: Elsewhere
    ) -> None:
        flows.deactivate_client(client=pictured, now=clock.now())

        assert tasks.fetch_client_logos() == 0
        assert asked(elsewhere) == 0

    @pytest.mark.django_db(transaction=True)
    def test_what_comes_too_late_is_of_no_use(self, pictured: Client, elsewhere: Elsewhere) -> None:
        """The registration changes while its host is being asked."""

        def page(handler: Any) -> None:
            other = {"logo_uri": elsewhere.url("/other.png")}
            flows.update_client(client=pictured, metadata=other, now=clock.now())
            connection.close()
            handler.send_response(200)
            handler.send_header("Content-Type", "image/png")
            handler.send_header("Content-Length", str(len(RED)))
            handler.end_headers()
            handler.wfile.write(RED)

        elsewhere.pages["/logo.png"] = page
        tasks.fetch_client_logos()

        assert asked(elsewhere) == 1
        assert shown(pictured) is None
        assert ClientLogo.unscoped.get().uri == elsewhere.url("/other.png")
        assert not AuditEvent.objects.filter(event=Event.CLIENT_LOGO_CHANGED).exists()

    @pytest.mark.django_db(transaction=True)
    def test_two_workers_ask_once(self, pictured: Client, elsewhere: Elsewhere) -> None:
        race(lambda _: tasks.fetch_client_logos(), runners=4)

        assert asked(elsewhere) == 1


class TestChanging:
    def test_another_address_forgets_the_picture_at_once(
        self, pictured: Client, elsewhere: Elsewhere, later
    ) -> None:
        tasks.fetch_client_logos()
        old = path_of(pictured)
        other = elsewhere.serve("/other.png", BLUE, content_type="image/png")
        flows.update_client(client=pictured, metadata={"logo_uri": other}, now=clock.now())

        assert path_of(pictured) == ""
        assert oauth.send("GET", old).status == 404
        later(minutes=11)
        tasks.fetch_client_logos()
        assert shown(pictured) == BLUE

    def test_no_address_forgets_it_too(self, pictured: Client, elsewhere: Elsewhere) -> None:
        tasks.fetch_client_logos()
        flows.update_client(client=pictured, metadata={}, now=clock.now())

        assert path_of(pictured) == ""
        assert tasks.fetch_client_logos() == 0
        assert bytes(RED) not in ClientLogo.unscoped.values_list("content", flat=True)

    def test_another_name_forgets_nothing(self, pictured: Client, elsewhere: Elsewhere) -> None:
        tasks.fetch_client_logos()
        flows.update_client(client=pictured, name="Ledger 2", now=clock.now())

        assert shown(pictured) == RED
        assert asked(elsewhere) == 1

    def test_however_often_it_changes_nobody_is_asked_more(
        self, acme: Organisation, elsewhere: Elsewhere, uri: str, later
    ) -> None:
        registered = register(initial_token(acme), logo_uri=uri).json
        kept = {
            name: value
            for name, value in registered.items()
            if name
            not in {
                "registration_access_token", "registration_client_uri", "client_id_issued_at",
                "client_secret_expires_at",
            }
        }  # fmt: skip
        tasks.fetch_client_logos()
        for number in range(5):
            changed = kept | {"logo_uri": elsewhere.url(f"/{number}.png")}
            assert manage("PUT", registered, **changed).status == 200
            assert manage("PUT", registered, **(kept | {"logo_uri": ""})).status == 200
            assert manage("PUT", registered, **changed).status == 200
            tasks.fetch_client_logos()
        assert asked(elsewhere) == 1

        later(minutes=11)
        tasks.fetch_client_logos()
        assert [path for _, path, *_ in elsewhere.requests] == ["/logo.png", "/4.png"]


class TestServing:
    def test_a_browser_gets_a_picture_and_nothing_else(self, pictured: Client) -> None:
        tasks.fetch_client_logos()
        reply = oauth.send("GET", path_of(pictured))

        assert reply.status == 200
        assert reply.headers["Content-Type"] == "image/png"
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert reply.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        policy = reply.headers["Content-Security-Policy"].split("; ")
        assert {"default-src 'none'", "sandbox"} <= set(policy)
        assert "Set-Cookie" not in reply.headers

    def test_the_other_door_says_the_same(self, pictured: Client) -> None:
        tasks.fetch_client_logos()
        answer = Browser(headers={"host": urlsplit(settings.ISSUER).netloc}).get(path_of(pictured))

        assert answer.content == RED
        assert answer["Content-Type"] == "image/png"
        assert "sandbox" in answer["Content-Security-Policy"]
        assert answer["Cache-Control"] == "public, max-age=31536000, immutable"
        assert not answer.cookies

    @pytest.mark.parametrize("name", ["00" * 32, "00", "zz", "0" * 63, "..", "%00", "é"])
    def test_what_is_not_there_is_not_found(self, db: None, name: str) -> None:
        assert oauth.send("GET", f"/client-logos/{name}").status == 404

    def test_nobody_can_ask_who_has_a_picture(
        self, acme: Organisation, globex: Organisation, uri: str
    ) -> None:
        clients = [make(acme, uri), make(globex, uri)]
        tasks.fetch_client_logos()

        assert len({path_of(client) for client in clients}) == 2

    def test_only_whole_rows_are_kept(self, pictured: Client) -> None:
        for wrong in (
            {"content": RED},
            {"digest": bytes(32), "fetched_at": clock.now(), "media_type": "image/png"},
            {
                "content": RED, "digest": bytes(32), "fetched_at": clock.now(),
                "media_type": "image/svg+xml",
            },
        ):  # fmt: skip
            with pytest.raises(IntegrityError), transaction.atomic():
                ClientLogo.unscoped.update(**wrong)


class TestPages:
    """Each shows our copy beside the name, with empty alternative text; none asks elsewhere."""

    @pytest.fixture(autouse=True)
    def _fetched(self, pictured: Client) -> None:
        tasks.fetch_client_logos()

    @staticmethod
    def image(client: Client) -> str:
        return f'<img class="tile logo" src="{path_of(client)}" alt="" width="40" height="40">'

    def test_signing_in_and_consent(
        self, pictured: Client, employee: Person, elsewhere: Elsewhere
    ) -> None:
        browser = Browser()
        going = authorize(browser, pictured)
        page = browser.get(going["Location"])
        assert "Continue to<strong" in page.content.decode()
        assert self.image(pictured) in page.content.decode()
        cast.sign_in(browser, employee)

        page = browser.get("/oauth/consent", {"id": query(authorize(browser, pictured))["id"]})

        assert self.image(pictured) in page.content.decode()
        assert "localhost" not in page["Content-Security-Policy"]
        assert elsewhere.url() not in page.content.decode()

    @pytest.mark.parametrize("path", ["/", "/security/applications/"])
    def test_connected_applications(
        self, pictured: Client, employee: Person, client: Browser, path: str,
        django_assert_max_num_queries: Any,
    ) -> None:  # fmt: skip
        session = cast.sign_in(client, employee)
        flows.grant_consent(
            user=employee.user, client=pictured, scopes=["openid"], session_id=session.id,
            now=clock.now(),
        )  # fmt: skip

        with django_assert_max_num_queries(60) as seen:
            page = client.get(path)

        assert self.image(pictured) in page.content.decode()
        assert not [one for one in seen if '"idp_clientlogo"."content"' in one["sql"]]
        assert len([one for one in seen if '"idp_clientlogo"' in one["sql"]]) == 1

    def test_a_device_and_a_sign_in_request(
        self, acme: Organisation, uri: str, employee: Person, client: Browser
    ) -> None:
        television = device.television(acme)
        bank = ciba.asker(acme)
        for each in (television, bank):
            metadata = each.metadata | {"logo_uri": uri}
            flows.update_client(client=each, metadata=metadata, now=clock.now())
        tasks.fetch_client_logos()
        cast.sign_in(client, employee)
        codes = device.start(television).json
        ciba.ask(bank)

        confirm = client.get(device.asked(client, codes["user_code"]))
        request = client.get(ciba.page_of())
        waiting = client.get("/authentication-requests/")

        assert self.image(television) in confirm.content.decode()
        assert self.image(bank) in request.content.decode()
        assert self.image(bank) in waiting.content.decode()

    def test_without_one_its_initial_is_shown(
        self, acme_spa: Client, employee: Person, client: Browser
    ) -> None:
        cast.sign_in(client, employee)
        page = client.get("/oauth/consent", {"id": query(authorize(client, acme_spa))["id"]})

        assert f'<span class="tile" aria-hidden="true">{acme_spa.name[0]}</span>' in (
            page.content.decode()
        )
        assert "<img" not in page.content.decode()


def test_clients_of_before_are_asked_for_too(pictured: Client, uri: str) -> None:
    migration = import_module("idp.migrations.0017_client_logo")
    ClientLogo.unscoped.all().delete()
    with connection.cursor() as cursor:
        cursor.execute(migration.WANT_LOGOS)

    row = ClientLogo.unscoped.get()
    assert (row.client, row.organisation, row.uri) == (pictured, pictured.organisation, uri)
    assert tasks.fetch_client_logos() == 1
