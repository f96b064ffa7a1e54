"""A084: cookies that a neighbour can read, set or send along."""

import os
import re
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from http.cookies import SimpleCookie

import httpx
import pytest

from config.children import PROJECT
from tests.support.instance import Instance

pytestmark = pytest.mark.instance

WANTED = {
    "__Host-session": {"httponly": True, "samesite": "Lax"},
    "__Host-csrf": {"httponly": True, "samesite": "Lax"},
    "__Host-browser": {"httponly": True, "samesite": "Lax"},
}
"""Each with Secure, Path=/ and no Domain: the prefix demands it, and browsers hold us to it."""


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    """As behind TLS: the base URL is https, and a proxy says so."""
    with Instance(
        with_demo=True,
        environment={
            "SALLYPORT_BASE_URL": "https://id.example.org",
            "SALLYPORT_TRUSTED_PROXY_COUNT": "1",
        },
    ) as running:
        yield running


@pytest.fixture
def browser(instance: Instance) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=f"http://127.0.0.1:{instance.port}",
        headers={
            "Host": "id.example.org",
            "X-Forwarded-Proto": "https",
            "X-Forwarded-For": "203.0.113.5",
        },
    ) as client:
        yield client


def set_by(answer: httpx.Response) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = {}
    for line in answer.headers.get_list("set-cookie"):
        for name, morsel in SimpleCookie(line).items():
            found[name] = dict(morsel)
    return found


def sign_in(browser: httpx.Client, instance: Instance) -> dict[str, dict[str, object]]:
    """Carol signs in with her password; every cookie that was set on the way."""
    carol = instance.demo["users"][2]
    page = browser.get("/accounts/login/")
    seen = set_by(page)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    assert token is not None
    jar = {name: browser.cookies.get(name) or "" for name in browser.cookies}
    answer = browser.post(
        "/accounts/login/",
        data={
            "csrfmiddlewaretoken": token[1],
            "login": carol["email"],
            "password": carol["password"],
        },
        headers={
            "Referer": "https://id.example.org/accounts/login/",
            "Origin": "https://id.example.org",
            "Cookie": "; ".join(f"{name}={value}" for name, value in jar.items()) or _cookies(page),
        },
    )
    assert answer.status_code == 302, answer.text[:500]
    return seen | set_by(answer)


def _cookies(page: httpx.Response) -> str:
    """httpx keeps no Secure cookies for http: hand them on ourselves."""
    morsels = [SimpleCookie(line) for line in page.headers.get_list("set-cookie")]
    return "; ".join(f"{name}={m.value}" for each in morsels for name, m in each.items())


def test_every_cookie_is_of_this_host_alone(browser: httpx.Client, instance: Instance) -> None:
    seen = sign_in(browser, instance)

    assert set(WANTED) <= set(seen)
    for name, flags in seen.items():
        assert name.startswith("__Host-"), name
        assert flags["secure"] is True, name
        assert flags["path"] == "/", name
        assert flags["domain"] == "", name
        assert flags["samesite"] in {"Lax", "Strict", "None"}, name
    for name, wanted in WANTED.items():
        assert {key: seen[name][key] for key in wanted} == wanted, name


def test_a_cookie_under_the_plain_name_is_not_ours(
    browser: httpx.Client, instance: Instance
) -> None:
    """What a sibling domain or plain http can set has another name."""
    answer = browser.get("/security/", headers={"Cookie": "session=" + "a" * 32})

    assert answer.status_code == 302
    assert "/accounts/login/" in answer.headers["location"]


def test_production_cannot_be_run_with_plain_names() -> None:
    """Whether names carry the prefix follows the base URL, which must be https there."""
    started = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=PROJECT,
        env={
            "PATH": os.environ["PATH"],
            "SALLYPORT_ENVIRONMENT": "production",
            "SALLYPORT_BASE_URL": "http://id.example.org",
            "SALLYPORT_DATABASE_URL": "postgresql:///none",
            "SALLYPORT_REDIS_URL": "redis://localhost",
            "SALLYPORT_SECRET_KEY": "k" * 64 + "0123456789abcdef",
            "SALLYPORT_KEY_ENCRYPTION_KEYS": f"k1:{b64encode(bytes(range(32))).decode()}",
            "SALLYPORT_EMAIL__HOST": "mail.example.org",
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert started.returncode != 0
    assert "BASE_URL" in started.stderr + started.stdout
