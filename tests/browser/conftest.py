"""A real product, its demo application and a real Chromium, shared by all tests of a worker.

Every page of every test is watched: an error in the console (a breach of the content security
policy is one), an exception in a script or an answer of 500 fails the test that met it.
"""

import itertools
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, expect

from config.children import PROJECT, tethered
from config.run import DEMO_CLIENT_DISTANCE
from tests.browser.people import Person, Pool
from tests.support.chromium import shell
from tests.support.instance import Instance

TIMEOUT_MILLISECONDS = 30_000
START_SECONDS = 60
expect.set_options(timeout=TIMEOUT_MILLISECONDS)
# Each browser comes from an address of its own, so that limits by address never meet two tests.
ADDRESSES = (f"198.18.{high}.{low}" for high, low in itertools.product(range(256), range(1, 255)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.instance)


# --- the product ---------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def instance() -> Iterator[Instance]:
    with started_instance() as running:
        yield running


def started_instance() -> Instance:
    """An instance with the demo organisations, a worker that mails and calls, and a proxy."""
    return Instance(
        with_demo=True,
        with_worker=True,
        environment={
            "SALLYPORT_TRUSTED_PROXY_COUNT": "1",
            "SALLYPORT_OUTBOUND__ALLOWED_NETWORKS": '["127.0.0.0/8", "::1/128"]',
        },
    )


@pytest.fixture(scope="session")
def demo(instance: Instance) -> Iterator[str]:
    """The address of the demo application, without a slash."""
    with DemoClient(instance) as running:
        yield running.url


@dataclass
class DemoClient:
    """The demo application as a process beside the instance, on the port that is registered."""

    instance: Instance
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://localhost:{self.instance.port + DEMO_CLIENT_DISTANCE}"

    def __enter__(self) -> Self:
        log = self.instance.var / "log" / "client.log"
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                tethered([sys.executable, "-m", "examples.demo_client"]),
                cwd=PROJECT,
                env=self.instance.environment()
                | {
                    "DEMO_CLIENT_CONFIG": str(self.instance.var / "demo.json"),
                    "DEMO_CLIENT_PORT": self.url.rpartition(":")[2],
                },
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the demo application did not start:\n{log.read_text()}")
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait()

    def _answers(self) -> bool:
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/healthz", timeout=5).is_success
        return False


@pytest.fixture(scope="session")
def pool(instance: Instance) -> Pool:
    return Pool(instance)


@pytest.fixture
def person(pool: Pool) -> Person:
    """Somebody with a password and an authenticator app."""
    return pool.take("strong")


@pytest.fixture
def newcomer(pool: Pool) -> Person:
    """Somebody with a password alone."""
    return pool.take("plain")


@pytest.fixture
def age_sessions(instance: Instance) -> Callable[[Person], None]:
    """Let a person's proofs be older than what sensitive pages accept."""

    def age(who: Person) -> None:
        with instance.connect() as connection:
            connection.execute(
                "UPDATE idp_sessions_loginsession SET auth_time = auth_time - interval '1 hour', "
                "started_at = started_at - interval '1 hour' "
                "WHERE user_id = (SELECT id FROM accounts_user WHERE email = %s)",
                [who.email],
            )

    return age


# --- mail ----------------------------------------------------------------------------------------


@dataclass
class Mailbox:
    """What the worker has written into the instance's mail folder."""

    folder: Path

    def link(self, to: str, containing: str) -> str:
        """The link of the latest mail to this address whose link contains these words."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            for text in self._mails(to):
                found = [url for url in re.findall(r"https?://\S+", text) if containing in url]
                if found:
                    return found[0]
            assert time.monotonic() < deadline, f"no mail to {to} with a link to {containing}"
            time.sleep(0.05)

    def _mails(self, to: str) -> list[str]:
        """Latest first."""
        files = sorted(self.folder.glob("*"), key=lambda file: file.stat().st_mtime, reverse=True)
        return [text for file in files if f"To: {to}" in (text := file.read_text())]


@pytest.fixture
def mailbox(instance: Instance) -> Mailbox:
    return Mailbox(instance.var / "mail")


# --- the browser ---------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Without a desktop or a GPU: to pretend that they are there takes most of the time of opening
    a page."""
    return {
        **browser_type_launch_args,
        "executable_path": shell() or chromium(),
        "args": [*browser_type_launch_args.get("args", []), "--disable-gpu"],
    }


def chromium() -> str:
    """The Chromium that `make test` found, or the one on the path."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert found, "no Chromium: run `make test`, or name one in CHROMIUM"
    return found


@dataclass
class Watch:
    """What went wrong in the pages of a test, apart from what the test says it expects."""

    faults: list[str] = field(default_factory=list)
    # A key that is bound or shown too late, because the session has just ended, is no fault.
    expected: list[str] = field(default_factory=lambda: ["/sessions/binding/"])

    # Pages that wanted the browser's key first: a session that has just been bound may meet one.
    asked: set[str] = field(default_factory=set)

    def expect(self, *words: str) -> None:
        """Console messages with these words are part of the story."""
        self.expected += words

    def follow(self, context: BrowserContext) -> None:
        context.on("console", self._hear)
        context.on("weberror", lambda error: self.faults.append(f"script: {error.error}"))
        context.on("response", self._check)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.faults.append(f"console: {message.text} ({message.location.get('url')})")

    def _check(self, response: Any) -> None:
        if response.status >= 500:
            self.faults.append(f"answer: {response.status} {response.url}")
        if response.headers.get("www-authenticate") == "Bound-Cookie":
            self.asked.add(response.url)

    @property
    def unexpected(self) -> list[str]:
        expected = [
            *self.expected,
            *(f"status of 401 (Unauthorized) ({url})" for url in self.asked),
        ]
        return [fault for fault in self.faults if not any(words in fault for words in expected)]


@pytest.fixture
def watch() -> Iterator[Watch]:
    watching = Watch()
    yield watching
    assert not watching.unexpected


@pytest.fixture
def open_browser(
    new_context: Callable[..., BrowserContext], watch: Watch, instance: Instance
) -> Callable[..., Page]:
    """`open_browser(signed_in=person, java_script_enabled=False)`: a browser of its own, one page."""

    def open_one(*, signed_in: Person | None = None, **options: Any) -> Page:
        context = new_context(
            **{
                "base_url": instance.base_url,
                "viewport": {"width": 1440, "height": 900},
                "locale": "en-GB",
                "timezone_id": "Europe/Zurich",
                "reduced_motion": "reduce",
                "extra_http_headers": {"X-Forwarded-For": next(ADDRESSES)},
            }
            | options
        )
        context.set_default_timeout(TIMEOUT_MILLISECONDS)
        watch.follow(context)
        if signed_in is not None:
            context.add_cookies(
                [{"name": "session", "value": signed_in.session, "url": instance.base_url}]
            )
        return context.new_page()

    return open_one


@pytest.fixture
def page(open_browser: Callable[..., Page]) -> Page:
    """A browser that nobody has signed in with."""
    return open_browser()
