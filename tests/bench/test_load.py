"""Both generators look at every answer: the one by wrk, and the one where wrk is missing."""

import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from bench import load
from bench.load import Job, Outcome, Work


class Provider(BaseHTTPRequestHandler):
    """Answers as the test that asks wants it to: `behaviour` is the path."""

    protocol_version = "HTTP/1.1"
    numbers = count()

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        number = next(self.numbers)
        spent = form.get("refresh_token", [""])[0]
        body = {"access_token": "a", "id_token": "i", "refresh_token": f"r{number}"}
        status = 200
        match self.path:
            case "/keeps":
                body["refresh_token"] = spent
            case "/refuses" if number % 5 == 0:
                status, body = 400, {"error": "invalid_grant"}
            case "/forgets" if number % 5 == 0:
                del body["id_token"]
            case "/inactive":
                body = {"active": number % 5 != 0}  # type: ignore[dict-item]
        self._say(status, body)

    def do_GET(self) -> None:
        """Lets through whoever shows the cookie, and says so by a header: as the path wants."""
        number = next(self.numbers)
        if self.path == "/starved" or self.headers.get("Cookie") != "a=1; b=2":
            self._say(404, {})
        elif self.path == "/tells" or number % 5:
            self._say(200, {}, ("Remote-Assertion", "signed"))
        else:
            self._say(200, {})

    def _say(self, status: int, body: dict[str, str], *headers: tuple[str, str]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Provider) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(params=["wrk", "python"])
def _generator(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "python":
        monkeypatch.setattr(shutil, "which", lambda _name: None)
    elif shutil.which("wrk") is None:
        pytest.skip("wrk is not here")


def _ask(base_url: str, folder: Path, path: str, work: Work, *, tokens: int) -> Outcome:
    file = folder / "tokens"
    file.write_text("".join(f"seed{number}\n" for number in range(tokens)))
    job = Job(
        work=work, base_url=base_url, path=path, client_id="c", client_secret="s", scope="",
        tokens=file, connections=2, seconds=1, headers=("Cookie: a=1; b=2", "X-Original-Method: GET"),
    )  # fmt: skip
    return load.run(job, folder=folder)


pytestmark = pytest.mark.usefixtures("_generator")


def test_it_counts_right_answers(base_url: str, tmp_path: Path) -> None:
    outcome = _ask(base_url, tmp_path, "/rotates", Work.REFRESH, tokens=8)

    assert outcome.trouble == ""
    assert outcome.good > 8


def test_a_refresh_token_that_stays_is_wrong(base_url: str, tmp_path: Path) -> None:
    outcome = _ask(base_url, tmp_path, "/keeps", Work.REFRESH, tokens=8)

    assert outcome.good == 0
    assert outcome.bad
    assert outcome.trouble


@pytest.mark.parametrize("path", ["/refuses", "/forgets"])
def test_a_refusal_or_a_missing_member_is_wrong(base_url: str, tmp_path: Path, path: str) -> None:
    outcome = _ask(base_url, tmp_path, path, Work.REFRESH, tokens=8)

    assert outcome.bad
    assert outcome.trouble


def test_an_inactive_token_is_wrong(base_url: str, tmp_path: Path) -> None:
    outcome = _ask(base_url, tmp_path, "/inactive", Work.INTROSPECTION, tokens=8)

    assert outcome.bad
    assert outcome.trouble


def test_a_pool_that_runs_dry_is_told(base_url: str, tmp_path: Path) -> None:
    outcome = _ask(base_url, tmp_path, "/rotates", Work.CODE, tokens=3)

    assert outcome.starved
    assert "fresh token" in outcome.trouble


def test_what_was_let_through_without_a_word_is_wrong(base_url: str, tmp_path: Path) -> None:
    good = _ask(base_url, tmp_path, "/tells", Work.FORWARD_AUTH, tokens=0)
    silent = _ask(base_url, tmp_path, "/is-silent", Work.FORWARD_AUTH, tokens=0)

    assert (good.trouble, good.bad) == ("", 0)
    assert good.good > 8
    assert silent.bad
    assert silent.trouble
