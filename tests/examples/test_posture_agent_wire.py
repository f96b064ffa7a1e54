"""How the posture agent enrols, signs, numbers and sends: against a server that misbehaves."""

import json
import os
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey

from examples.posture_agent import key as keys
from examples.posture_agent import state
from examples.posture_agent.__main__ import main
from examples.posture_agent.enrolling import Refused, enrol
from examples.posture_agent.key import KeyFileError
from examples.posture_agent.machine import this_machine
from examples.posture_agent.reporting import report, run
from examples.posture_agent.wire import InsecureServer, Unreachable, Wire
from tests.support.laptops import debian_laptop

LOST = -1  # take the request, then hang up
Said = tuple[int, dict[str, Any]]
ALLOWED = {
    "device_id": "019345aa-0000-7000-8000-000000000001",
    "posture_uri": "/devices/api/d/reports",
    "nonce_uri": "/devices/api/d/nonce",
    "interval_seconds": 900,
}
ASKED = {
    "enrolment_id": "e",
    "user_code": "WDJB-MJHT",
    "verification_uri": "https://id.example/devices/enrol/",
    "verification_uri_complete": "https://id.example/devices/enrol/?code=WDJB-MJHT",
    "expires_in": 600,
    "interval": 5,
}


@dataclass
class Server:
    """Answers each path from its own list, the last one again and again; keeps what came."""

    url: str = ""
    answers: dict[str, list[Said]] = field(default_factory=dict)
    got: list[tuple[str, str, str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    def answer(self, path: str) -> Said:
        said = self.answers.get(path, [(404, {"error": "not_found"})])
        return said.pop(0) if len(said) > 1 else said[0]

    def bodies(self, path: str) -> list[str]:
        return [body for where, _, body in self.got if where == path]


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            made.got.append((self.path, self.headers["Content-Type"], body))
            status, said = made.answer(self.path)
            if status == LOST:
                self.connection.close()
                return
            content = json.dumps(said).encode()
            self.send_response(status)
            for name, value in made.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        made.url = f"http://127.0.0.1:{http.server_port}"
        made.answers = {
            "/devices/api/d/nonce": [(200, {"nonce": "n-1", "expires_in": 300})],
            "/devices/api/d/reports": [(200, {"score": 70, "tier": 3, "next_report_in": 900})],
        }
        thread = threading.Thread(target=http.serve_forever, args=(0.02,))
        thread.start()
        yield made
        http.shutdown()
        thread.join()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return state.folder(tmp_path / "state")


@pytest.fixture
def naps() -> list[float]:
    return []


@pytest.fixture
def wire(server: Server, naps: list[float]) -> Wire:
    return Wire(server.url, sleep=naps.append)


@pytest.fixture
def enrolled(server: Server, folder: Path) -> state.Enrolment:
    keys.make(folder)
    keys.adopt(folder)
    enrolment = state.Enrolment(server=server.url, **ALLOWED)
    state.save(folder, enrolment)
    return enrolment


@pytest.fixture
def machine(tmp_path: Path):
    return this_machine(debian_laptop(tmp_path / "laptop"))


def opened(token: str) -> dict[str, Any]:
    """The claims of a JWS; its own key is in our hands elsewhere."""
    return json.loads(jws.extract_compact(token.encode()).payload)


class TestKey:
    def test_only_its_user_can_read_it(self, folder: Path) -> None:
        keys.make(folder)
        keys.adopt(folder)

        assert stat.S_IMODE((folder / keys.FILE_NAME).stat().st_mode) == 0o600
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700

    def test_one_that_others_can_read_is_not_used(self, folder: Path, enrolled) -> None:
        (folder / keys.FILE_NAME).chmod(0o644)

        with pytest.raises(KeyFileError, match="can be read by others"):
            keys.load(folder)

    def test_it_signs_what_a_library_verifies(self, folder: Path, enrolled) -> None:
        key = keys.load(folder)
        public = ECKey.import_key(key.public_jwk)

        token = jws.deserialize_compact(
            key.sign(typ="posture+jwt", claims={"seq": 1}), public, algorithms=["ES256"]
        )

        assert token.headers() == {"alg": "ES256", "typ": "posture+jwt", "kid": public.thumbprint()}
        assert json.loads(token.payload) == {"seq": 1}

    def test_another_kind_of_key_is_refused(self, folder: Path) -> None:
        path = folder / keys.FILE_NAME
        path.write_bytes(ECKey.generate_key("P-384").as_pem(private=True))
        path.chmod(0o600)

        with pytest.raises(KeyFileError, match="another kind"):
            keys.load(folder)


class TestState:
    def test_a_number_is_taken_for_good_before_it_is_used(self, folder: Path, enrolled) -> None:
        taken = [state.next_seq(folder).seq for _ in range(3)]

        assert taken == [1, 2, 3]
        assert state.load(folder).seq == 3

    def test_a_crash_while_writing_leaves_the_old_state(
        self, folder: Path, enrolled, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def crash(_: int) -> None:
            raise OSError("no space left on device")

        monkeypatch.setattr(os, "fsync", crash)
        with pytest.raises(OSError, match="no space"):
            state.next_seq(folder)

        assert state.load(folder) == enrolled

    def test_a_broken_file_is_an_error_not_a_fresh_start(self, folder: Path, enrolled) -> None:
        (folder / state.FILE_NAME).write_text('{"server": ')

        with pytest.raises(state.StateError):
            state.load(folder)

    def test_two_agents_do_not_work_in_one_folder(self, folder: Path) -> None:
        with state.alone(folder):
            with pytest.raises(state.StateError, match="another agent"), state.alone(folder):
                pass


class TestEnrolling:
    @pytest.fixture
    def ask(self, wire: Wire, machine, folder: Path, naps: list[float]) -> Callable[[], Any]:
        clock = iter(range(1_800_000_000, 1_800_100_000, 5))
        self.told: list[str] = []
        return lambda: enrol(
            wire,
            machine=machine,
            name="eve-laptop",
            folder=folder,
            say=self.told.append,
            sleep=naps.append,
            clock=lambda: next(clock),
        )

    def test_it_asks_shows_the_code_and_waits(
        self, server: Server, ask, folder: Path, naps: list[float]
    ) -> None:
        server.answers |= {
            "/devices/api/enrolments": [(201, ASKED)],
            "/devices/api/enrolments/e": [
                (202, {}),
                (400, {"error": "slow_down"}),
                (200, ALLOWED),
            ],
        }

        enrolment = ask()

        assert enrolment == state.load(folder) == state.Enrolment(server=server.url, **ALLOWED)
        assert naps == [5, 5, 10]
        assert "WDJB-MJHT" in self.told[0]
        sent = json.loads(server.bodies("/devices/api/enrolments")[0])
        assert sent["public_jwk"] == keys.load(folder).public_jwk
        assert "d" not in sent["public_jwk"]
        assert (sent["name"], sent["platform"], sent["key_storage"]) == (
            "eve-laptop",
            "linux",
            "software",
        )
        assert opened(sent["proof"])["aud"] == server.url
        polls = [json.loads(body)["proof"] for body in server.bodies("/devices/api/enrolments/e")]
        issued = [opened(proof)["iat"] for proof in (sent["proof"], *polls)]
        assert issued == sorted(set(issued))

    @pytest.mark.parametrize(
        "said",
        [(403, {"error_description": "Somebody said no."}), (410, {"error": "expired"})],
        ids=["denied", "over"],
    )
    def test_a_no_leaves_an_earlier_enrolment_as_it_was(
        self, server: Server, ask, folder: Path, enrolled, said: Said
    ) -> None:
        before = keys.load(folder).thumbprint
        server.answers |= {
            "/devices/api/enrolments": [(201, ASKED)],
            "/devices/api/enrolments/e": [said],
        }

        with pytest.raises(Refused):
            ask()

        assert state.load(folder) == enrolled
        assert keys.load(folder).thumbprint == before

    def test_asked_to_wait_longer_it_does(
        self, server: Server, ask, naps: list[float], wire: Wire
    ) -> None:
        server.headers["Retry-After"] = "7"
        server.answers |= {
            "/devices/api/enrolments": [(201, ASKED)],
            "/devices/api/enrolments/e": [(429, {"error": "slow_down"}), (200, ALLOWED)],
        }

        ask()

        assert naps == [5, 7]

    def test_it_stops_waiting_when_the_code_has_run_out(self, server: Server, ask) -> None:
        server.answers |= {
            "/devices/api/enrolments": [(201, ASKED)],
            "/devices/api/enrolments/e": [(202, {})],
        }

        with pytest.raises(Refused, match="in time"):
            ask()


class TestReporting:
    def test_it_signs_what_it_sees_for_this_server(
        self, server: Server, wire: Wire, machine, folder: Path, enrolled
    ) -> None:
        report(wire, machine=machine, folder=folder, clock=lambda: 1_800_000_000.9)

        [(_, content_type, token)] = [got for got in server.got if got[0].endswith("reports")]
        public = ECKey.import_key(keys.load(folder).public_jwk)
        signed = jws.deserialize_compact(token, public, algorithms=["ES256"])
        claims = json.loads(signed.payload)
        assert content_type == "application/jwt"
        assert signed.headers()["typ"] == "posture+jwt"
        assert (claims["iss"], claims["aud"]) == (ALLOWED["device_id"], server.url)
        assert (claims["iat"], claims["nonce"], claims["seq"], claims["schema"]) == (
            1_800_000_000,
            "n-1",
            1,
            1,
        )
        assert len(claims["checks"]) == 10
        assert len(token) < 16 * 1024
        assert state.load(folder).last_score == 70

    def test_no_secret_and_no_path_leaves_the_machine(
        self, server: Server, wire: Wire, machine, folder: Path, enrolled
    ) -> None:
        report(wire, machine=machine, folder=folder)

        [token] = server.bodies("/devices/api/d/reports")
        sent = json.dumps(opened(token))
        assert not any(word in sent for word in ("eve", "vg-root", "clamd", "PRIVATE", "LUKS"))

    def test_a_lost_answer_leads_to_a_new_report_not_a_second_copy(
        self, server: Server, wire: Wire, machine, folder: Path, enrolled, naps: list[float]
    ) -> None:
        server.answers["/devices/api/d/reports"] = [
            (LOST, {}),
            (503, {"error": "temporarily_unavailable"}),
            (200, {"score": 70, "tier": 3}),
        ]

        report(wire, machine=machine, folder=folder)

        claims = [opened(token) for token in server.bodies("/devices/api/d/reports")]
        assert [each["seq"] for each in claims] == [1, 2, 3]
        assert len({each["jti"] for each in claims}) == 3
        assert naps == [2, 4]

    def test_a_server_that_stays_away_is_given_up_on_for_now(
        self, server: Server, wire: Wire, machine, folder: Path, enrolled, naps: list[float]
    ) -> None:
        server.answers["/devices/api/d/nonce"] = [(LOST, {})]

        with pytest.raises(Unreachable):
            report(wire, machine=machine, folder=folder)

        assert naps == [2, 4, 8, 16]
        assert state.load(folder).seq == 0

    def test_it_waits_as_long_as_the_server_asks(
        self, server: Server, wire: Wire, machine, folder: Path, enrolled, naps: list[float]
    ) -> None:
        server.headers["Retry-After"] = "30"
        server.answers["/devices/api/d/nonce"] = [(429, {}), (200, {"nonce": "n-2"})]

        report(wire, machine=machine, folder=folder)

        assert naps == [30]

    def test_a_refusal_is_told_and_not_repeated(
        self, server: Server, wire: Wire, machine, folder: Path, enrolled
    ) -> None:
        server.answers["/devices/api/d/reports"] = [
            (403, {"error": "not_enrolled", "error_description": "This device is suspended."})
        ]

        with pytest.raises(Refused, match="suspended"):
            report(wire, machine=machine, folder=folder)

        assert len(server.bodies("/devices/api/d/reports")) == 1

    def test_running_survives_the_network_and_keeps_the_interval(
        self, server: Server, wire: Wire, machine, folder: Path, enrolled
    ) -> None:
        server.answers["/devices/api/d/reports"] = [
            *[(LOST, {})] * 5,
            (200, {"score": 70, "tier": 3, "next_report_in": 600}),
            (403, {"error": "not_enrolled"}),
        ]
        pauses: list[float] = []
        told: list[str] = []

        with pytest.raises(Refused):
            run(wire, machine=machine, folder=folder, say=told.append, sleep=pauses.append)

        assert pauses == [900, 600]
        assert told == [
            f"{server.url} took no report; trying again later",
            "score 70, tier 3",
        ]


class TestWhereItSends:
    @pytest.mark.parametrize(
        "server", ["http://id.example", "ftp://id.example", "id.example"], ids=str
    )
    def test_plain_text_to_elsewhere_is_refused(self, server: str) -> None:
        with pytest.raises(InsecureServer):
            Wire(server)

    def test_a_server_cannot_send_it_to_another_one(self, wire: Wire) -> None:
        with pytest.raises(InsecureServer):
            wire.post("https://elsewhere.example/devices/api/d/nonce")

    def test_a_redirect_is_not_followed(self, server: Server, wire: Wire) -> None:
        server.headers["Location"] = f"{server.url}/elsewhere"
        server.answers["/a"] = [(307, {})]

        assert wire.post("/a").status == 307
        assert [path for path, *_ in server.got] == ["/a"]

    def test_an_answer_that_is_no_json_is_only_its_status(self, server: Server, wire: Wire) -> None:
        server.answers["/a"] = [(400, ["not", "an", "object"])]  # type: ignore[list-item]

        assert wire.post("/a").error == "(400)"


class TestCommands:
    def test_status_sends_nothing(
        self, server: Server, folder: Path, tmp_path: Path, capsys
    ) -> None:
        root = debian_laptop(tmp_path / "laptop")

        assert main(["status", "--state", str(folder), "--root", str(root)]) == 0

        printed = capsys.readouterr().out
        assert "This machine is not enrolled." in printed
        assert "pass    disk_encryption" in printed
        assert server.got == []

    def test_a_report_before_enrolling_says_so(self, server: Server, folder: Path, capsys) -> None:
        assert main(["report", "--state", str(folder), "--server", server.url]) == 1

        assert "not enrolled" in capsys.readouterr().err

    def test_a_report_goes_to_no_other_server(
        self, server: Server, folder: Path, enrolled, capsys
    ) -> None:
        assert (
            main(["report", "--state", str(folder), "--server", "https://elsewhere.example"]) == 1
        )

        assert f"enrolled at {server.url}" in capsys.readouterr().err
        assert server.got == []
