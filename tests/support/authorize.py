"""Drives the authorization endpoint as a browser would."""

from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from django.test import Client as Browser

from audit.models import AuditEvent
from idp.grants.authorization_code import s256
from idp.models import AuthorizationCode, Client, RefreshFamily
from tests import cast
from tests.support.oauth import VERIFIER

ISSUER = "http://localhost:8000"
TYPES = [
    "code", "code id_token", "code token", "code id_token token", "id_token", "id_token token",
]  # fmt: skip
GIVEN = {"code": "code", "id_token": "id_token", "token": "access_token"}


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


class FormPost(HTMLParser):
    """The form of an answer by response_mode=form_post."""

    def __init__(self, response: Any) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}
        self.buttons: list[dict[str, str | None]] = []
        self.feed(response.content.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "form" and values.get("id") == "form-post":
            assert values["method"] == "post"
            self.action = values["action"] or ""
        elif tag == "input" and self.action:
            self.fields[values["name"] or ""] = values["value"] or ""
        elif tag == "button" and values.get("type") == "submit":
            self.buttons.append(values)


def target(response: Any) -> str:
    """Where an answer sends the browser, by redirect or by a page that moves on."""
    if response.has_header("Location"):
        return str(response["Location"])
    assert response.status_code == 200, response.content.decode()[:2000]
    delay, _, url = response["Refresh"].partition(";url=")
    assert delay == "0"
    return str(url)


def answer(response: Any) -> dict[str, str]:
    """The parameters with which the browser comes back to the client, in whatever mode."""
    return answer_and_mode(response)[0]


def answer_and_mode(response: Any) -> tuple[dict[str, str], str]:
    """The parameters, and where they stand: query, fragment or form_post. Nowhere else."""
    if not response.has_header("Location") and not response.has_header("Refresh"):
        form = FormPost(response)
        assert form.action.startswith(cast.REDIRECT_URI), response.content.decode()[:2000]
        assert "#" not in form.action
        return form.fields, "form_post"
    location = target(response)
    assert location.startswith(cast.REDIRECT_URI), location
    parts = urlsplit(location)
    if parts.fragment:
        assert not parts.query
        return dict(parse_qsl(parts.fragment, strict_parsing=True)), "fragment"
    return dict(parse_qsl(parts.query, strict_parsing=True)), "query"


def given(response: Any, response_type: str) -> dict[str, str]:
    """An answer where this type has it, with all that the type names, and nothing else."""
    values = _standing_right(response, response_type)
    assert values.keys() & {*GIVEN.values(), "error"} == {
        GIVEN[word] for word in response_type.split()
    }, values
    return values


def refused(response: Any, response_type: str) -> str:
    """The error of an answer that has nothing else, where this type has it."""
    values = _standing_right(response, response_type)
    assert not values.keys() & {*GIVEN.values()}
    return values["error"]


def _standing_right(response: Any, response_type: str) -> dict[str, str]:
    values, mode = answer_and_mode(response)
    assert mode == ("query" if response_type == "code" else "fragment")
    assert values["state"]
    return values


def path(response: Any) -> str:
    """The path of ours that a redirect leads to."""
    assert response.status_code == 303, response.content.decode()[:2000]
    assert response["Location"].startswith("/"), response["Location"]
    return urlsplit(response["Location"]).path


def query(response: Any) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(response["Location"]).query))


def nothing_was_issued() -> bool:
    """Neither a code nor a token, nor an audit event of one."""
    told = AuditEvent.objects.filter(event__in=["idp.code.issued", "idp.token.issued"])
    return (
        not AuthorizationCode.unscoped.exists()
        and not RefreshFamily.unscoped.exists()
        and not told.exists()
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
