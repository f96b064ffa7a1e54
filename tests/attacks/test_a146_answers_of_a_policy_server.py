"""A146, F11: the server that answers for policy has no bundle, is away, hangs, or says odd things.

It is asked over real HTTP. Only a whole answer of the expected form within the time counts.
"""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from django.conf import settings
from django.test import Client as Browser

from policy import engine
from policy.decision import Outcome
from policy.evaluator import UNDEFINED, PolicyUnavailable
from policy.opa import OpaServer, OpaSettings
from policy.response import Act, Action, Signal
from tests.policy.test_decisions import GOOD
from tests.support import oauth
from tests.support.impostor import Impostor, Page, impostor, whole

ALLOW: dict[str, Any] = {
    "outcome": "allow", "reasons": [], "required_level": 1, "max_age": -1, "withheld_scopes": [],
    "withheld_roles": [],
}  # fmt: skip
NOTIFY = [{"act": "notify"}]
LIMIT_SECONDS = 0.5
SLACK_SECONDS = 0.4  # of a machine that does other things as well


@pytest.fixture
def server() -> Iterator[Impostor]:
    """It answers for policy, and is wrong from its first answer on unless a test says otherwise."""
    with impostor() as state:
        engine.configure(settings.POLICY_DIR, opa=OpaSettings(url=state.url))
        yield state
    engine.configure(settings.POLICY_DIR)


def told(result: Any, **more: Any) -> bytes:
    return json.dumps({"result": result, **more}).encode()


def drip(handler: BaseHTTPRequestHandler) -> None:
    """A byte at a time, so that no single wait is long."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
    handler.wfile.write(b"Content-Length: 5000\r\n\r\n")
    while not handler.server_over.wait(0.02):  # type: ignore[attr-defined]
        handler.wfile.write(b" ")


def raw(text: bytes) -> Page:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(text)
        handler.close_connection = True

    return answer


JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
PAGES: dict[str, Page] = {
    "no bundle": whole(b"{}"),
    "HTML": whole(b"<html>allow</html>", content_type="text/html"),
    "JSON that says it is HTML": whole(told(ALLOW), content_type="text/html"),
    "HTML that says it is JSON": whole(b"<html>allow</html>"),
    "nothing": whole(b""),
    "no object": whole(b"true"),
    "a list": whole(b"[" + told(ALLOW) + b"]"),
    "500": whole(told(ALLOW), status=500),
    "404": whole(told(ALLOW), status=404),
    "201": whole(told(ALLOW), status=201),
    "5 MB": whole(b" " * 5_000_000 + told(ALLOW)),
    "5 MB without saying so": raw(JSON + b"\r\n" + b" " * 5_000_000 + told(ALLOW)),
    "a result twice": whole(b'{"result": false, ' + told(ALLOW)[1:]),
    "more beside the result": whole(told(ALLOW, allow=True)),
    "an answer that is cut off": raw(JSON + b"Content-Length: 999\r\n\r\n" + told(ALLOW)),
    "another protocol": raw(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "a closed door": raw(b""),
    "a redirect": raw(b"HTTP/1.1 307 x\r\nLocation: /v1/data/yes\r\nContent-Length: 0\r\n\r\n"),
    "an endless header": raw(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 5_000_000),
    "deep nesting": whole(b'{"result": ' + b"[" * 5000 + b"]" * 5000 + b"}"),
}
RESULTS: dict[str, Any] = {
    "true": True,
    "a word": "allow",
    "null": None,
    "an empty object": {},
    "a member more": ALLOW | {"admin": True},
    "a member less": {k: v for k, v in ALLOW.items() if k != "withheld_roles"},
    "a number for a word": ALLOW | {"outcome": 1},
    "true for a number": ALLOW | {"required_level": True},
    "words for numbers": ALLOW | {"max_age": "-1"},
    "null for a list": ALLOW | {"reasons": None},
    "an object for a list": ALLOW | {"withheld_roles": {}},
}
BAD = PAGES | {name: whole(told(result)) for name, result in RESULTS.items()}


def test_a_whole_answer_counts(server: Impostor) -> None:
    server.says(told(ALLOW, decision_id="7", provenance={}))

    assert engine.decide(GOOD).outcome is Outcome.ALLOW
    path, body = server.asked[0]
    assert path.partition("?")[0] == "/v1/data/sallyport/decision"
    assert json.loads(body) == {"input": json.loads(json.dumps(GOOD.document()))}
    assert engine.works()


@pytest.mark.parametrize("answer", BAD.values(), ids=BAD)
def test_anything_else_denies(server: Impostor, answer: Page) -> None:
    server.page = answer
    began = time.monotonic()

    decision = engine.decide(GOOD)

    assert time.monotonic() - began < LIMIT_SECONDS + SLACK_SECONDS
    assert decision.outcome is Outcome.DENY
    assert decision.reasons in {("policy_undefined",), ("policy_unavailable",)}
    assert not engine.works()


@pytest.mark.parametrize("answer", PAGES.values(), ids=PAGES)
def test_what_follows_from_a_signal_is_then_the_strictest(server: Impostor, answer: Page) -> None:
    server.says(told(NOTIFY))
    assert engine.respond(Signal("any", {})).actions == (Action(Act.NOTIFY),)

    server.page = answer

    response = engine.respond(Signal("any", {}))
    assert response.actions == (Action(Act.END_SESSIONS),)
    assert response.failure in {"policy_undefined", "policy_unavailable"}


@pytest.mark.parametrize("slow", ["silent", "a byte at a time"])
def test_a_slow_one_denies_in_half_a_second(server: Impostor, slow: str) -> None:
    def page(handler: BaseHTTPRequestHandler) -> None:
        handler.server_over = server.over  # type: ignore[attr-defined]
        if slow == "silent":
            server.over.wait(30)
        else:
            drip(handler)

    server.page = page
    began = time.monotonic()

    decision = engine.decide(GOOD)

    assert LIMIT_SECONDS * 0.9 < time.monotonic() - began < LIMIT_SECONDS + SLACK_SECONDS
    assert decision.reasons == ("policy_unavailable",)


def test_one_that_takes_no_connection_denies_in_half_a_second() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:  # the queue is full: whoever comes next waits
            sock.setblocking(False)
            sock.connect_ex(full.getsockname())
        asked = OpaServer(OpaSettings(url=f"http://127.0.0.1:{full.getsockname()[1]}"))
        began = time.monotonic()

        with pytest.raises(PolicyUnavailable):
            asked.ask("sallyport/decision", b"{}")

        assert time.monotonic() - began < LIMIT_SECONDS + SLACK_SECONDS
        for sock in waiting:
            sock.close()


def test_one_that_is_away_denies() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    engine.configure(settings.POLICY_DIR, opa=OpaSettings(url=f"http://127.0.0.1:{port}"))
    try:
        assert engine.decide(GOOD).reasons == ("policy_unavailable",)
    finally:
        engine.configure(settings.POLICY_DIR)


def test_undefined_is_told_apart_from_null(server: Impostor) -> None:
    server.says(b"{}")
    assert engine.evaluate("sallyport/any", {}) is UNDEFINED
    server.says(b'{"result": null}')
    assert engine.evaluate("sallyport/any", {}) is None
    server.says(b'{"result": false}')
    assert engine.evaluate("sallyport/any", {}) is False


class TestTheConnection:
    def test_it_stays_open(self, server: Impostor) -> None:
        server.says(told(ALLOW))

        for _ in range(5):
            assert engine.decide(GOOD).is_allowed

        assert (len(server.asked), server.connections) == (5, 1)

    def test_one_that_was_closed_meanwhile_is_made_anew(self, server: Impostor) -> None:
        def once(handler: BaseHTTPRequestHandler) -> None:
            whole(told(ALLOW))(handler)
            handler.close_connection = True

        server.page = once

        assert [engine.decide(GOOD).is_allowed for _ in range(3)] == [True] * 3
        assert server.connections == 3

    def test_an_answer_that_nobody_asked_for_is_not_the_next_ones(self, server: Impostor) -> None:
        """Two answers to one question: the second would be taken for that to another's."""

        one, both = threading.Event(), threading.Event()

        def two(handler: BaseHTTPRequestHandler) -> None:
            whole(told(ALLOW))(handler)
            one.wait(10)
            whole(told(ALLOW))(handler)
            both.set()

        server.page = two
        assert engine.decide(GOOD).is_allowed
        one.set()
        assert both.wait(10)
        server.says(told(ALLOW | {"outcome": "deny"}))

        assert not engine.decide(GOOD).is_allowed

    def test_after_one_failure_the_next_question_has_its_own_answer(self, server: Impostor) -> None:
        server.page = PAGES["an answer that is cut off"]
        assert not engine.decide(GOOD).is_allowed
        server.says(told(ALLOW))

        assert engine.decide(GOOD).is_allowed


class TestTheRevision:
    """The server follows the published bundle, and says which one it holds."""

    @pytest.fixture
    def following(self, server: Impostor) -> Callable[[str | None], None]:
        engine.configure(settings.POLICY_DIR, opa=OpaSettings(url=server.url, bundle="sallyport"))

        def holds(revision: str | None) -> None:
            bundles = {} if revision is None else {"sallyport": {"revision": revision}}
            denial = ALLOW | {"outcome": "deny", "reasons": ["asked_the_server"]}
            server.says(told(denial, provenance={"version": "1", "bundles": bundles}))

        return holds

    def test_the_active_one_answers(self, following: Callable[[str | None], None]) -> None:
        following(engine.revision())

        assert engine.decide(GOOD).reasons == ("asked_the_server",)

    def test_one_that_is_behind_does_not(self, following: Callable[[str | None], None]) -> None:
        """What was published counts at once: the process has it, and answers by itself."""
        following("0123456789ab")

        decision = engine.decide(GOOD)

        assert (decision.outcome, decision.revision) == (Outcome.ALLOW, engine.revision())

    def test_none_at_all_denies(self, following: Callable[[str | None], None]) -> None:
        following(None)

        assert engine.decide(GOOD).reasons == ("policy_unavailable",)

    @pytest.mark.parametrize("odd", [[], "x", {"bundles": []}, {"bundles": {"sallyport": "x"}}])
    def test_odd_words_about_it_deny(
        self, server: Impostor, following: Callable[[str | None], None], odd: Any
    ) -> None:
        server.says(told(ALLOW, provenance=odd))

        assert engine.decide(GOOD).reasons == ("policy_unavailable",)


@pytest.mark.django_db
def test_tokens_and_readiness_hang_on_it(
    client: Browser, acme_web: Any, tokens: dict[str, Any], server: Impostor
) -> None:
    server.says(b"{}")

    assert oauth.refresh(acme_web, tokens["refresh_token"]).status >= 400
    bearer = f"Bearer {tokens['access_token']}"
    assert oauth.send("GET", "/oauth/userinfo", authorization=bearer).status in {401, 403}
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["parts"]["policy"]) == (503, False)
