"""Fifty approvals of one request at once, then fifty beginnings of what was approved, over HTTP.

Each approver has a connection and a token of their own; all of them wait for one signal. Exactly
one answer may decide, and access may begin exactly once, however many ask: anything else is an
error, whatever it took.
"""

import http.client
import json
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from statistics import quantiles
from typing import Any
from urllib.parse import urlencode

from bench.load import REDIRECT_URI, VERIFIER
from bench.servers import Server

APPROVERS, ROUNDS = 50, 5
ENTITLEMENT = "db-admin"
API = "/api/v1/access/grants"
FORM, JSON = "application/x-www-form-urlencoded", "application/json"
OK, CREATED, CONFLICT = 200, 201, 409


@dataclass(frozen=True)
class Waits:
    """Milliseconds that one answer was waited for, and what all of a round took together."""

    count: int
    p50_ms: float
    p95_ms: float
    round_ms: float

    def __str__(self) -> str:
        return (
            f"p50 {self.p50_ms:.0f} ms, p95 {self.p95_ms:.0f} ms; "
            f"all {APPROVERS} within {self.round_ms:.0f} ms"
        )


@dataclass(frozen=True)
class Approvals:
    """rounds: requests, each of which was approved once and begun once."""

    rounds: int
    approvals: Waits
    activations: Waits

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        return (
            f"{APPROVERS} approvals at once, {self.rounds} requests: each decided once; "
            f"{self.approvals}\n"
            f"{APPROVERS} activations at once: each began once; {self.activations}"
        )


def measure(server: Server, seeded: dict[str, Any]) -> Approvals:
    """Ask, approve and begin; raises RuntimeError where anything happened twice, or not at all.

    seeded: what `bench.approvals_seed` printed: `client`, and codes of `approvers` and `askers`.
    """
    approvers = [_Caller(server, _token(server, seeded, each)) for each in seeded["approvers"]]
    approving, beginning = _Times(), _Times()
    for code in seeded["askers"]:
        token = _token(server, seeded, code)
        asker = _Caller(server, token)
        wish = {"entitlement": ENTITLEMENT, "reason": "to measure it"}
        grant = asker.expect(CREATED, "POST", API, wish)["id"]
        _demand_one(approving.of(approvers, f"{API}/{grant}/approve", {}))
        owners = [_Caller(server, token) for _ in range(APPROVERS)]
        _demand_the_same(beginning.of(owners, f"{API}/{grant}/activate"))
        for each in owners:
            each.close()
        _demand_once(asker.expect(OK, "GET", f"{API}/{grant}"))
        asker.close()
    for each in approvers:
        each.close()
    return Approvals(len(seeded["askers"]), approving.waits(), beginning.waits())


class _Caller:
    """One person's calls, on a connection of their own."""

    def __init__(self, server: Server, token: str) -> None:
        self.line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        self.line.connect()
        self.headers = {"Authorization": f"Bearer {token}"}

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        sent = None if body is None else json.dumps(body)
        headers = self.headers | ({} if body is None else {"Content-Type": JSON})
        self.line.request(method, path, sent, headers)
        answer = self.line.getresponse()
        return answer.status, json.loads(answer.read())

    def expect(self, status: int, method: str, path: str, body: Any = None) -> Any:
        answered, told = self.call(method, path, body)
        if answered != status:
            raise RuntimeError(f"{method} {path} was answered {answered}: {told}")
        return told

    def close(self) -> None:
        self.line.close()


class _Times:
    """What was waited for, over all rounds."""

    def __init__(self) -> None:
        self.each: list[float] = []
        self.rounds: list[float] = []

    def of(self, callers: Sequence[_Caller], path: str, body: Any = None) -> list[tuple[int, Any]]:
        """Have all of them POST at the same moment; what they were answered."""
        together = threading.Barrier(len(callers))

        def run(caller: _Caller) -> tuple[float, float, tuple[int, Any]]:
            together.wait()
            began = time.perf_counter()
            answer = caller.call("POST", path, body)
            return began, time.perf_counter(), answer

        with ThreadPoolExecutor(len(callers)) as pool:
            done = list(pool.map(run, callers))
        self.each += [(ended - began) * 1000 for began, ended, _ in done]
        self.rounds.append((max(each[1] for each in done) - min(each[0] for each in done)) * 1000)
        return [answer for _, _, answer in done]

    def waits(self) -> Waits:
        cuts = quantiles(self.each, n=20)
        return Waits(len(self.each), cuts[9], cuts[18], max(self.rounds))


def _demand_one(answers: list[tuple[int, Any]]) -> None:
    """One was taken, and the others were told that it is decided."""
    statuses = [status for status, _ in answers]
    if statuses.count(OK) != 1 or statuses.count(CONFLICT) != len(answers) - 1:
        others = [told for status, told in answers if status not in {OK, CONFLICT}]
        taken = statuses.count(OK)
        raise RuntimeError(f"of {len(answers)} approvals {taken} were taken: {others[:1]}")


def _demand_the_same(answers: list[tuple[int, Any]]) -> None:
    """Whoever asked is told of the same beginning, since doing it again does nothing."""
    begun = {(status, told.get("state"), told.get("until")) for status, told in answers}
    if len(begun) != 1 or next(iter(begun))[:2] != (OK, "active"):
        raise RuntimeError(f"access began otherwise than once: {sorted(map(str, begun))[:3]}")


def _demand_once(grant: dict[str, Any]) -> None:
    kinds = [line["kind"] for line in grant["timeline"]]
    once = ("requested", "answered", "approved", "activated")
    if any(kinds.count(kind) != 1 for kind in once):
        raise RuntimeError(f"the timeline says otherwise: {kinds}")


def _token(server: Server, seeded: dict[str, Any], code: str) -> str:
    line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    form = {
        "grant_type": "authorization_code",
        "client_id": seeded["client"],
        "code": code,
        "redirect_uri": REDIRECT_URI,
        "code_verifier": VERIFIER,
    }
    line.request("POST", "/oauth/token", urlencode(form), {"Content-Type": FORM})
    answer = line.getresponse()
    told = json.loads(answer.read())
    line.close()
    if answer.status != OK:
        raise RuntimeError(f"a code was answered {answer.status}: {told}")
    token: str = told["access_token"]
    return token
