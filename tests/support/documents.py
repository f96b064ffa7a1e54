"""Applications that describe themselves by a document at their client_id."""

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from django.test import Client as Browser

from tests.support.authorize import authorize, target
from tests.support.elsewhere import Elsewhere

PATH = "/client.json"
KEPT_FOR_AN_HOUR = {"Cache-Control": "max-age=3600"}


def publish(
    server: Elsewhere,
    *,
    path: str = PATH,
    headers: dict[str, str] | None = None,
    status: int = 200,
    **changes: Any,
) -> str:
    """Serve a good document, `changes` replace or (None) drop members; its address."""
    client_id = server.url(path)
    members = {
        "client_id": client_id,
        "client_name": "Notes",
        "redirect_uris": [callback(server)],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "scope": "openid profile offline_access",
    } | changes
    body = json.dumps({name: value for name, value in members.items() if value is not None})
    kept = {"Content-Type": "application/json"} | KEPT_FOR_AN_HOUR | (headers or {})
    server.pages[path] = (status, kept, body.encode())
    return client_id


def callback(server: Elsewhere) -> str:
    return server.url("/callback")


def ask(browser: Browser, server: Elsewhere, client_id: str, **changes: Any) -> Any:
    return authorize(browser, client_id, **({"redirect_uri": callback(server)} | changes))


def consent_page(browser: Browser, response: Any) -> str:
    assert response.status_code == 303, response.content.decode()[:2000]
    assert response["Location"].startswith("/oauth/consent?"), response["Location"]
    return browser.get(response["Location"]).content.decode()


def allow(browser: Browser, response: Any) -> dict[str, str]:
    """Say yes on the consent page that an answer leads to; what the client gets."""
    assert response["Location"].startswith("/oauth/consent?"), response["Location"]
    handle = dict(parse_qsl(urlsplit(response["Location"]).query))["id"]
    answered = browser.post("/oauth/consent", {"request": handle, "decision": "allow"})
    return parameters(browser.get(answered["Location"]))


def parameters(response: Any) -> dict[str, str]:
    """The parameters with which the browser comes back to the client."""
    return dict(parse_qsl(urlsplit(target(response)).query))


def fetches(server: Elsewhere, path: str = PATH) -> int:
    return sum(1 for _, asked, _, _ in server.requests if asked == path)
