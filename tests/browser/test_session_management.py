"""The frame of session management in a real browser, asked by a page of another origin."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watch
from tests.browser.people import Person, Pool
from tests.browser.steps import authorize_url, heading, sign_in
from tests.support.elsewhere import Elsewhere
from tests.support.instance import Instance

ASKS = """<!doctype html><title>Ledger</title><h1>Ledger</h1>
<iframe id="provider" hidden src="PROVIDER/session/check/"></iframe>
<script>
window.ask = (message) => new Promise((resolve) => {
  addEventListener("message", (event) => {
    if (event.origin === "PROVIDER") resolve(event.data);
  }, { once: true });
  document.getElementById("provider").contentWindow.postMessage(message, "PROVIDER");
});
</script>"""


@dataclass
class Ledger:
    """An application on a server of its own. client_id: as it is registered."""

    server: Elsewhere
    instance: Instance
    client_id: str

    def sign_in(self, page: Page) -> str:
        """Come back from the provider, which asks nothing any more; what the frame is asked."""
        url = self.server.url("/callback")
        page.goto(authorize_url(self.instance, client_id=self.client_id, redirect_uri=url))
        expect(heading(page)).to_have_text("Ledger")
        (state,) = parse_qs(urlsplit(page.url).query)["session_state"]
        return f"{self.client_id} {state}"

    def ask(self, page: Page, message: object) -> str:
        assert page.url.startswith(self.server.url())
        return str(page.evaluate("message => window.ask(message)", message))


@pytest.fixture(scope="module")
def checking() -> Iterator[Instance]:
    extra = {"SALLYPORT_SESSION_MANAGEMENT": "true", "SALLYPORT_TRUSTED_PROXY_COUNT": "1"}
    with Instance(with_demo=True, environment=extra) as running:
        yield running


@pytest.fixture(scope="module")
def people(checking: Instance) -> Pool:
    return Pool(checking)


@pytest.fixture(scope="module")
def ledger(checking: Instance) -> Iterator[Ledger]:
    with asking(checking) as server:
        said = checking.manage(
            "register_client", "acme", "Ledger", "--public", "--first-party",
            "--redirect-uri", server.url("/callback"),
        )  # fmt: skip
        found = re.search(r"client_id\W+([\w-]+)", said)
        assert found is not None, said
        yield Ledger(server, checking, found[1])


def asking(instance: Instance) -> Elsewhere:
    server = Elsewhere(is_tls=False)
    body = ASKS.replace("PROVIDER", instance.base_url).encode()
    server.pages["/callback"] = (200, {"Content-Type": "text/html"}, body)
    server.pages["/favicon.ico"] = (204, {}, b"")
    return server


@pytest.fixture
def pat(people: Pool) -> Person:
    return people.take("strong")


@pytest.fixture
def page(open_browser: Callable[..., Page], checking: Instance, pat: Person) -> Page:
    return open_browser(signed_in=pat, base_url=checking.base_url)


def test_it_notices_that_the_person_signs_out_and_in_again(
    page: Page, ledger: Ledger, pat: Person
) -> None:
    message = ledger.sign_in(page)
    assert ledger.ask(page, message) == "unchanged"

    other = page.context.new_page()
    other.goto("/accounts/logout/")
    other.get_by_role("button", name="Sign out").click()
    expect(heading(other)).to_have_text("Sign in")
    assert ledger.ask(page, message) == "changed"

    sign_in(other, pat)
    expect(heading(other)).not_to_have_text("Enter your code")
    assert ledger.ask(page, message) == "changed", "it is another session"
    assert ledger.ask(page, ledger.sign_in(page)) == "unchanged"


def test_to_another_origin_the_same_words_say_nothing(
    page: Page, ledger: Ledger, checking: Instance
) -> None:
    message = ledger.sign_in(page)

    with asking(checking) as stranger:
        page.goto(stranger.url("/callback"))
        assert page.evaluate("message => window.ask(message)", message) == "changed"


@pytest.mark.parametrize(
    "message",
    ["", "nonsense", "client hash", "client hash.salt", "a b c", 7, None, {"client": 1}],
    ids=["empty", "word", "no-salt", "no-hash", "three-words", "number", "null", "object"],
)
def test_what_cannot_be_read_is_an_error(page: Page, ledger: Ledger, message: object) -> None:
    page.goto(ledger.server.url("/callback"))

    assert ledger.ask(page, message) == "error"


def test_another_client_of_the_same_place_learns_nothing(page: Page, ledger: Ledger) -> None:
    _, _, state = ledger.sign_in(page).partition(" ")

    assert ledger.ask(page, f"another {state}") == "changed"


def test_no_other_page_can_be_framed(page: Page, ledger: Ledger, watch: Watch) -> None:
    watch.expect("frame-ancestors")
    ledger.sign_in(page)

    with page.expect_console_message(lambda said: "frame-ancestors" in said.text):
        page.locator("#provider").evaluate(
            "(frame, url) => { frame.src = url }", f"{ledger.instance.base_url}/accounts/login/"
        )
