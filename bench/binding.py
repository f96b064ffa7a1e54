"""A refresh of a bound session (DBSC): both of its requests, by the clock and in CPU.

Each refresh signs a challenge of its own, so wrk cannot ask for it: one connection does, one after
another. What is counted is the time of the two answers; the browser's signature is not ours.
"""

import http.client
import json
import re
import time
from dataclasses import asdict, dataclass
from statistics import quantiles
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey

from bench.measure import cpu_seconds
from bench.servers import Server

REFRESH = "/dbsc/refresh/"
PER_SESSION = 12  # a session may ask for thirty challenges a minute
TARGET_MS = 5.0
CHALLENGE = re.compile(r'"([\w-]+)";id="([\w-]+)"')


@dataclass(frozen=True)
class Refreshes:
    """Milliseconds for one refresh, of both requests together."""

    count: int
    p50_ms: float
    p95_ms: float
    cpu_ms: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        verdict = "within" if self.cpu_ms <= TARGET_MS else "ABOVE"
        return (
            f"DBSC refresh (challenge and proof): p50 {self.p50_ms:.1f} ms, "
            f"p95 {self.p95_ms:.1f} ms, {self.cpu_ms:.1f} CPU ms of the server; "
            f"{verdict} {TARGET_MS:.0f} ms"
        )


def measure(server: Server, seeded: dict[str, Any]) -> Refreshes:
    """Refresh every seeded session some times; raises RuntimeError for an answer that is wrong.

    seeded: `jwk`, the private key of all of them, and their `identifiers`.
    """
    key = ECKey.import_key(seeded["jwk"])
    line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    warm, *timed = seeded["identifiers"]
    for _ in range(PER_SESSION):
        _refresh(line, key, warm)
    before = cpu_seconds(server.process.pid)
    times = [_refresh(line, key, each) for each in timed for _ in range(PER_SESSION)]
    spent = cpu_seconds(server.process.pid) - before
    line.close()
    cuts = quantiles(times, n=20)
    return Refreshes(len(times), cuts[9], cuts[18], spent * 1000 / len(times))


def _refresh(line: http.client.HTTPConnection, key: ECKey, identifier: str) -> float:
    """One refresh as a browser does it; gives the milliseconds that it waited for."""
    started = time.perf_counter()
    status, headers = _post(line, {"Sec-Secure-Session-Id": identifier})
    asked = time.perf_counter() - started
    found = CHALLENGE.fullmatch(headers.get("Secure-Session-Challenge", ""))
    if status != 403 or found is None:
        raise RuntimeError(f"a refresh without a proof was answered {status}")
    claims = json.dumps({"jti": found[1]}).encode()
    proof = jws.serialize_compact({"alg": "ES256", "typ": "dbsc+jwt"}, claims, key)
    started = time.perf_counter()
    status, headers = _post(
        line, {"Sec-Secure-Session-Id": identifier, "Secure-Session-Response": proof}
    )
    proven = time.perf_counter() - started
    if status != 200 or "bound=" not in headers.get("Set-Cookie", ""):
        raise RuntimeError(f"a proof was answered {status}")
    return (asked + proven) * 1000


def _post(
    line: http.client.HTTPConnection, headers: dict[str, str]
) -> tuple[int, http.client.HTTPMessage]:
    line.request("POST", REFRESH, headers=headers)
    answer = line.getresponse()
    answer.read()
    return answer.status, answer.headers
