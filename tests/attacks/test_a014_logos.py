"""A014: a logo that is no picture, is huge, or becomes another once people have agreed to it."""

import struct
from typing import Any

import pytest
from django.test import Client as Browser

from accounts.models import Organisation
from audit.models import AuditEvent
from idp import flows, tasks
from idp.models import Client, ClientLogo
from tests import cast
from tests.cast import Person
from tests.support import oauth, pictures
from tests.support.authorize import authorize, query
from tests.support.elsewhere import Elsewhere
from tests.support.registering import initial_token, register

SCRIPT = b"<script>alert(document.domain)</script>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg">' + SCRIPT + b"</svg>"
LIES = {
    "a page": b"<!doctype html>" + SCRIPT,
    "an SVG": SVG,
    "an SVG with a declaration": b'<?xml version="1.0"?>' + SVG,
    "a page behind a signature": b"\x89PNG\r\n\x1a\n" + SCRIPT,
    "a picture with a page on its end": pictures.png() + SCRIPT,
    "a GIF that is a script": b"GIF89a/*" + bytes(20) + b"*/=1;alert(1)//;",
    "a picture and an archive": pictures.JPEG + b"PK\x05\x06" + bytes(18),
    "sixteen thousand million pixels": pictures.png(1, 1).replace(
        struct.pack(">II", 1, 1), struct.pack(">II", 131_072, 131_072)
    ),
}
PNG = "image/png"


def consent_page(client: Client, who: Person) -> Any:
    browser = Browser()
    cast.sign_in(browser, who)
    return browser.get("/oauth/consent", {"id": query(authorize(browser, client))["id"]})


@pytest.mark.parametrize("what", LIES)
@pytest.mark.parametrize("content_type", [PNG, "image/svg+xml", "text/html"])
def test_what_is_no_picture_is_not_kept(
    acme: Organisation, employee: Person, elsewhere: Elsewhere, what: str, content_type: str
) -> None:
    uri = elsewhere.serve("/logo", LIES[what], content_type=content_type)
    register(initial_token(acme), logo_uri=uri)

    assert tasks.fetch_client_logos() == 0

    assert len(elsewhere.requests) == 1
    assert ClientLogo.unscoped.get().content is None
    page = consent_page(Client.unscoped.get(), employee)
    assert page.status_code == 200
    assert "<img" not in page.content.decode()


def test_what_is_said_of_a_picture_counts_for_nothing(
    acme: Organisation, elsewhere: Elsewhere
) -> None:
    """What a browser is told of the type is what we found, not what the host said."""
    register(
        initial_token(acme),
        logo_uri=elsewhere.serve("/logo", pictures.gif(), content_type="image/webp"),
    )
    tasks.fetch_client_logos()

    reply = oauth.send("GET", Client.unscoped.get().logo_path)
    assert reply.headers["Content-Type"] == "image/gif"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "1073741824"}])
def test_no_more_is_read_than_a_logo_has(
    acme: Organisation, elsewhere: Elsewhere, headers: dict[str, str]
) -> None:
    sent: list[int] = []

    def page(handler: Any) -> None:
        handler.send_response(200)
        for name, value in ({"Content-Type": PNG} | headers).items():
            handler.send_header(name, value)
        handler.end_headers()
        try:
            for _ in range(1_000):
                sent.append(handler.wfile.write(bytes(65_536)))
        except OSError:
            pass

    elsewhere.pages["/logo"] = page
    register(initial_token(acme), logo_uri=elsewhere.url("/logo"))

    assert tasks.fetch_client_logos() == 0
    assert sum(sent) < 60_000_000
    assert "too large" in ClientLogo.unscoped.get().last_error


def test_who_registered_themselves_cannot_change_their_face_afterwards(
    acme: Organisation, employee: Person, elsewhere: Elsewhere, later
) -> None:
    honest, another = pictures.png(colour=(9, 9, 9)), pictures.png(colour=(200, 0, 0))
    uri = elsewhere.serve("/logo", honest, content_type=PNG)
    register(initial_token(acme), logo_uri=uri)
    tasks.fetch_client_logos()
    client = Client.unscoped.get()
    flows.grant_consent(
        user=employee.user, client=client, scopes=["openid"], session_id=None, now=later()
    )

    elsewhere.serve("/logo", another, content_type=PNG)
    for day in (1, 2, 30):
        later(days=day)
        tasks.fetch_client_logos()

    assert oauth.send("GET", client.logo_path).body == honest
    assert len(elsewhere.requests) == 1


def test_a_page_never_shows_what_came_between(
    acme: Organisation, employee: Person, elsewhere: Elsewhere, later
) -> None:
    """A picture's address is its digest: what the page named is what the browser gets, or nothing."""
    uri = elsewhere.serve("/logo", pictures.png(colour=(9, 9, 9)), content_type=PNG)
    client = cast.client("acme-ledger", acme)
    flows.update_client(client=client, metadata={"logo_uri": uri}, now=later())
    tasks.fetch_client_logos()
    page = consent_page(client, employee).content.decode()
    named = f"/client-logos/{page.partition('/client-logos/')[2].partition(chr(34))[0]}"
    assert oauth.send("GET", named).status == 200

    elsewhere.serve("/logo", pictures.png(colour=(200, 0, 0)), content_type=PNG)
    later(days=2)
    tasks.fetch_client_logos()

    assert oauth.send("GET", named).status == 404
    changes = AuditEvent.objects.filter(event="idp.client.logo_changed").order_by("-at")
    assert changes[0].facts["before"] == named.rpartition("/")[2]
