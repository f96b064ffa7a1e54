"""Whatever is sent to the browser-side endpoints, the answer is never a 500."""

from typing import Any

import pytest
from django.test import Client as Browser

from idp.models import Client
from tests import cast
from tests.cast import Person
from tests.support.authorize import parameters

PATHS = [
    "/oauth/authorize",
    "/oauth/authorize/resume",
    "/oauth/authorize/account",
    "/oauth/consent",
    "/oauth/end-session",
]
VALUES = [
    "", "\0", "é", "\ud7ff", "\U0001f510", "%", "%00", "a\r\nb", "\x7f", "'\"<>\\", "[]", "{}",
    "9" * 400, "-1", "1e9", "none", "none none", " ", "\u202e", "eyJ" * 500, "..", "a.b.c",
]  # fmt: skip
BODIES = [
    ("application/x-www-form-urlencoded", b"\xff\xfe=\x00&%&&=="),
    ("application/x-www-form-urlencoded; charset=nonsense", b"client_id=a"),
    ("application/x-www-form-urlencoded; charset=utf-16", b"client_id=a"),
    ("multipart/form-data", b"--x"),
    ("multipart/form-data; boundary=\xff", b"--x"),
    ("application/json", b"[" * 2000),
    ("", b"\x00" * 100),
    ("application/x-www-form-urlencoded", b"a=1&" * 3000),
    ("application/x-www-form-urlencoded", b"state=" + b"x" * 300_000),
]


@pytest.fixture(params=["stranger", "employee"])
def visitor(request: pytest.FixtureRequest, acme_web: Client) -> Browser:
    browser = Browser(raise_request_exception=False)
    if request.param == "employee":
        who: Person = request.getfixturevalue("employee")
        cast.sign_in(browser, who)
    return browser


AUTHORIZE = [
    "client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce",
    "code_challenge", "prompt", "max_age", "acr_values", "id_token_hint", "request", "login_hint",
]  # fmt: skip
READ = {
    "/oauth/authorize": AUTHORIZE,
    "/oauth/authorize/resume": ["id"],
    "/oauth/authorize/account": ["id"],
    "/oauth/consent": ["id"],
    "/oauth/end-session": ["id_token_hint", "client_id", "post_logout_redirect_uri", "state"],
}


@pytest.mark.parametrize("path", PATHS)
def test_no_parameter_breaks_it(visitor: Browser, acme_web: Client, path: str) -> None:
    failures: list[Any] = []
    for name in READ[path]:
        for value in VALUES:
            query = parameters(acme_web) | {name: value}
            response = visitor.get(path, query)
            if response.status_code >= 500:
                failures.append((name, value, response.status_code))

    assert failures == []


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("kind", "body"), BODIES)
def test_no_body_breaks_it(visitor: Browser, path: str, kind: str, body: bytes) -> None:
    response = visitor.generic("POST", path, body, content_type=kind)

    assert response.status_code in {200, 303, 400, 403, 404, 405, 409}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "headers",
    [
        {"HTTP_COOKIE": "session=\xff\x00; csrf=;;;="},
        {"HTTP_ACCEPT_LANGUAGE": "\xff" * 5000},
        {"HTTP_USER_AGENT": "\xff\x01" * 3000},
        {"HTTP_X_FORWARDED_FOR": "a, b, \xff"},
        {"REMOTE_ADDR": ""},
        {"HTTP_HX_REQUEST": "true", "HTTP_HX_CURRENT_URL": "%%"},
    ],
)
def test_no_header_breaks_it(visitor: Browser, path: str, headers: dict[str, Any]) -> None:
    response = visitor.get(path, **headers)

    assert response.status_code < 500
