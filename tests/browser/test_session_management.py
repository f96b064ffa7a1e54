"""The frame of session management in a real browser, asked by a page of another origin."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.applications import Application, application, serving
from tests.browser.conftest import Watch
from tests.browser.people import Person, Pool
from tests.browser.steps import heading, sign_in
from tests.support.instance import Instance

ASKS = """<h1>Ledger</h1><iframe id="provider" hidden src="PROVIDER/session/check/"></iframe>
<script>
window.ask = (message) => new Promise((resolve) => {
  addEventListener("message", (event) => {
    if (event.origin === "PROVIDER") resolve(event.data);
  }, { once: true });
  document.getElementById("provider").contentWindow.postMessage(message, "PROVIDER");
});
</script>"""


@pytest.fixture(scope="module")
def checking() -> Iterator[Instance]:
    extra = {"SALLYPORT_SESSION_MANAGEMENT": "true", "SALLYPORT_TRUSTED_PROXY_COUNT": "1"}
    with Instance(with_demo=True, environment=extra) as running:
        yield running


@pytest.fixture(scope="module")
def people(checking: Instance) -> Pool:
    return Pool(checking)


@pytest.fixture(scope="module")
def ledger(checking: Instance) -> Iterator[Application]:
    with application(checking, page=asking(checking)) as running:
        yield running


def asking(instance: Instance) -> str:
    return ASKS.replace("PROVIDER", instance.base_url)


def sign_in_to(ledger: Application, page: Page) -> str:
    """What the frame is asked from now on."""
    return f"{ledger.client_id} {ledger.sign_in(page)['session_state']}"


def ask(page: Page, message: object) -> str:
    return str(page.evaluate("message => window.ask(message)", message))


@pytest.fixture
def pat(people: Pool) -> Person:
    return people.take("strong")


@pytest.fixture
def page(open_browser: Callable[..., Page], checking: Instance, pat: Person) -> Page:
    return open_browser(signed_in=pat, base_url=checking.base_url)


def test_it_notices_that_the_person_signs_out_and_in_again(
    page: Page, ledger: Application, pat: Person
) -> None:
    message = sign_in_to(ledger, page)
    assert ask(page, message) == "unchanged"

    other = page.context.new_page()
    other.goto("/accounts/logout/")
    other.get_by_role("button", name="Sign out").click()
    expect(heading(other)).to_have_text("Sign in")
    assert ask(page, message) == "changed"

    sign_in(other, pat)
    expect(heading(other)).not_to_have_text("Enter your code")
    assert ask(page, message) == "changed", "it is another session"
    assert ask(page, sign_in_to(ledger, page)) == "unchanged"


def test_to_another_origin_the_same_words_say_nothing(
    page: Page, ledger: Application, checking: Instance
) -> None:
    message = sign_in_to(ledger, page)

    with serving(asking(checking)) as stranger:
        page.goto(stranger.url("/callback"))
        assert ask(page, message) == "changed"


@pytest.mark.parametrize(
    "message",
    ["", "nonsense", "client hash", "client hash.salt", "a b c", 7, None, {"client": 1}],
    ids=["empty", "word", "no-salt", "no-hash", "three-words", "number", "null", "object"],
)
def test_what_cannot_be_read_is_an_error(page: Page, ledger: Application, message: object) -> None:
    page.goto(ledger.server.url("/callback"))

    assert ask(page, message) == "error"


def test_another_client_of_the_same_place_learns_nothing(page: Page, ledger: Application) -> None:
    _, _, state = sign_in_to(ledger, page).partition(" ")

    assert ask(page, f"another {state}") == "changed"


def test_no_other_page_can_be_framed(page: Page, ledger: Application, watch: Watch) -> None:
    watch.expect("frame-ancestors")
    sign_in_to(ledger, page)

    with page.expect_console_message(lambda said: "frame-ancestors" in said.text):
        page.locator("#provider").evaluate(
            "(frame, url) => { frame.src = url }", f"{ledger.instance.base_url}/accounts/login/"
        )
