"""A018: a script of another site reads what a signed-in person, or a client, would get."""

import pytest
from django.test import Client as Browser

from idp.models import Client
from tests import cast
from tests.cast import Person
from tests.support import oauth
from tests.support.authorize import parameters

EVIL = "https://evil.example"
ORIGINS = [EVIL, "null", "http://localhost:8000", "https://app.acme.example"]


def allows(headers: dict[str, str]) -> set[str]:
    return {name for name in headers if name.lower().startswith("access-control-")}


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("method", ["get", "post", "options"])
@pytest.mark.parametrize(
    "path", ["/oauth/authorize", "/oauth/consent", "/oauth/end-session", "/", "/accounts/login/"]
)
def test_no_page_is_read_from_elsewhere(
    acme_web: Client, employee: Person, path: str, method: str, origin: str
) -> None:
    browser = Browser()
    cast.sign_in(browser, employee)
    asked = {
        "origin": origin,
        "access-control-request-method": "GET",
        "access-control-request-headers": "authorization",
    }

    response = getattr(browser, method)(path, parameters(acme_web), headers=asked)

    assert response.status_code < 500
    assert not allows(dict(response.headers))


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("method", ["POST", "OPTIONS"])
@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/par", "/oauth/revoke", "/oauth/userinfo"])
def test_what_scripts_may_ask_knows_no_cookies_and_no_origin(
    db: None, path: str, method: str, origin: str
) -> None:
    reply = oauth.send(
        method, path, HTTP_ORIGIN=origin, HTTP_COOKIE="session=x",
        HTTP_ACCESS_CONTROL_REQUEST_METHOD="POST",
    )  # fmt: skip

    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in reply.headers
    assert "Set-Cookie" not in reply.headers
    allowed = [value for name, value in reply.headers.items() if name.startswith("Access-Control-")]
    assert not any(origin in value for value in allowed)


@pytest.mark.parametrize(
    "path",
    ["/oauth/introspect", "/oauth/register", "/oauth/device_authorization", "/oauth/bc-authorize"],
)
def test_what_only_servers_ask_is_closed_to_scripts(db: None, path: str) -> None:
    for method in ("POST", "OPTIONS"):
        assert not allows(oauth.send(method, path, HTTP_ORIGIN=EVIL).headers)
