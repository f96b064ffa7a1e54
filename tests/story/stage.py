"""What the steps share: the running product, its people, and what earlier steps left behind."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.authenticators import NO_AUTOFILL, Authenticator
from tests.browser.conftest import DemoClient, Mailbox
from tests.browser.people import Person
from tests.support.instance import Instance

HOME = "85.214.0.1"  # Berlin, by the offline data
TIMEOUT_MILLISECONDS = 30_000


class StoryError(Exception):
    """A step did not come out as promised; the text says what was seen instead."""


@dataclass
class Stage:
    instance: Instance
    demo: DemoClient
    browser: Browser
    mailbox: Mailbox
    email: str = "emma@acme.example"
    password: str = "twelve calm herons fly 7"
    page: Page = field(init=False)
    authenticator: Authenticator = field(init=False)
    evidence: list[str] = field(default_factory=list)
    # What steps leave to later ones: the grant, the gateway that asks, and its tokens of her.
    grant: str = ""
    gateway: Any = None
    tokens: dict[str, Any] = field(default_factory=dict)
    _approver: Person | None = None

    def __post_init__(self) -> None:
        self.page = self.open_browser(HOME).new_page()
        self.authenticator = Authenticator(self.page)

    def open_browser(self, address: str, **options: Any) -> BrowserContext:
        """A browser of its own that comes from this network address."""
        context = self.browser.new_context(
            base_url=self.instance.base_url,
            locale="en-GB",
            reduced_motion="reduce",
            extra_http_headers={"X-Forwarded-For": address},
            **options,
        )
        context.set_default_timeout(TIMEOUT_MILLISECONDS)
        context.add_init_script(NO_AUTOFILL)
        return context

    def open_page(self) -> Page:
        """Another tab of her browser."""
        return self.page.context.new_page()

    def approver(self) -> Person:
        """Bob, who administers Acme: somebody else."""
        if self._approver is None:
            (told,) = (each for each in self.instance.demo["users"] if "admin" in each["roles"])
            self._approver = Person(told["email"], told["password"], told["totp_secret"], "")
        return self._approver

    def show(self, what: str) -> None:
        """Add a line of evidence to the step that runs."""
        self.evidence.append(what)

    def demand(self, is_so: object, what: str) -> None:
        """What must hold and is no news when it does. Raises StoryError."""
        if not is_so:
            raise StoryError(what)

    def check(self, is_so: object, what: str) -> None:
        """What must hold; shown when it does. Raises StoryError."""
        if not is_so:
            raise StoryError(f"not so: {what}")
        self.show(what)

    def ask(self, statement: str, *params: Any) -> tuple[Any, ...]:
        """One row of the product's database, for evidence only. Raises StoryError without one."""
        with self.instance.connect() as connection:
            row = connection.execute(statement, params).fetchone()  # type: ignore[call-overload]
        if row is None:
            raise StoryError(f"no row: {statement}")
        return tuple(row)


@contextmanager
def open_stage() -> Iterator[Stage]:
    """Start the product, its demo application and Chromium on free ports; all end with the block."""
    from playwright.sync_api import sync_playwright

    from tests.browser.conftest import chromium, started_instance

    with (
        started_instance() as instance,
        DemoClient(instance) as demo,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium()) as browser,
    ):
        yield Stage(instance, demo, browser, Mailbox(instance.var / "mail"))
