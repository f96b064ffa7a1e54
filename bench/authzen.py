"""Questions to policy (AuthZEN): one evaluation in a session, and a batch of a hundred.

One connection asks, one question after another, as a gateway does that waits for the answer: what
counts is how long it waits. Every question is about another person and another resource.
"""

import http.client
import itertools
import json
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from statistics import quantiles
from typing import Any
from urllib.parse import urlencode

from bench.measure import cpu_seconds
from bench.servers import Server

SINGLES, BATCHES, BATCH = 400, 60, 100
SINGLE_TARGET_MS, BATCH_TARGET_MS = 10.0, 50.0
WARM = 50


@dataclass(frozen=True)
class Answers:
    """Milliseconds for one answer, by the clock and in CPU of the server."""

    count: int
    p50_ms: float
    p95_ms: float
    cpu_ms: float
    target_ms: float

    def __str__(self) -> str:
        verdict = "within" if self.p95_ms <= self.target_ms else "ABOVE"
        return (
            f"p50 {self.p50_ms:.1f} ms, p95 {self.p95_ms:.1f} ms, {self.cpu_ms:.1f} CPU ms of the "
            f"server; {verdict} {self.target_ms:.0f} ms"
        )


@dataclass(frozen=True)
class Questions:
    single: Answers
    batch: Answers

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        return (
            f"AuthZEN evaluation in a session: {self.single}\n"
            f"AuthZEN evaluations, {BATCH} in a batch: {self.batch}"
        )


def measure(server: Server, seeded: dict[str, Any]) -> Questions:
    """Ask as the seeded client; raises RuntimeError for an answer that is wrong.

    seeded: `client` and `secret`, `people` who may read `reports`, and a `session` of the first.
    """
    line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    token = _token(line, seeded)
    pairs = itertools.cycle(itertools.product(seeded["reports"], seeded["people"]))
    asker = _Asker(line, token)
    session = {"sid": seeded["session"]}
    reports = itertools.cycle(seeded["reports"])
    own = ({**_question(seeded["people"][0], report), "context": session} for report in reports)
    batches = _batches(pairs)
    for _ in range(WARM):
        asker.ask("evaluation", next(own))
    single = _timed(server, lambda: asker.ask("evaluation", next(own)), SINGLES, SINGLE_TARGET_MS)
    for _ in range(WARM // 10):
        asker.ask("evaluations", next(batches))
    batch = _timed(
        server, lambda: asker.ask("evaluations", next(batches)), BATCHES, BATCH_TARGET_MS
    )
    line.close()
    return Questions(single, batch)


class _Asker:
    def __init__(self, line: http.client.HTTPConnection, token: str) -> None:
        self.line = line
        self.headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def ask(self, endpoint: str, body: dict[str, Any]) -> float:
        """One request; gives the milliseconds that it waited for."""
        text = json.dumps(body)
        started = time.perf_counter()
        self.line.request("POST", f"/access/v1/{endpoint}", text, self.headers)
        answer = self.line.getresponse()
        content = answer.read()
        waited = time.perf_counter() - started
        told = json.loads(content)
        decisions = told.get("evaluations", [told])
        wanted = len(body.get("evaluations", [None]))
        if answer.status != 200 or len(decisions) != wanted or not all(
            one.get("decision") is True for one in decisions
        ):  # fmt: skip
            raise RuntimeError(f"{endpoint} was answered {answer.status}: {content[:200]!r}")
        return waited * 1000


def _timed(server: Server, ask: Any, count: int, target_ms: float) -> Answers:
    before = cpu_seconds(server.process.pid)
    times = [ask() for _ in range(count)]
    spent = cpu_seconds(server.process.pid) - before
    cuts = quantiles(times, n=20)
    return Answers(count, cuts[9], cuts[18], spent * 1000 / count, target_ms)


def _batches(pairs: Iterator[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    while True:
        some = itertools.islice(pairs, BATCH)
        yield {"evaluations": [_question(person, report) for report, person in some]}


def _question(person: str, report: str) -> dict[str, Any]:
    return {
        "subject": {"type": "user", "id": person},
        "action": {"name": "read"},
        "resource": {"type": "report", "id": report},
    }


def _token(line: http.client.HTTPConnection, seeded: dict[str, Any]) -> str:
    basic = b64encode(f"{seeded['client']}:{seeded['secret']}".encode()).decode()
    headers = {
        "Authorization": f"Basic {basic}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    line.request("POST", "/oauth/token", urlencode({"grant_type": "client_credentials"}), headers)
    told = json.loads(line.getresponse().read())
    token: str = told["access_token"]
    return token
