"""An application of somebody else, on a server of its own, with which people sign in."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
from playwright.sync_api import Page, expect

from tests.browser.steps import authorize_url, heading
from tests.support.elsewhere import Elsewhere
from tests.support.instance import Instance

HTML = {"Content-Type": "text/html"}
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"  # RFC 7636, appendix B


@dataclass
class Application:
    """client_id: as it is registered with the instance; public, and people are not asked."""

    instance: Instance
    server: Elsewhere
    client_id: str

    def sign_in(self, page: Page) -> dict[str, str]:
        """Come back from the provider, where somebody is signed in; what it answered."""
        url = self.server.url("/callback")
        page.goto(authorize_url(self.instance, client_id=self.client_id, redirect_uri=url))
        expect(heading(page)).to_have_text("Ledger")
        return dict(parse_qsl(urlsplit(page.url).query))

    def redeem(self, answer: dict[str, str]) -> dict[str, Any]:
        """The tokens for an answer."""
        form = {
            "grant_type": "authorization_code", "client_id": self.client_id,
            "code": answer["code"], "code_verifier": VERIFIER,
            "redirect_uri": self.server.url("/callback"),
        }  # fmt: skip
        reply = httpx.post(f"{self.instance.base_url}/oauth/token", data=form)
        assert reply.status_code == 200, reply.text
        return dict(reply.json())


@contextmanager
def application(
    instance: Instance, *, page: str = "<h1>Ledger</h1>", **places: str
) -> Iterator[Application]:
    """Register an application whose server runs meanwhile.

    page: what its callback shows. places: client metadata that are paths on its server.
    """
    with serving(page) as server:
        metadata = instance.var / f"ledger-{server.port}.json"
        metadata.write_text(json.dumps({name: server.url(path) for name, path in places.items()}))
        said = instance.manage(
            "register_client", "acme", "Ledger", "--public", "--first-party",
            "--redirect-uri", server.url("/callback"),
            "--post-logout-redirect-uri", server.url("/bye"),
            "--metadata", str(metadata),
        )  # fmt: skip
        found = re.search(r"client_id: (\S+)", said)
        assert found is not None, said
        yield Application(instance, server, found[1])


def serving(page: str) -> Elsewhere:
    server = Elsewhere(is_tls=False)
    server.pages["/callback"] = (200, HTML, f"<!doctype html><title>Ledger</title>{page}".encode())
    server.pages["/favicon.ico"] = (204, {}, b"")
    return server
