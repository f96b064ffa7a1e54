"""A029: a code leaves by a referrer, a log line or an error report."""

import logging
from typing import Any

import pytest
from django.test import Client as Browser

from audit.models import AuditEvent
from idp.models import Client
from tests import cast
from tests.cast import Person
from tests.support import oauth
from tests.support.authorize import answer, authorize, query


def test_no_answer_with_a_code_lets_a_referrer_go(
    acme_web: Client, acme_spa: Client, employee: Person
) -> None:
    browser = Browser()
    cast.sign_in(browser, employee)
    at_once = authorize(browser, acme_web)
    posted = authorize(browser, acme_web, response_mode="form_post")
    handle = query(authorize(browser, acme_spa))["id"]
    browser.post("/oauth/consent", {"request": handle, "decision": "allow"})
    resumed = browser.get("/oauth/authorize/resume", {"id": handle})

    for response in (at_once, posted, resumed):
        assert answer(response)["code"]
        assert response["Referrer-Policy"] == "no-referrer"


def test_our_pages_load_nothing_from_elsewhere(acme_spa: Client, employee: Person) -> None:
    browser = Browser()
    cast.sign_in(browser, employee)
    pages = [
        browser.get("/oauth/consent", {"id": query(authorize(browser, acme_spa))["id"]}),
        authorize(browser, "nobody"),
        Browser().get("/accounts/login/"),
        authorize(browser, cast.client("first", acme_spa.organisation, is_first_party=True),
                  response_mode="form_post"),
    ]  # fmt: skip

    for page in pages:
        policy = dict(
            part.strip().partition(" ")[::2] for part in page["Content-Security-Policy"].split(";")
        )
        assert policy["default-src"] in {"'self'", "'none'"}
        for name in ("script-src", "style-src", "img-src", "connect-src", "font-src"):
            assert "http" not in policy.get(name, ""), (name, policy)


class Lines(logging.Handler):
    """Whatever is logged, by anybody, with its traceback."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def lines() -> Any:
    handler, root = Lines(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler.lines
    root.removeHandler(handler)
    root.setLevel(level)


def test_no_log_and_no_audit_row_holds_one(
    acme_web: Client, client: Browser, session: Any, lines: list[str]
) -> None:
    code = answer(authorize(client, acme_web))["code"]
    tokens = oauth.redeem(acme_web, code).json
    oauth.refresh(acme_web, tokens["refresh_token"])
    oauth.redeem(acme_web, code)
    oauth.send("GET", "/oauth/userinfo", authorization=f"Bearer {tokens['access_token']}x")
    oauth.send("POST", "/oauth/token", form={"code": code}, authorization="Basic broken")

    said = "\n".join(lines) + str(list(AuditEvent.objects.values()))
    for secret in (
        code, tokens["refresh_token"], tokens["access_token"], tokens["id_token"],
        oauth.VERIFIER, cast.SECRET,
    ):  # fmt: skip
        assert secret not in said


@pytest.mark.parametrize("fault", [RuntimeError, KeyError])
def test_nor_does_the_report_of_a_fault(
    acme_web: Client, client: Browser, session: Any, lines: list[str], fault: Any, monkeypatch: Any
) -> None:
    code = answer(authorize(client, acme_web))["code"]

    def fails(*_: Any, **__: Any) -> None:
        raise fault("on purpose")

    monkeypatch.setattr("idp.grants.authorization_code.mint", fails)
    reply = oauth.redeem(acme_web, code)

    assert (reply.status, reply.error) == (500, "server_error")
    assert "on purpose" in "\n".join(lines)
    assert "on purpose" not in reply.body.decode()
    assert code not in "\n".join(lines)
    assert oauth.VERIFIER not in "\n".join(lines)
