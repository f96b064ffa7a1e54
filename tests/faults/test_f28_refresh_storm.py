"""F28: ten thousand refreshes of one token at once, over two web processes.

Exactly one successor, ever. Losers get that same successor or invalid_grant, nobody is signed out,
and afterwards the product answers as before.
"""

import asyncio
import base64
import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import httpx
import pytest

from tests import cast
from tests.support.arrange import arrange
from tests.support.instance import Instance

pytestmark = pytest.mark.instance

CONNECTIONS, TIMES = 200, 50
# A slow machine does fewer: what is judged is who wins. Within the longest retry window there is.
LONGEST_SECONDS = 45
WINDOW = "PT60S"


async def use(port: int, request: bytes, deadline: float, seen: list[tuple[int, str]]) -> None:
    """One connection that sends the same request again and again."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(TIMES):
        if time.monotonic() > deadline:
            break
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        length = int(
            next(
                line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
            ).split(b":")[1]
        )
        body = json.loads(await reader.readexactly(length))
        seen.append((status, body.get("refresh_token") or body.get("error")))
    writer.close()


async def storm(port: int, request: bytes) -> list[tuple[int, str]]:
    seen: list[tuple[int, str]] = []
    deadline = time.monotonic() + LONGEST_SECONDS
    await asyncio.gather(*(use(port, request, deadline, seen) for _ in range(CONNECTIONS)))
    return seen


def refresh_request(port: int, token: str) -> bytes:
    body = urlencode({"grant_type": "refresh_token", "refresh_token": token}).encode()
    credentials = base64.b64encode(f"acme-web:{cast.SECRET}".encode()).decode()
    head = (
        f"POST /oauth/token HTTP/1.1\r\nHost: localhost:{port}\r\n"
        f"Authorization: Basic {credentials}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def test_one_token_has_one_successor():
    with Instance(
        workers=2, threads=2, environment={"SALLYPORT_LIFETIMES__REFRESH_RETRY_WINDOW": WINDOW}
    ) as instance:
        alice = arrange(instance, "signed_in", email="alice@acme.example", families=2)
        attacked, other = (tokens["refresh_token"] for tokens in alice["tokens"])

        request = refresh_request(instance.port, attacked)
        with ThreadPoolExecutor(1) as apart:  # in this thread a browser's loop may run
            seen = apart.submit(asyncio.run, storm(instance.port, request)).result()

        statuses = Counter(status for status, _ in seen)
        assert len(seen) >= CONNECTIONS, "every connection was answered"
        assert set(statuses) <= {200, 400}, (statuses, instance.logs("web")[-3000:])
        assert statuses[200] >= 1
        successors = {text for status, text in seen if status == 200}
        assert len(successors) == 1
        assert {text for status, text in seen if status == 400} <= {"invalid_grant"}

        with instance.connect() as database:
            families = database.execute(
                "SELECT generation, revoked_at FROM idp_refreshfamily ORDER BY generation"
            ).fetchall()
            (rotations,) = database.execute(
                "SELECT count(*) FROM audit_auditevent WHERE event = 'idp.refresh_token.rotated'"
                " AND facts->>'is_retry' = 'false'"
            ).fetchone() or (0,)
        assert families == [(0, None), (1, None)], "the family lives, and was rotated once"
        assert rotations == 1

        for token in (other, successors.pop()):
            reply = httpx.post(
                f"{instance.base_url}/oauth/token",
                data={"grant_type": "refresh_token", "refresh_token": token},
                auth=("acme-web", cast.SECRET),
                timeout=30,
            )
            assert reply.status_code == 200
        assert httpx.get(f"{instance.base_url}/readyz").status_code == 200
        print(f"{len(seen)} refreshes: {dict(statuses)}")
