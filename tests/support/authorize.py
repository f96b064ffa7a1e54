"""Drives the authorization endpoint as a browser would."""

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from django.test import Client as Browser

from audit.models import AuditEvent
from idp.grants.authorization_code import s256
from idp.models import AuthorizationCode, Client
from tests import cast
from tests.support.oauth import VERIFIER

ISSUER = "http://localhost:8000"


def parameters(client: Client | str, **changes: Any) -> dict[str, Any]:
    """A correct request; `changes` replace or (None) drop parameters."""
    values = {
        "client_id": client if isinstance(client, str) else client.client_id,
        "redirect_uri": cast.REDIRECT_URI,
        "response_type": "code",
        "scope": "openid profile",
        "state": "s-1",
        "nonce": "n-1",
        "code_challenge": s256(VERIFIER),
        "code_challenge_method": "S256",
    } | changes
    return {name: value for name, value in values.items() if value is not None}


def authorize(browser: Browser, client: Client | str, **changes: Any) -> Any:
    query = urlencode(parameters(client, **changes), doseq=True)
    return browser.get(f"/oauth/authorize?{query}")


def target(response: Any) -> str:
    """Where an answer sends the browser, by redirect or by a page that moves on."""
    if response.has_header("Location"):
        return str(response["Location"])
    assert response.status_code == 200, response.content.decode()[:2000]
    delay, _, url = response["Refresh"].partition(";url=")
    assert delay == "0"
    return str(url)


def answer(response: Any) -> dict[str, str]:
    """The parameters with which the browser comes back to the client."""
    location = target(response)
    assert location.startswith(cast.REDIRECT_URI), location
    return dict(parse_qsl(urlsplit(location).query, strict_parsing=True))


def path(response: Any) -> str:
    """The path of ours that a redirect leads to."""
    assert response.status_code == 303, response.content.decode()[:2000]
    assert response["Location"].startswith("/"), response["Location"]
    return urlsplit(response["Location"]).path


def query(response: Any) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(response["Location"]).query))


def nothing_was_issued() -> bool:
    """Neither a code nor an audit event of one."""
    return (
        not AuthorizationCode.unscoped.exists()
        and not AuditEvent.objects.filter(event="idp.code.issued").exists()
    )


def is_error_page(response: Any) -> bool:
    """A 400 page of ours, without any redirect."""
    return (
        response.status_code == 400
        and not response.has_header("Location")
        and not response.has_header("Refresh")
        and response["Content-Type"].startswith("text/html")
        and "no-store" in response["Cache-Control"]
    )
