"""A logo from another host, in a real browser, which asks that host for nothing."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.looks import look
from tests.browser.people import Pool
from tests.browser.steps import authorize_url, heading
from tests.support import pictures
from tests.support.elsewhere import LOOPBACK, Elsewhere, authority
from tests.support.instance import Instance

WAYS = {
    "png": (pictures.png(300, 100), "image/png", 300),
    "jpeg": (pictures.JPEG, "image/jpeg", 8),
    "gif": (pictures.gif(), "image/gif", 1),
    "webp": (pictures.WEBP, "image/webp", 8),
    "webp lossless": (pictures.WEBP_LOSSLESS, "image/webp", 8),
}


@pytest.fixture(scope="module")
def asking() -> Iterator[Instance]:
    extra = {
        "SALLYPORT_OUTBOUND__ALLOWED_NETWORKS": json.dumps([str(LOOPBACK)]),
        "SALLYPORT_OUTBOUND__CA": authority().pem,
        "SALLYPORT_TRUSTED_PROXY_COUNT": "1",
    }
    with Instance(with_demo=True, environment=extra) as running:
        yield running


@pytest.fixture(scope="module")
def people(asking: Instance) -> Pool:
    return Pool(asking)


@contextmanager
def registered(instance: Instance, content: bytes, content_type: str) -> Iterator[str]:
    """The client_id of an application whose logo has been fetched; its host is gone then."""
    with Elsewhere() as server:
        uri = server.serve("/logo", content, content_type=content_type)
        metadata = instance.var / f"pictured-{server.port}.json"
        metadata.write_text(json.dumps({"logo_uri": uri}))
        said = instance.manage(
            "register_client", "acme", "Ledger", "--public", "--redirect-uri",
            "https://ledger.example/cb", "--metadata", str(metadata),
        )  # fmt: skip
        instance.inside("from idp.tasks import *; fetch_client_logos()")
        assert [path for _, path, *_ in server.requests] == ["/logo"]
    yield said.partition("client_id: ")[2].split()[0]


@pytest.mark.parametrize("kind", WAYS)
def test_it_is_seen_on_the_consent_page(
    asking: Instance, people: Pool, open_browser: Callable[..., Page], kind: str
) -> None:
    content, content_type, width = WAYS[kind]
    with registered(asking, content, content_type) as client_id:
        page = open_browser(signed_in=people.take("strong"), base_url=asking.base_url)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(
            authorize_url(asking, client_id=client_id, redirect_uri="https://ledger.example/cb")
        )
        expect(heading(page)).to_have_text("Allow Ledger to do this?")

        logo = page.locator("img.logo")
        size: Any = logo.evaluate("image => [image.naturalWidth, image.offsetWidth]")
        assert size == [width, 40]
        assert logo.get_attribute("alt") == ""
        assert all(url.startswith(asking.base_url) for url in asked)
        look(page)
