"""The load where wrk is missing: threads with one connection each, the same rules as wrk.lua.

Python asks more slowly than wrk, so requests per second are its limit, not the servers'. CPU per
request, the result of the benchmark, is read at the servers and stays what it is.
"""

import http.client
import json
import re
import sys
import threading
import time
from collections import deque
from pathlib import Path
from urllib.parse import urlsplit

NEW_REFRESH_TOKEN = re.compile(rb'"refresh_token"\s*:\s*"([^"]+)"')
ACTIVE = re.compile(rb'"active"\s*:\s*true')
CODE = re.compile(r"[?&]code=([^&]+)")
REDIRECTS = (302, 303)


class Load:
    def __init__(self, job: dict[str, str]) -> None:
        self.job = job
        tokens = Path(job["tokens"]).read_text().split() if job["tokens"] else []
        self.queue = deque(tokens)
        self.proofs = deque(Path(job["proofs"]).read_text().split() if job["proofs"] else [])
        self.spent: set[str] = set()
        self.lock = threading.Lock()
        self.good = self.bad = self.starved = self.socket_errors = 0
        self.first_error = ""
        self.latencies: list[float] = []
        self.ends = time.monotonic() + int(job["seconds"])

    def ask(self) -> None:
        """One connection's life: ask, look, ask again, until the time is over."""
        address = urlsplit(self.job["url"])
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        for field in filter(None, self.job["headers"].split("\t")):
            name, _, value = field.partition(": ")
            headers[name] = value
        if self.job["basic"]:
            headers["Authorization"] = f"Basic {self.job['basic']}"
        marks = [f'"{mark}"'.encode() for mark in self.job["marks"].split()]
        takes = self.job["takes"]
        while (begun := time.monotonic()) < self.ends:
            body, token = self.job["body"], ""
            if self.job["proofs"]:
                if not self.proofs:
                    self.starved += 1
                    return
                headers["DPoP"] = self.proofs.popleft()
            if takes == "codes":
                token = self._code(connection, headers)
                body += token
            elif takes:
                try:
                    token = self.queue.popleft()
                except IndexError:
                    self.starved += 1
                    return
                body += token
                if takes == "rotates":
                    self.spent.add(token)
            try:
                connection.request(self.job["method"], self.job["path"], body or None, headers)
                answer = connection.getresponse()
                content = answer.read()
            except OSError:
                self.socket_errors += 1
                connection.close()
                continue
            right = answer.status == int(self.job["status"])
            right = right and all(mark in content for mark in marks)
            if right and self.job["header"]:
                right = bool(answer.headers.get(self.job["header"]))
            if right and takes == "again":
                right = ACTIVE.search(content) is not None
                self.queue.append(token)
            elif right and takes == "rotates":
                match = NEW_REFRESH_TOKEN.search(content)
                right = match is not None and match[1].decode() not in self.spent
                if match is not None:
                    self.queue.append(match[1].decode())
            with self.lock:
                self.latencies.append(time.monotonic() - begun)
                if right:
                    self.good += 1
                else:
                    self.bad += 1
                    self.first_error = self.first_error or f"{answer.status} {content[:200]!r}"
        connection.close()

    def _code(self, connection: http.client.HTTPConnection, headers: dict[str, str]) -> str:
        """A code from the authorization endpoint; "" where there was none, which then counts."""
        connection.request(
            "GET", self.job["authorize"], headers=headers | {"Cookie": self.job["cookie"]}
        )
        answer = connection.getresponse()
        answer.read()
        found = CODE.search(answer.headers.get("Location", ""))
        return found[1] if answer.status in REDIRECTS and found else ""


def main() -> None:
    lines = Path(sys.argv[1]).read_text().splitlines()
    job = dict(line.split("=", 1) for line in lines)
    load = Load(job)
    begun = time.monotonic()
    threads = [threading.Thread(target=load.ask) for _ in range(int(job["connections"]))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ordered = sorted(load.latencies) or [0.0]
    print(
        json.dumps(
            {
                "good": load.good,
                "bad": load.bad,
                "starved": load.starved,
                "socket_errors": load.socket_errors,
                "seconds": time.monotonic() - begun,
                "p50_ms": 1000 * ordered[len(ordered) // 2],
                "p95_ms": 1000 * ordered[len(ordered) * 95 // 100],
                "p99_ms": 1000 * ordered[len(ordered) * 99 // 100],
                "first_error": load.first_error,
            }
        )
    )


if __name__ == "__main__":
    main()
